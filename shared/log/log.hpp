// SPDX-License-Identifier: Apache-2.0
// One key=value line per event, to stderr (the journal) or syslog. Never a message body, never a secret. Values pass
// printable() and are quoted where they hold blanks, quotes, '=' or nothing. Thread-safe; a line is one write.
//
//     log::info("refused").kv("account", account).kv("limit", subject(l)).kv("ref", reference);
//
// gives: `info refused account=a@example.org limit="recipients per hour" ref=K7QM2P4X`
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>

namespace postsluice::log {

enum class level : std::uint8_t { debug, info, warning, error };

/// `destination`: "stderr" or "syslog"; `threshold`: name of a level. Throws std::invalid_argument on other words.
/// Before the first call everything from info on goes to stderr.
void open(std::string_view program, std::string_view destination, std::string_view threshold);
[[nodiscard]] bool enabled(level l) noexcept;
/// Tests see every line here instead of the destination; an empty function restores it.
void capture(std::function<void(level, const std::string&)> sink);

/// A line under construction; it is written when the object ends.
class line {
public:
    line(level l, std::string_view event);
    line(line&& other) noexcept;
    line(const line&) = delete;
    line& operator=(const line&) = delete;
    line& operator=(line&&) = delete;
    ~line();

    line&& kv(std::string_view key, std::string_view value) &&;
    template <class Number, class = std::enable_if_t<std::is_arithmetic_v<Number>>>
    line&& kv(std::string_view key, Number value) && {
        return std::move(*this).kv(key, std::string_view{std::to_string(value)});
    }
    line&& kv(std::string_view key, bool value) && {
        return std::move(*this).kv(key, std::string_view{value ? "yes" : "no"});
    }
    line&& kv(std::string_view key, const char* value) && { return std::move(*this).kv(key, std::string_view{value}); }

private:
    level level_;
    bool active_;
    std::string text_;
};

inline line debug(std::string_view event) {
    return {level::debug, event};
}
inline line info(std::string_view event) {
    return {level::info, event};
}
inline line warning(std::string_view event) {
    return {level::warning, event};
}
inline line error(std::string_view event) {
    return {level::error, event};
}

} // namespace postsluice::log
