// SPDX-License-Identifier: Apache-2.0
// How a value of each type is read from TOML, checked against its range, and printed as TOML. Internal to shared/config: the only
// folder that knows toml++. read() returns what is wrong and what would be right, or nothing.
#pragma once

#include "shared/config/settings.hpp"
#include "shared/core/text.hpp"

#include <toml++/toml.h>

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

namespace postsluice::config {

using complaint = std::optional<std::string>;

/// The range of a number, of a duration in seconds, of a size in octets; text and lists ignore it.
struct bounds {
    double least = 0;
    double most = std::numeric_limits<double>::infinity();
};

[[nodiscard]] std::string in_quotes(std::string_view text);
[[nodiscard]] std::string suggest(std::string_view word, std::span<const std::string_view> candidates);
/// "a string", "an array": what stands there, for messages.
[[nodiscard]] std::string_view kind_of(const toml::node& node);

/// Names of an enum's values in order; specialised per enum below.
template <class T>
struct enum_names;
template <>
struct enum_names<run_mode> {
    static constexpr std::string_view value[] = {"enforce", "observe"};
};
template <>
struct enum_names<error_policy> {
    static constexpr std::string_view value[] = {"defer", "dunno"};
};
template <>
struct enum_names<account_source> {
    static constexpr std::string_view value[] = {"sasl", "network"};
};
template <>
struct enum_names<accounting_mode> {
    static constexpr std::string_view value[] = {"end-of-message", "data", "recipient"};
};
template <>
struct enum_names<no_ticket_policy> {
    static constexpr std::string_view value[] = {"default-profile", "hold", "tempfail"};
};
template <>
struct enum_names<locked_reply> {
    static constexpr std::string_view value[] = {"tempfail", "reject"};
};
template <>
struct enum_names<filter_error_policy> {
    static constexpr std::string_view value[] = {"tempfail", "hold", "pass"};
};
template <>
struct enum_names<dkim_signer> {
    static constexpr std::string_view value[] = {"own", "libopendkim"};
};
template <>
struct enum_names<forced_verdict> {
    static constexpr std::string_view value[] = {"none", "tag", "hold", "quarantine", "reject", "discard"};
};

template <class T>
struct codec;

template <>
struct codec<std::string> {
    static complaint read(const toml::node& node, std::string& out, const bounds&);
    static std::string print(const std::string& value) { return in_quotes(value); }
    static std::string range(const bounds&) { return "text"; }
};
template <>
struct codec<std::filesystem::path> {
    static complaint read(const toml::node& node, std::filesystem::path& out, const bounds&);
    static std::string print(const std::filesystem::path& value) { return in_quotes(value.string()); }
    static std::string range(const bounds&) { return "an absolute path"; }
};
template <>
struct codec<bool> {
    static complaint read(const toml::node& node, bool& out, const bounds&);
    static std::string print(bool value) { return value ? "true" : "false"; }
    static std::string range(const bounds&) { return "true or false"; }
};
template <>
struct codec<double> {
    static complaint read(const toml::node& node, double& out, const bounds& within);
    static std::string print(double value);
    static std::string range(const bounds& within);
};
template <std::unsigned_integral T>
struct codec<T> {
    static complaint read(const toml::node& node, T& out, const bounds& within) {
        double number = 0;
        if (!node.is_integer()) return std::string{"must be a whole number, not "} + std::string{kind_of(node)};
        if (auto wrong = codec<double>::read(node, number, within)) return wrong;
        out = static_cast<T>(number);
        return {};
    }
    static std::string print(T value) { return std::to_string(value); }
    static std::string range(const bounds& within) { return codec<double>::range(within); }
};
template <>
struct codec<seconds> {
    static complaint read(const toml::node& node, seconds& out, const bounds& within);
    static std::string print(seconds value) { return in_quotes(to_string(value)); }
    static std::string range(const bounds& within);
};
template <>
struct codec<byte_count> {
    static complaint read(const toml::node& node, byte_count& out, const bounds& within);
    static std::string print(byte_count value) { return in_quotes(to_string(value)); }
    static std::string range(const bounds& within);
};
template <>
struct codec<ip_network> {
    static complaint read(const toml::node& node, ip_network& out, const bounds&);
    static std::string print(const ip_network& value) { return in_quotes(value.to_string()); }
    static std::string range(const bounds&) { return "an address or network"; }
};

template <class T>
    requires std::is_enum_v<T>
struct codec<T> {
    static complaint read(const toml::node& node, T& out, const bounds&) {
        const auto text = node.value<std::string_view>();
        if (!node.is_string() || !text) return "must be " + range({}) + ", not " + std::string{kind_of(node)};
        std::size_t index = 0;
        for (const auto name : enum_names<T>::value) {
            if (name == *text) {
                out = static_cast<T>(index);
                return {};
            }
            ++index;
        }
        return in_quotes(*text) + " is not known; use " + range({}) + suggest(*text, enum_names<T>::value);
    }
    static std::string print(T value) { return in_quotes(enum_names<T>::value[static_cast<std::size_t>(value)]); }
    static std::string range(const bounds&) {
        std::string out;
        for (const auto name : enum_names<T>::value) out += (out.empty() ? "" : ", ") + in_quotes(name);
        return "one of " + out;
    }
};

template <class T>
struct codec<std::vector<T>> {
    static complaint read(const toml::node& node, std::vector<T>& out, const bounds& within) {
        std::vector<T> values;
        if (const auto* list = node.as_array()) {
            for (const auto& element : *list) {
                T value{};
                if (auto wrong = codec<T>::read(element, value, within)) return wrong;
                values.push_back(std::move(value));
            }
        } else { // one value stands for a list of one
            T value{};
            if (auto wrong = codec<T>::read(node, value, within)) return wrong;
            values.push_back(std::move(value));
        }
        out = std::move(values);
        return {};
    }
    static std::string print(const std::vector<T>& values) {
        std::string out = "[";
        for (const auto& value : values) out += (out.size() > 1 ? ", " : "") + codec<T>::print(value);
        return out + "]";
    }
    static std::string range(const bounds& within) { return "a list, each " + codec<T>::range(within); }
};

} // namespace postsluice::config
