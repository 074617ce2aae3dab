// SPDX-License-Identifier: Apache-2.0
// The control protocol: one JSON object a line, over a unix socket (0660, group postsluice-admin; SO_PEERCRED names the
// actor). Request {"verb": "account lock", ...arguments}; answer {"ok": true, ...} or {"ok": false, "error":
// "sentence", "code": "not-found"}. Requests up to 1 MiB (a constructor parameter), 30 s each: to arrive whole, to be
// handled, and for the answer to be taken; at most 64 connections. A verb that is unknown answers errc::unsupported, a
// handler that throws errc::internal, a line that is no JSON object errc::malformed; a line that is too long is
// answered and the connection closed. The operator's command, the pipe client and later a web panel are its clients;
// none of them writes LMDB.
#pragma once

#include "shared/core/result.hpp"
#include "shared/net/endpoint.hpp"

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace postsluice::control {

struct request_context {
    std::string actor; ///< login name of the peer's uid, or "uid 1000"
};
/// A handler gets the request object and returns the answer's members ("ok" is added) or a failure.
using handler = std::function<boost::asio::awaitable<result<nlohmann::json>>(request_context,
                                                                             std::shared_ptr<const nlohmann::json>)>;

/// A handler's success. (json converts to and from everything, so that result<json> cannot be made of it by itself.)
[[nodiscard]] result<nlohmann::json> success(nlohmann::json members);

/// What a server bears besides the length of a request.
struct server_bounds {
    std::chrono::milliseconds request_timeout{30000}; ///< for each of: receiving, handling, answering
    std::size_t max_connections = 64;
};

class server {
public:
    static constexpr std::size_t default_max_request_bytes = 1U << 20U;

    /// Binds `socket` (mode 0660; group set where it exists, else a warning). Throws std::runtime_error where it
    /// cannot.
    server(boost::asio::any_io_executor executor, std::filesystem::path socket, std::string group,
           std::size_t max_request_bytes = default_max_request_bytes, server_bounds bounds = {});
    /// Stops.
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;
    /// Before start() only: requests are looked up without a lock. Each connection runs on a strand of its own.
    void on(std::string verb, handler what);
    void start();
    /// Removes the socket file, closes the listener and all connections. Callable from any thread, twice too.
    void stop();

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

/// The name of a failure's class in an answer's "code": "not-found".
[[nodiscard]] std::string_view code_name(errc code) noexcept;
[[nodiscard]] std::optional<errc> parse_code(std::string_view name) noexcept;

/// One blocking call, for the command line. The answer object as it came, "ok" true or false; the failures here are
/// those of the way there: errc::unavailable where nobody listens ("is postsluice-policyd running?"), denied,
/// timed_out, closed (no whole answer), protocol (no JSON object), too_large (an answer over 64 MiB), malformed (a path
/// too long for a socket).
[[nodiscard]] result<nlohmann::json> call(const std::filesystem::path& socket, const nlohmann::json& request,
                                          std::chrono::seconds timeout);

/// The same for a daemon, which must not block: on the coroutine's executor. The answer is short (64 KiB).
[[nodiscard]] boost::asio::awaitable<result<nlohmann::json>> ask(std::filesystem::path socket, nlohmann::json request,
                                                                 std::chrono::milliseconds timeout);

} // namespace postsluice::control
