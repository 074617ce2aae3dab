// SPDX-License-Identifier: Apache-2.0
// What setup makes of a Postfix configuration: the [postsluice] parts of postfix-examples/WAY, fitted to this machine,
// put into main.cf and master.cf. Pure: text in, text out; what is planned twice is planned once. All else stays as it
// is, in its place and with its comments: other policy services come after ours, milters before the filter, and a
// content_filter that was there (amavis) gets the mail after ours, by way of the re-entry service.
#pragma once

#include "admin/setup/examples.hpp"
#include "admin/setup/master_cf.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::admin::setup {

enum class way { lmtp, smtp, before_queue, pipe };
[[nodiscard]] std::optional<way> parse_way(std::string_view name);
[[nodiscard]] std::string_view to_string(way w);
/// Its folder in postfix-examples/.
[[nodiscard]] std::string_view example_folder(way w);

/// What stands here in the place of what the examples say.
struct site {
    std::string queue_directory = "/var/spool/postfix";
    std::string libexec_directory = "/usr/libexec/postsluice";
    std::string user = "postsluice";                    ///< for pipe(8)
    std::string smtp_destination = "[127.0.0.1]:10587"; ///< where the filter listens, for way::smtp
    /// Of the services by which mail comes back, those to which the filter's next_hop and hold_hop lead.
    std::vector<std::string> ways_back = {"postsluice-reentry", "postsluice-hold"};
    /// Whether this Postfix has a parameter of this name.
    std::function<bool(const std::string&)> knows = [](const std::string&) { return true; };
};

/// Files of Postfix's configuration directory by name. main.cf and master.cf are always there.
using file_set = std::map<std::string, std::string>;

struct planned {
    file_set files;
    std::vector<std::string> notes;     ///< what the admin ought to know
    std::vector<std::string> obstacles; ///< why it cannot be done; then `files` is of no use
};

/// The whole of it.
[[nodiscard]] planned plan(const file_set& now, way w, const site& s);

// ---- what several files of this folder ask

/// A service of users' submission: smtpd on the ports 587 or 465, by whatever name.
[[nodiscard]] bool is_submission(const piece& p);
/// The name of a parameter or service of ours.
[[nodiscard]] bool is_ours(std::string_view name);
/// A service of ours by which mail comes back from the filter.
[[nodiscard]] bool is_way_back(const service& s);
inline constexpr std::string_view reentry_name = "postsluice-reentry";
[[nodiscard]] bool leads_here(const site& s, std::string_view way_back);
/// An example's file, its paths fitted to the site.
[[nodiscard]] std::string fitted_example(way w, std::string_view file, const site& s);

inline constexpr std::string_view policy_parameter = "postsluice_policy";
/// A restriction list without our policy service.
[[nodiscard]] std::string without_policy(std::string_view list);

} // namespace postsluice::admin::setup
