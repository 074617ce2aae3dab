// SPDX-License-Identifier: Apache-2.0
// What every command needs: where output goes, whether it is for a program (--json), the configuration, and the two
// daemons behind their control sockets. Blocking, one thread. Trouble is one clear sentence on `err`, and with --json
// also an object
// {"ok": false, "error", "code"} on `out`; the caller returns the exit code it gets.
//
// Where the sockets lie stands in the configuration. A file that the operator named (--config, POSTSLUICE_CONFIG) must
// be without errors (exit 78); where the default file cannot be used, the default directory is tried with a warning, so
// that unlocking an account does not wait for somebody's half-finished edit. --control names the directory and needs no
// configuration at all.
#pragma once

#include "shared/config/load.hpp"
#include "shared/core/clock.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>

namespace postsluice::admin {

inline constexpr const char* default_config = "/etc/postsluice/postsluice.toml";

enum class daemon { policyd, contentfilter };
[[nodiscard]] std::string program_name(daemon d); ///< "postsluice-policyd"
[[nodiscard]] std::string short_name(daemon d);   ///< "policyd": member in merged answers

/// What a daemon said. `exit` is exit_done where `body` is an answer; otherwise `error` says why.
struct reply {
    nlohmann::json body;
    int exit = 0;
    std::string error, code;
    [[nodiscard]] bool ok() const noexcept { return exit == 0; }
};

struct options {
    bool json = false;
    std::filesystem::path config_file = default_config;
    bool config_named = false;               ///< by --config or POSTSLUICE_CONFIG
    std::filesystem::path control_directory; ///< --control; empty: as configured
};

class context {
public:
    context(options given, std::ostream& out_stream, std::ostream& err_stream, const clock& time);

    std::ostream& out;
    std::ostream& err;
    [[nodiscard]] bool json() const noexcept { return options_.json; }
    [[nodiscard]] const std::filesystem::path& config_file() const noexcept { return options_.config_file; }
    [[nodiscard]] instant now() const noexcept { return clock_.now(); }

    [[nodiscard]] reply ask(daemon whom, const nlohmann::json& request,
                            std::chrono::seconds timeout = std::chrono::seconds{40});
    /// Tells a reply's trouble, and returns its exit code.
    int fail(const reply& r);
    int fail(int exit, const std::string& error, std::string_view code);
    /// A note beside the result, on `err` only.
    void note(const std::string& text);
    /// With --json: the object, one document, "ok": true added where it has none.
    void print_json(nlohmann::json object);

private:
    [[nodiscard]] std::optional<std::filesystem::path> control_directory();
    options options_;
    const clock& clock_;
    std::optional<std::filesystem::path> directory_;
    bool config_told_ = false; ///< its errors were printed
};

} // namespace postsluice::admin
