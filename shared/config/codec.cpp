// SPDX-License-Identifier: Apache-2.0
#include "shared/config/codec.hpp"

namespace postsluice::config {
namespace {

// A number in words that codec<double>::print() shares with ranges.
std::string plain(double value) {
    if (value == std::floor(value) && std::abs(value) < 1e15) return std::to_string(static_cast<std::int64_t>(value));
    std::ostringstream out;
    out << value;
    return out.str();
}

template <class Print>
std::string range_of(const bounds& within, Print print) {
    if (std::isinf(within.most)) return "at least " + print(within.least);
    return print(within.least) + " to " + print(within.most);
}

std::string duration_text(double value) { return to_string(seconds{static_cast<std::int64_t>(value)}); }
std::string size_text(double value) { return to_string(byte_count{static_cast<std::uint64_t>(value)}); }

std::string wrong_kind(std::string_view wanted, const toml::node& node) {
    return "must be " + std::string{wanted} + ", not " + std::string{kind_of(node)};
}

} // namespace

std::string in_quotes(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out.push_back('\\');
        if (static_cast<unsigned char>(c) < 0x20) {
            out.push_back('?');
            continue;
        }
        out.push_back(c);
    }
    return out + "\"";
}

std::string suggest(std::string_view word, std::span<const std::string_view> candidates) {
    const auto near = did_you_mean(word, candidates);
    return near.empty() ? std::string{} : "; did you mean " + in_quotes(near) + "?";
}

std::string_view kind_of(const toml::node& node) {
    switch (node.type()) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "an array";
    case toml::node_type::string: return "a string";
    case toml::node_type::integer: return "a number";
    case toml::node_type::floating_point: return "a fraction";
    case toml::node_type::boolean: return "true or false";
    default: return "a date or time";
    }
}

complaint codec<std::string>::read(const toml::node& node, std::string& out, const bounds&) {
    const auto* text = node.as_string();
    if (text == nullptr) return wrong_kind("a string", node);
    out = text->get();
    return {};
}

complaint codec<std::filesystem::path>::read(const toml::node& node, std::filesystem::path& out, const bounds&) {
    const auto* text = node.as_string();
    if (text == nullptr) return wrong_kind("a path", node);
    if (!text->get().starts_with('/')) return in_quotes(text->get()) + " is not an absolute path";
    out = text->get();
    return {};
}

complaint codec<bool>::read(const toml::node& node, bool& out, const bounds&) {
    const auto* value = node.as_boolean();
    if (value == nullptr) return wrong_kind("true or false", node);
    out = value->get();
    return {};
}

complaint codec<double>::read(const toml::node& node, double& out, const bounds& within) {
    if (!node.is_number()) return wrong_kind("a number", node);
    const auto value = node.value<double>();
    if (!value || !(*value >= within.least && *value <= within.most)) return "is out of range; use " + range(within);
    out = *value;
    return {};
}
std::string codec<double>::print(double value) { return plain(value); }
std::string codec<double>::range(const bounds& within) { return range_of(within, plain); }

complaint codec<seconds>::read(const toml::node& node, seconds& out, const bounds& within) {
    const auto* text = node.as_string();
    if (text == nullptr) return wrong_kind("a duration such as \"30 minutes\"", node);
    const auto value = parse_duration(text->get());
    if (!value) return value.error().detail;
    const auto count = static_cast<double>(value->count());
    if (count < within.least || count > within.most) return in_quotes(text->get()) + " is out of range; use " + range(within);
    out = *value;
    return {};
}
std::string codec<seconds>::range(const bounds& within) { return range_of(within, duration_text); }

complaint codec<byte_count>::read(const toml::node& node, byte_count& out, const bounds& within) {
    const auto* text = node.as_string();
    if (text == nullptr) return wrong_kind("a size such as \"100 MiB\"", node);
    const auto value = parse_bytes(text->get());
    if (!value) return value.error().detail;
    const auto count = static_cast<double>(value->value);
    if (count < within.least || count > within.most) return in_quotes(text->get()) + " is out of range; use " + range(within);
    out = *value;
    return {};
}
std::string codec<byte_count>::range(const bounds& within) { return range_of(within, size_text); }

complaint codec<ip_network>::read(const toml::node& node, ip_network& out, const bounds&) {
    const auto* text = node.as_string();
    if (text == nullptr) return wrong_kind("a network such as \"192.0.2.0/24\"", node);
    const auto value = ip_network::parse(text->get());
    if (!value) return value.error().detail + "; write it as \"192.0.2.0/24\" or \"2001:db8::/64\"";
    out = *value;
    return {};
}

} // namespace postsluice::config
