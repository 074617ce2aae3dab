// SPDX-License-Identifier: Apache-2.0
// --NAME VALUE pairs, then -- and the recipients. Not getopt, which permutes, abbreviates and prints; a value may begin
// with a dash or be empty, as pipe(8)'s macros may.
#include "contentfilter/pipe/delivery.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace postsluice::contentfilter::pipe {

namespace {

template <class Number>
bool read_number(std::string_view text, Number& into) {
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), into);
    return problem == std::errc{} && end == text.data() + text.size();
}

bool is_clean(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; });
}

/// XFORWARD's name of an option; empty where it is none of these.
std::string_view attribute_of(std::string_view option) {
    struct entry {
        std::string_view option, attribute;
    };
    static constexpr std::array attributes{entry{"--queue-id", "IDENT"},       entry{"--login", "LOGIN"},
                                           entry{"--client-address", "ADDR"},  entry{"--client-name", "NAME"},
                                           entry{"--client-port", "PORT"},     entry{"--client-helo", "HELO"},
                                           entry{"--client-protocol", "PROTO"}};
    for (const auto& one : attributes)
        if (one.option == option) return one.attribute;
    return {};
}

/// "" where it was taken.
std::string take(std::string_view option, std::string value, request& into) {
    if (option == "--socket") {
        into.socket = std::move(value);
    } else if (option == "--sender") {
        into.sender = std::move(value);
    } else if (option == "--size") {
        std::uint64_t size = 0;
        if (!read_number(value, size)) return "--size is not a number";
        into.size = size;
    } else if (option == "--timeout") {
        if (!read_number(value, into.seconds) || into.seconds == 0) return "--timeout is not a number of seconds";
    } else if (const auto attribute = attribute_of(option); !attribute.empty()) {
        into.forward.emplace_back(attribute, std::move(value));
    } else {
        return "unknown option";
    }
    return {};
}

} // namespace

std::string read_arguments(int argc, char** argv, request& into) {
    int at = 1;
    for (; at < argc && std::string_view{argv[at]} != "--"; at += 2) {
        if (at + 1 >= argc) return "an option has no value";
        if (!is_clean(argv[at + 1])) return "a value has control characters";
        if (auto wrong = take(argv[at], argv[at + 1], into); !wrong.empty()) return wrong;
    }
    for (++at; at < argc; ++at) {
        if (!is_clean(argv[at]) || *argv[at] == '\0') return "a recipient is no address";
        into.recipients.emplace_back(argv[at]);
    }
    if (into.recipients.empty()) return "no recipients";
    return {};
}

} // namespace postsluice::contentfilter::pipe
