// SPDX-License-Identifier: Apache-2.0
#include "shared/dns/rdata.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace postsluice::dns {

namespace {

constexpr std::size_t max_name = 253, max_label = 63;

std::uint8_t octet(char c) noexcept {
    return static_cast<std::uint8_t>(c);
}

} // namespace

result<std::string> checked_name(std::string_view name) {
    if (name.ends_with('.')) {
        name.remove_suffix(1);
    }
    const std::string shown = printable(name, 100);
    if (name.empty() || name.size() > max_name) {
        return failure{errc::malformed, '"' + shown + "\" is no domain name"};
    }
    for (const auto label : split(name, '.')) {
        if (label.empty() || label.size() > max_label) {
            return failure{errc::malformed, '"' + shown + "\" has a label of no or over 63 octets"};
        }
    }
    if (std::ranges::any_of(name, [](char c) { return octet(c) >= 0x80; })) {
        return failure{errc::unsupported, '"' + shown + "\" is not in its xn-- form"};
    }
    if (std::ranges::any_of(name, [](char c) { return octet(c) <= ' ' || octet(c) == 0x7F || c == '\\'; })) {
        return failure{errc::malformed, '"' + shown + "\" holds what no domain name does"};
    }
    return to_lower(name);
}

std::optional<std::string> read_name(std::string_view wire) {
    std::string out;
    while (!wire.empty()) {
        const std::size_t size = octet(wire.front());
        wire.remove_prefix(1);
        if (size == 0) {
            return wire.empty() && out.size() <= max_name ? std::optional{to_lower(out)} : std::nullopt;
        }
        if (size > max_label || size > wire.size() || wire.substr(0, size).find('.') != std::string_view::npos ||
            wire.substr(0, size).find('\0') != std::string_view::npos) {
            return std::nullopt;
        }
        out.append(out.empty() ? "" : ".").append(wire.substr(0, size));
        wire.remove_prefix(size);
    }
    return std::nullopt;
}

std::optional<mx_record> read_mx(std::string_view rdata) {
    if (rdata.size() < 3) {
        return std::nullopt;
    }
    auto host = read_name(rdata.substr(2));
    if (!host) {
        return std::nullopt;
    }
    const auto preference = static_cast<std::uint16_t>(octet(rdata[0]) * 256 + octet(rdata[1]));
    return mx_record{preference, std::move(*host)};
}

std::optional<ip_address> read_address(std::string_view rdata) {
    if (rdata.size() != 4 && rdata.size() != 16) {
        return std::nullopt;
    }
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), rdata.data(), rdata.size());
    return ip_address::from_bytes(bytes, rdata.size() == 4);
}

std::optional<std::string> read_txt(std::string_view rdata) {
    std::string out;
    while (!rdata.empty()) {
        const std::size_t size = octet(rdata.front());
        if (size >= rdata.size()) {
            return std::nullopt;
        }
        out.append(rdata.substr(1, size));
        rdata.remove_prefix(size + 1);
    }
    return out;
}

std::string write_name(std::string_view name) {
    std::string out;
    for (const auto label : split(name, '.')) {
        if (!label.empty()) {
            out.append(1, static_cast<char>(label.size())).append(label);
        }
    }
    return out.append(1, '\0');
}

} // namespace postsluice::dns
