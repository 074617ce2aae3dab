// SPDX-License-Identifier: Apache-2.0
// Postfix's lookup tables, read as Postfix reads them, so that an operator's maps need no copy for us (DATABASE_README,
// lmdb_table(5), regexp_table(5), socketmap_table(5)). A map is named "type:name", as in main.cf:
//   lmdb:/path       what postmap(1) wrote to /path.lmdb; may be written anew meanwhile
//   texthash:/path   postmap's input itself, read whole
//   regexp:/path     patterns, in their order
//   socketmap:unix:/path:NAME, socketmap:inet:ADDRESS:PORT:NAME   a server asked over a socket, for all else (LDAP,
//   SQL)
// A map is opened when first asked, and again when its file has changed: no restart, no reload. Keys of lmdb and
// texthash are folded to lower case (ASCII), as postmap writes them. What differs from Postfix: letters beyond ASCII
// keep their case, so that a map finds less than Postfix would there, never more.
//
// Any thread. Files are answered at once; a socketmap is asked on the executor given here, which must outlive the
// questions. A map that cannot be read is an error value for every question, and is logged, at most once a minute.
#pragma once

#include "shared/core/result.hpp"
#include "shared/core/units.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::config {
struct settings;
}

namespace postsluice::maps {

/// The value of a key; nothing where the map does not have it. Errors: errc::not_found (no such file), denied, corrupt,
/// too_large (a bound), unavailable, timed_out, protocol (socketmaps), malformed (a key that none can be).
using answer = result<std::optional<std::string>>;

/// Longer keys are errc::too_large; an address has 320 octets at most (RFC 5321 section 4.5.3.1).
inline constexpr std::size_t max_key = 2048;
/// Larger texthash and regexp files are errc::too_large.
inline constexpr std::size_t max_file = std::size_t{64} << 20U;

/// Patterns (regexp, socketmap) are asked for whole addresses only, never for parts of them: as Postfix does.
[[nodiscard]] bool is_pattern(std::string_view name) noexcept;
/// Whether the answer must be waited for.
[[nodiscard]] bool is_remote(std::string_view name) noexcept;

/// Bounds of one question to a socketmap, from [policyd] map_timeout, map_cache and map_cache_time.
struct remote_options {
    seconds timeout{5};
    std::size_t cache = 10'000;
    seconds cache_time{60};
};
[[nodiscard]] remote_options remote_options_of(const config::settings& settings);

class map_set {
public:
    /// `executor`: where sockets are served; without one socketmaps are errc::unsupported.
    explicit map_set(boost::asio::any_io_executor executor = {});
    map_set(const map_set&) = delete;
    map_set& operator=(const map_set&) = delete;
    ~map_set();

    /// Asks a map that is a file. errc::unsupported for a socketmap.
    [[nodiscard]] answer get(std::string_view name, std::string_view key);
    /// Asks any map. A socketmap's answer is remembered as `how` says; its errors are not.
    boost::asio::awaitable<answer> find(std::string name, std::string key, remote_options how);

    struct impl;

private:
    std::shared_ptr<impl> impl_;
};

/// What is wrong with the maps that `settings` name, one sentence each: files that are missing, unreadable or hold
/// lines that mean nothing, socketmaps without an address. Opens each map, as whoever calls.
[[nodiscard]] std::vector<std::string> problems(const config::settings& settings);

} // namespace postsluice::maps
