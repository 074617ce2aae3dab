// SPDX-License-Identifier: Apache-2.0
// What both daemons do at start and stop, in this order: arguments (--config, --check-config, --print-defaults,
// --print-sample, --user,
// --version), load the configuration (all errors, exit 78), open the log, refuse a second instance (a lock file in the
// state directory, flock), bind listeners while still privileged, drop to the configured user for good (supplementary
// groups kept: postdrop, postsluice-admin), run, tell systemd READY=1, reload on SIGHUP, stop cleanly on SIGTERM or
// SIGINT. Refuses to run as root after start-up. Exit codes: 0 stopped, 1 failed, 2 usage, 78 configuration.
#pragma once

#include "shared/config/snapshot.hpp"
#include "shared/daemon/exit_codes.hpp"

#include <boost/asio/io_context.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace postsluice::daemon {

struct start {
    std::string program; ///< "postsluice-policyd"
    std::filesystem::path config_file;
    std::string user; ///< run as; empty: stay who we are (not root). Started as root: "postsluice"
};

/// Handles the arguments that print and exit; otherwise fills `out` and returns nullopt. Not reentrant (getopt).
[[nodiscard]] std::optional<int> parse_arguments(int argc, char** argv, std::string_view program, start& out);
/// The settings, or null after every error was printed to stderr: exit with exit_config then.
[[nodiscard]] config::settings_ptr load_or_explain(const std::filesystem::path& file);

/// Holds PROGRAM.lock in the state directory while it lives. Throws std::runtime_error: another instance runs (its pid
/// is named), or the file cannot be used. The lock is flock(2): it ends with the process, however that ends.
class single_instance {
public:
    single_instance(const std::filesystem::path& state_directory, std::string_view program);
    ~single_instance();
    single_instance(const single_instance&) = delete;
    single_instance& operator=(const single_instance&) = delete;

private:
    int fd_ = -1;
};

/// Makes the directory where missing (parents 0755), with `mode` whatever the umask; owner `user` and its group where
/// we are root. One that exists is left as it is. Throws std::runtime_error.
void prepare_directory(const std::filesystem::path& directory, const std::string& user, unsigned mode);
/// Gives up root for good; a no-op where we are not root and `user` is empty or ourselves. Throws std::runtime_error:
/// no such user, root itself, not permitted, or root could be regained.
void drop_privileges(const std::string& user);

/// sd_notify(3); nothing without NOTIFY_SOCKET.
void notify(std::string_view state);

/// Runs `stop` once on SIGTERM or SIGINT and `reload` on SIGHUP, on `context`, and keeps that running until `stop` ran.
/// Later signals are ignored: a clean stop has a deadline of its own.
void handle_signals(boost::asio::io_context& context, std::function<void()> stop, std::function<void()> reload);

} // namespace postsluice::daemon
