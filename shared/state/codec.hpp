// SPDX-License-Identifier: Apache-2.0
// Values of the state: little-endian fields in order, the first of them a version octet. A decoder never reads beyond
// its input: after the first field that does not fit it is failed, and gives zeros and empty texts; the caller asks
// ok() once, at the end. Counts are checked against what is left, so that a damaged count allocates nothing.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/result.hpp"

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace postsluice::state {

class encoder {
public:
    explicit encoder(std::uint8_t version, std::size_t expected = 128) {
        out_.reserve(expected);
        number(version);
    }
    template <std::unsigned_integral Number>
    encoder& number(Number value) {
        for (std::size_t i = 0; i < sizeof(Number); ++i) {
            out_.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff));
        }
        return *this;
    }
    encoder& time(instant t) { return number(static_cast<std::uint64_t>(t.time_since_epoch().count())); }
    encoder& flag(bool value) { return number(static_cast<std::uint8_t>(value ? 1 : 0)); }
    /// Length and octets; what is over `most` is cut.
    encoder& text(std::string_view value, std::size_t most = 65536) {
        value = value.substr(0, most);
        number(static_cast<std::uint32_t>(value.size()));
        out_.append(value);
        return *this;
    }
    encoder& raw(std::string_view octets) {
        out_.append(octets);
        return *this;
    }
    [[nodiscard]] std::string take() { return std::move(out_); }
    [[nodiscard]] const std::string& view() const noexcept { return out_; }

private:
    std::string out_;
};

class decoder {
public:
    /// Fails at once where the version is another one.
    decoder(std::string_view in, std::uint8_t version)
        : in_{in} {
        ok_ = number<std::uint8_t>() == version && ok_;
    }
    template <std::unsigned_integral Number>
    Number number() {
        const auto octets = raw(sizeof(Number));
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < octets.size(); ++i) {
            value |= std::uint64_t{static_cast<unsigned char>(octets[i])} << (8 * i);
        }
        return static_cast<Number>(value);
    }
    /// Within the years that an instant can be calculated with.
    instant time() {
        constexpr std::int64_t bound = std::int64_t{1} << 52;
        const auto ms = static_cast<std::int64_t>(number<std::uint64_t>());
        if (ms < -bound || ms > bound) fail();
        return ok_ ? instant{milliseconds{ms}} : instant{};
    }
    bool flag() { return number<std::uint8_t>() != 0; }
    std::string_view text() { return raw(number<std::uint32_t>()); }
    std::string_view raw(std::size_t size) {
        if (!ok_ || size > in_.size()) {
            fail();
            return {};
        }
        const auto octets = in_.substr(0, size);
        in_.remove_prefix(size);
        return octets;
    }
    /// A count of elements of at least `element` octets each; 0 and failed where they cannot be there.
    template <std::unsigned_integral Number>
    std::size_t count(std::size_t element) {
        const std::size_t n = number<Number>();
        if (n > in_.size() / element) fail();
        return ok_ ? n : 0;
    }
    /// An enumerator not over `last`.
    template <class Enum>
    Enum enumerator(Enum last) {
        const auto value = number<std::uint8_t>();
        if (value > static_cast<std::uint8_t>(last)) fail();
        return ok_ ? static_cast<Enum>(value) : Enum{};
    }
    void fail() noexcept { ok_ = false; }
    [[nodiscard]] bool ok() const noexcept { return ok_; }
    /// Everything was read, and nothing was missing.
    [[nodiscard]] bool complete() const noexcept { return ok_ && in_.empty(); }

private:
    std::string_view in_;
    bool ok_ = true;
};

/// Big-endian, so that keys sort by number. Newest first: descending() of a time.
[[nodiscard]] inline std::string big_endian(std::uint64_t value) {
    std::string out;
    for (int shift = 56; shift >= 0; shift -= 8)
        out.push_back(static_cast<char>(value >> shift & 0xff));
    return out;
}
[[nodiscard]] inline std::uint64_t from_big_endian(std::string_view octets) {
    std::uint64_t value = 0;
    for (const char c : octets.substr(0, 8))
        value = value << 8 | static_cast<unsigned char>(c);
    return value;
}
[[nodiscard]] inline std::string ascending(instant t) {
    const auto ms = t.time_since_epoch().count();
    return big_endian(ms < 0 ? 0 : static_cast<std::uint64_t>(ms));
}
[[nodiscard]] inline std::string descending(instant t) {
    return big_endian(~from_big_endian(ascending(t)));
}
[[nodiscard]] inline instant from_ascending(std::string_view octets) {
    constexpr std::uint64_t bound = std::uint64_t{1} << 52;
    return instant{milliseconds{static_cast<std::int64_t>(std::min(from_big_endian(octets), bound))}};
}

} // namespace postsluice::state
