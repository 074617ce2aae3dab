// SPDX-License-Identifier: Apache-2.0
// Reads /etc/postsluice/postsluice.toml and conf.d/*.toml beside it (in name order; tables merge, arrays of tables
// append, a scalar set twice is an error) into settings. Never stops at the first mistake: all of them come back, each
// as "file:line: key: what is wrong; what would be right". Also what --check-config, --print-defaults and the sample
// file print. Runs in any thread; touches nothing but the files.
#pragma once

#include "shared/config/settings.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace postsluice::config {

struct config_error {
    std::string file;
    unsigned line = 0;
    std::string key;
    std::string text;                          ///< "what is wrong; what would be right"
    [[nodiscard]] std::string message() const; ///< "file:line: key: text"
};

struct load_result {
    settings_ptr settings; ///< null where there are errors
    std::vector<config_error> errors;
};

[[nodiscard]] load_result load(const std::filesystem::path& file);
/// The same from text, for tests; `name` stands in messages.
[[nodiscard]] load_result load_text(std::string_view toml, std::string_view name = "test.toml");

/// Every option with its default, as TOML that load_text() takes and that yields the defaults again.
[[nodiscard]] std::string print_defaults();
/// The commented sample file: each option's help, its range, and the default commented out.
[[nodiscard]] std::string print_sample();

/// One option as the manual lint and `postsluice config defaults --json` see it.
struct option_info {
    std::string key; ///< "policyd.max_connections"
    std::string default_value, range, help;
};
[[nodiscard]] std::vector<option_info> describe_options();

} // namespace postsluice::config
