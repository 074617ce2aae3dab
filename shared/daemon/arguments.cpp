// SPDX-License-Identifier: Apache-2.0
#include "config.h"
#include "shared/config/load.hpp"
#include "shared/daemon/daemon.hpp"
#include "shared/maps/map_set.hpp"

#include <getopt.h>
#include <unistd.h>

#include <array>
#include <iostream>

namespace postsluice::daemon {
namespace {

constexpr const char* default_config = "/etc/postsluice/postsluice.toml";
constexpr const char* default_user = "postsluice";

enum option_code : int { opt_config = 256, opt_check, opt_defaults, opt_sample, opt_user, opt_version, opt_help };

void print_help(std::ostream& out, std::string_view program) {
    out << "Usage: " << program << " [--config FILE] [--user NAME]\n\n"
        << "  --config FILE      configuration (default " << default_config << ")\n"
        << "  --check-config     report every error of the configuration, and exit\n"
        << "  --print-defaults   print every option with its default, and exit\n"
        << "  --print-sample     print a commented sample configuration, and exit\n"
        << "  --user NAME        run as this user (default, where started as root: " << default_user << ")\n"
        << "  --version          print the version, and exit\n"
        << "  --help             print this, and exit\n\n"
        << "Signals: SIGHUP reloads the configuration; SIGTERM and SIGINT stop cleanly.\n"
        << "Exit codes: 0 stopped or done, 1 failed, 2 wrong usage, 78 errors in the configuration.\n";
}

int usage_error(std::string_view program, std::string_view what) {
    if (!what.empty()) std::cerr << program << ": " << what << '\n';
    std::cerr << "Try \"" << program << " --help\".\n";
    return exit_usage;
}

int check_config(const std::filesystem::path& file) {
    const auto settings = load_or_explain(file);
    if (!settings) return exit_config;
    const auto wrong = maps::problems(*settings);
    for (const auto& one : wrong)
        std::cerr << file.string() << ": " << one << '\n';
    if (!wrong.empty()) return exit_config;
    std::cout << file.string() << ": no errors\n";
    return 0;
}

} // namespace

config::settings_ptr load_or_explain(const std::filesystem::path& file) {
    auto loaded = config::load(file);
    for (const auto& error : loaded.errors)
        std::cerr << error.message() << '\n';
    if (!loaded.settings && loaded.errors.empty()) std::cerr << file.string() << ": cannot be loaded\n";
    return loaded.errors.empty() ? loaded.settings : nullptr;
}

std::optional<int> parse_arguments(int argc, char** argv, std::string_view program, start& out) {
    static constexpr std::array<::option, 8> options = {{{"config", required_argument, nullptr, opt_config},
                                                         {"check-config", no_argument, nullptr, opt_check},
                                                         {"print-defaults", no_argument, nullptr, opt_defaults},
                                                         {"print-sample", no_argument, nullptr, opt_sample},
                                                         {"user", required_argument, nullptr, opt_user},
                                                         {"version", no_argument, nullptr, opt_version},
                                                         {"help", no_argument, nullptr, opt_help},
                                                         {nullptr, 0, nullptr, 0}}};
    out.program = program;
    out.config_file = default_config;
    out.user.clear();
    bool check = false;
    optind = 0; // from the first argument, also on a second call
    for (int code = 0;
         (code = ::getopt_long(argc, argv, "", options.data(), nullptr)) != -1;) { // NOLINT(concurrency-mt-unsafe)
        switch (code) {
        case opt_config:
            out.config_file = optarg;
            break;
        case opt_check:
            check = true;
            break;
        case opt_defaults:
            std::cout << config::print_defaults();
            return 0;
        case opt_sample:
            std::cout << config::print_sample();
            return 0;
        case opt_user:
            out.user = optarg;
            break;
        case opt_version:
            std::cout << program << " (" PACKAGE_NAME ") " PACKAGE_VERSION "\n";
            return 0;
        case opt_help:
            print_help(std::cout, program);
            return 0;
        default:
            return usage_error(program, {}); // getopt has said what is wrong
        }
    }
    if (optind < argc) return usage_error(program, "\"" + std::string{argv[optind]} + "\" is not an option");
    if (out.config_file.empty()) return usage_error(program, "--config wants a file");
    // A reload reads the file again, wherever the process stands by then.
    out.config_file = std::filesystem::absolute(out.config_file);
    if (check) return check_config(out.config_file);
    if (out.user.empty() && ::geteuid() == 0) out.user = default_user;
    return std::nullopt;
}

} // namespace postsluice::daemon
