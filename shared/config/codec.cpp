// SPDX-License-Identifier: Apache-2.0
#include "shared/config/codec.hpp"

#include "shared/core/text.hpp"

#include <charconv>
#include <cmath>

namespace postsluice::config {
namespace {

std::string expected(std::string_view what, const node& from) {
    return "must be " + std::string{what} + ", not " + std::string{from.describe()};
}

std::string spell(double value) {
    char text[32];
    const auto [end, problem] = std::to_chars(text, text + sizeof text, value);
    return problem == std::errc{} ? std::string{text, end} : std::string{"0"};
}

} // namespace

std::string quote(std::string_view text) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
        } else if (byte < 0x20 || byte == 0x7F) {
            out.append("\\u00").append(1, hex[byte >> 4U]).append(1, hex[byte & 15U]);
        } else {
            out.push_back(c);
        }
    }
    out.push_back('"');
    return out;
}

std::string quote_list(const std::vector<std::string>& texts) {
    std::string out = "[";
    for (const auto& text : texts)
        out += (out.size() > 1 ? ", " : "") + quote(text);
    return out + "]";
}

std::string alternatives(const std::vector<std::string>& words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
        out += quote(words[i]);
    }
    return out;
}

std::string not_one_of(std::string_view word, const std::vector<std::string>& words) {
    const std::vector<std::string_view> known{words.begin(), words.end()};
    auto near = did_you_mean(word, known);
    for (const auto one : known) // "warn" is far from "warning" by letters, but it is what was meant
        if (near.empty() && word.size() >= 3 && one.starts_with(word)) near = one;
    const auto right = near.empty() ? "use " + alternatives(words) : "did you mean " + quote(near) + "?";
    return quote(printable(word, 60)) + " is not known here; " + right;
}

const std::string* as_string(const node& from, const report& to) {
    if (from.is(node::kind::string)) return &from.text;
    to.add(from, expected("a string", from) + "; put it in quotes");
    return nullptr;
}

bool for_each_string(const node& from, const report& to, const std::function<std::string(const std::string&)>& use) {
    if (!from.is(node::kind::array)) {
        to.add(from, expected("a list of strings", from) + R"(; write ["...", "..."])");
        return false;
    }
    bool good = true;
    for (const auto& item : from.items) {
        const auto* text = as_string(item, to);
        const auto wrong = text == nullptr ? std::string{} : use(*text);
        if (!wrong.empty()) to.add(item, wrong);
        good = good && text != nullptr && wrong.empty();
    }
    return good;
}

std::optional<std::uint64_t> read_integer(const node& from, std::uint64_t least, std::uint64_t most, const report& to) {
    const auto range = std::to_string(least) + " to " + std::to_string(most);
    if (!from.is(node::kind::integer)) {
        to.add(from, expected("a whole number", from) + "; " + range);
    } else if (from.integer < 0 || static_cast<std::uint64_t>(from.integer) < least ||
               static_cast<std::uint64_t>(from.integer) > most) {
        to.add(from, std::to_string(from.integer) + " is out of range; " + range);
    } else {
        return static_cast<std::uint64_t>(from.integer);
    }
    return std::nullopt;
}

codec<bool> booleans() {
    return {[](const node& from, bool& into, const report& to) {
                if (from.is(node::kind::boolean))
                    into = from.boolean;
                else
                    to.add(from, expected("true or false", from) + "; write it without quotes");
            },
            [](const bool& value) { return std::string{value ? "true" : "false"}; }, "true or false"};
}

codec<double> reals(double least, double most) {
    const auto range = spell(least) + " to " + spell(most);
    return {[=](const node& from, double& into, const report& to) {
                const double value = from.is(node::kind::integer) ? static_cast<double>(from.integer) : from.real;
                if (!from.is(node::kind::integer) && !from.is(node::kind::real))
                    to.add(from, expected("a number", from) + "; " + range);
                else if (!std::isfinite(value) || value < least || value > most)
                    to.add(from, spell(value) + " is out of range; " + range);
                else
                    into = value;
            },
            [](const double& value) { return spell(value); }, range};
}

codec<std::string> texts(text_rule rule, std::string range) {
    return {[=](const node& from, std::string& into, const report& to) {
                const auto* text = as_string(from, to);
                if (text == nullptr) return;
                if (auto wrong = rule(*text); !wrong.empty())
                    to.add(from, std::move(wrong));
                else
                    into = *text;
            },
            [](const std::string& value) { return quote(value); }, std::move(range)};
}

codec<std::string> choices(const std::vector<std::string>& words) {
    return {[=](const node& from, std::string& into, const report& to) {
                const auto* text = as_string(from, to);
                if (text == nullptr) return;
                for (const auto& word : words)
                    if (word == *text) return void(into = word);
                to.add(from, not_one_of(*text, words));
            },
            [](const std::string& value) { return quote(value); }, alternatives(words)};
}

codec<std::vector<std::string>> text_lists(text_rule rule, std::string range, std::size_t least) {
    return {[=](const node& from, std::vector<std::string>& into, const report& to) {
                std::vector<std::string> out;
                const bool good = for_each_string(from, to, [&](const std::string& text) {
                    out.push_back(text);
                    return rule(text);
                });
                if (good && out.size() < least)
                    to.add(from, "is empty; name at least one");
                else if (good)
                    into = std::move(out);
            },
            [](const std::vector<std::string>& values) { return quote_list(values); }, std::move(range)};
}

namespace {
std::string wrong_path(const std::string& text) {
    if (text.find('\0') != std::string::npos) return "a path cannot hold a NUL";
    if (text.size() > 4000) return "the path is too long; 4000 octets at most";
    if (!text.starts_with('/')) return quote(printable(text, 100)) + R"( is not an absolute path; begin it with "/")";
    return {};
}
} // namespace

codec<std::filesystem::path> paths() {
    return {[](const node& from, std::filesystem::path& into, const report& to) {
                const auto* text = as_string(from, to);
                if (text == nullptr) return;
                if (auto wrong = wrong_path(*text); !wrong.empty())
                    to.add(from, std::move(wrong));
                else
                    into = *text;
            },
            [](const std::filesystem::path& value) { return quote(value.string()); }, "an absolute path"};
}

codec<std::filesystem::path> optional_paths() {
    auto out = paths();
    out.read = [read = std::move(out.read)](const node& from, std::filesystem::path& into, const report& to) {
        const auto* text = as_string(from, to);
        if (text != nullptr && text->empty())
            into.clear();
        else if (text != nullptr)
            read(from, into, to);
    };
    out.range = "an absolute path, or empty";
    return out;
}

codec<std::vector<std::filesystem::path>> path_lists() {
    return {[](const node& from, std::vector<std::filesystem::path>& into, const report& to) {
                std::vector<std::filesystem::path> out;
                const bool good = for_each_string(from, to, [&](const std::string& text) {
                    out.emplace_back(text);
                    return wrong_path(text);
                });
                if (good) into = std::move(out);
            },
            [](const std::vector<std::filesystem::path>& values) {
                std::vector<std::string> out;
                out.reserve(values.size());
                for (const auto& value : values)
                    out.push_back(value.string());
                return quote_list(out);
            },
            "a list of absolute paths"};
}

codec<std::vector<ip_network>> network_lists() {
    return {[](const node& from, std::vector<ip_network>& into, const report& to) {
                std::vector<ip_network> out;
                const bool good = for_each_string(from, to, [&](const std::string& text) -> std::string {
                    const auto network = ip_network::parse(text);
                    if (!network)
                        return network.error().detail + R"(; write it as in "192.0.2.0/28" or "2001:db8:5::/64")";
                    out.push_back(*network);
                    return {};
                });
                if (good) into = std::move(out);
            },
            [](const std::vector<ip_network>& values) {
                std::vector<std::string> out;
                out.reserve(values.size());
                for (const auto& value : values)
                    out.push_back(value.to_string());
                return quote_list(out);
            },
            "a list of addresses and networks"};
}

namespace {
/// For what has a unit: `parse` is parse_duration or parse_bytes.
template <class T>
codec<T> measured(T least, T most, result<T> (*parse)(std::string_view), const std::string& example) {
    const auto range = to_string(least) + " to " + to_string(most);
    return {[=](const node& from, T& into, const report& to) {
                if (!from.is(node::kind::string))
                    return to.add(from, expected("a string with a unit", from) + "; as in " + quote(example));
                const auto value = parse(from.text);
                if (!value)
                    to.add(from, value.error().detail + (value.error().code == errc::too_large
                                                             ? " is out of range; " + range
                                                             : "; as in " + quote(example)));
                else if (*value < least || *value > most)
                    to.add(from, to_string(*value) + " is out of range; " + range);
                else
                    into = *value;
            },
            [](const T& value) { return quote(to_string(value)); }, range};
}
} // namespace

codec<seconds> durations(seconds least, seconds most) {
    return measured<seconds>(least, most, parse_duration, "30 minutes");
}
codec<byte_count> sizes(byte_count least, byte_count most) {
    return measured<byte_count>(least, most, parse_bytes, "100 MiB");
}

} // namespace postsluice::config
