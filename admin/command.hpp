// SPDX-License-Identifier: Apache-2.0
// A command of the operator's program: a noun and a verb ("account lock"), its arguments, and the function that carries
// it out. One source file per noun in admin/commands/, one line per noun in admin/commands/registry.cpp. Commands are
// data: command_line.cpp turns them into a parser and into --help, and is the only file that knows CLI11.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::admin {

/// Exit codes, for scripts. They are part of the interface.
inline constexpr int exit_done = 0;
inline constexpr int exit_refused = 1;     ///< refused or failed
inline constexpr int exit_usage = 2;       ///< wrong arguments
inline constexpr int exit_not_found = 3;   ///< no such account, reference, message
inline constexpr int exit_daemon_down = 4; ///< a daemon that is needed does not answer
inline constexpr int exit_try_again = 75;  ///< cannot be told, or is not so far yet: the same command later may do it
inline constexpr int exit_config = 78;     ///< errors in the configuration

class context;

struct argument {
    std::string_view name; ///< "ACCOUNT": positional; "--as": an option with a value
    std::string_view help;
    bool required = true;            ///< options are never required
    std::string_view value = "TEXT"; ///< what an option's value is called; "NUMBER" admits 1 to 100000 only; "FLAG": an
                                     ///< option without a value; "MANY": a positional that may be repeated;
                                     ///< "ADDRESS...": an option that may be
};

/// What was given, by the argument's name.
class arguments {
public:
    void set(std::string name, std::string value) { values_[std::move(name)].push_back(std::move(value)); }
    [[nodiscard]] std::optional<std::string> get(std::string_view name) const {
        const auto at = values_.find(name);
        return at == values_.end() ? std::nullopt : std::optional{at->second.back()};
    }
    /// Every value of an argument that may be repeated.
    [[nodiscard]] std::vector<std::string> all(std::string_view name) const {
        const auto at = values_.find(name);
        return at == values_.end() ? std::vector<std::string>{} : at->second;
    }
    /// A required argument.
    [[nodiscard]] std::string operator[](std::string_view name) const { return get(name).value_or(std::string{}); }

private:
    std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

struct command {
    std::string_view noun;
    std::string_view verb; ///< empty: the noun is the command ("status")
    std::string_view help;
    std::vector<argument> takes;
    std::string_view short_form; ///< "unlock": `postsluice unlock` is the same; empty: none
    int (*run)(context&, const arguments&);
};

/// All commands, in the order of --help.
[[nodiscard]] const std::vector<command>& all_commands();

} // namespace postsluice::admin
