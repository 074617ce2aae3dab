// SPDX-License-Identifier: Apache-2.0
#include "shared/core/ip_network.hpp"

#include "shared/core/text.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace postsluice {

result<ip_address> ip_address::parse(std::string_view text) {
    if (istarts_with(text, "IPv6:")) text.remove_prefix(5);
    const std::string z{text};
    const bool one_text = z.size() == std::strlen(z.c_str()); // inet_pton() would not see what follows a NUL
    ip_address out;
    if (one_text && ::inet_pton(AF_INET, z.c_str(), out.bytes_.data()) == 1) {
        out.v4_ = true;
        return out;
    }
    std::array<std::uint8_t, 16> six{};
    if (!one_text || ::inet_pton(AF_INET6, z.c_str(), six.data()) != 1)
        return failure{errc::malformed, "\"" + printable(text, 60) + "\" is not an IP address"};
    constexpr std::array<std::uint8_t, 12> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (std::equal(mapped.begin(), mapped.end(), six.begin())) {
        out.v4_ = true;
        std::copy(six.begin() + 12, six.end(), out.bytes_.begin());
    } else {
        out.bytes_ = six;
    }
    return out;
}

ip_address ip_address::from_bytes(const std::array<std::uint8_t, 16>& bytes, bool v4) noexcept {
    ip_address out;
    out.v4_ = v4;
    out.bytes_ = bytes;
    return out;
}

std::string ip_address::to_string() const {
    char text[INET6_ADDRSTRLEN] = {};
    ::inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), text, sizeof text);
    return text;
}

result<ip_network> ip_network::parse(std::string_view text) {
    const auto slash = text.find('/');
    const auto base = ip_address::parse(text.substr(0, slash));
    if (!base) return base.error();
    const unsigned width = base->is_v4() ? 32 : 128;
    unsigned prefix = width;
    if (slash != std::string_view::npos) {
        const auto digits = text.substr(slash + 1);
        const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
        if (ec != std::errc{} || end != digits.data() + digits.size() || prefix > width)
            return failure{errc::malformed,
                           "\"" + printable(digits, 20) + "\" is not a prefix length of 0 to " + std::to_string(width)};
    }
    for (unsigned bit = prefix; bit < width; ++bit)
        if (base->bytes()[bit / 8] & (0x80U >> (bit % 8)))
            return failure{errc::malformed, "\"" + printable(text, 60) + "\" has bits beyond its prefix"};
    ip_network out;
    out.base_ = *base;
    out.prefix_ = static_cast<std::uint8_t>(prefix);
    return out;
}

bool ip_network::contains(const ip_address& address) const noexcept {
    if (address.is_v4() != base_.is_v4()) return false;
    const unsigned whole = prefix_ / 8U, rest = prefix_ % 8U;
    if (!std::equal(base_.bytes().begin(), base_.bytes().begin() + whole, address.bytes().begin())) return false;
    return rest == 0 || ((base_.bytes()[whole] ^ address.bytes()[whole]) >> (8 - rest)) == 0;
}

std::string ip_network::to_string() const {
    return base_.to_string() + "/" + std::to_string(prefix_);
}

} // namespace postsluice
