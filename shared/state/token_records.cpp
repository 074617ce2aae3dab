// SPDX-License-Identifier: Apache-2.0
#include "shared/state/token_records.hpp"

#include "shared/state/codec.hpp"

#include <bit>
#include <cmath>

namespace postsluice::state {
namespace {

constexpr std::uint8_t version = 1;

std::uint32_t bits(double count) noexcept {
    return std::bit_cast<std::uint32_t>(static_cast<float>(count));
}

/// A count as it was written; of a damaged one nothing.
double count_in(std::uint32_t written) noexcept {
    const auto count = static_cast<double>(std::bit_cast<float>(written));
    return std::isfinite(count) && count > 0 ? count : 0;
}

double real_in(std::uint64_t written) noexcept {
    const auto count = std::bit_cast<double>(written);
    return std::isfinite(count) && count > 0 ? count : 0;
}

} // namespace

day day_of(instant t) noexcept {
    const auto days = std::chrono::floor<std::chrono::days>(t).time_since_epoch().count();
    return static_cast<day>(std::clamp<std::int64_t>(days, 0, std::numeric_limits<day>::max()));
}

double fading(day from, day to, seconds half_life) noexcept {
    if (half_life.count() == 0 || to <= from) return 1;
    return std::exp2(-86400.0 * (to - from) / static_cast<double>(half_life.count()));
}

std::string token_record::encode() const {
    encoder out{version, 11};
    out.number(written).number(bits(counts.ham)).number(bits(counts.spam));
    return out.take();
}

std::optional<token_record> token_record::decode(std::string_view value) {
    decoder in{value, version};
    token_record out;
    out.written = in.number<day>();
    out.counts.ham = count_in(in.number<std::uint32_t>());
    out.counts.spam = count_in(in.number<std::uint32_t>());
    return in.complete() ? std::optional{out} : std::nullopt;
}

class_counts token_record::at(day today, seconds half_life) const noexcept {
    if (today == written) return counts;
    const auto left = fading(written, today, half_life);
    return {counts.ham * left, counts.spam * left};
}

std::string lesson_record::encode() const {
    encoder out{version, 10};
    out.number(static_cast<std::uint8_t>(as)).time(at);
    return out.take();
}

std::optional<lesson_record> lesson_record::decode(std::string_view value) {
    decoder in{value, version};
    lesson_record out;
    out.as = in.enumerator(mail_class::spam);
    out.at = in.time();
    return in.complete() ? std::optional{out} : std::nullopt;
}

std::string summary_record::encode() const {
    encoder out{version, 43};
    out.number(written)
        .number(std::bit_cast<std::uint64_t>(messages.ham))
        .number(std::bit_cast<std::uint64_t>(messages.spam));
    out.number(tokens).number(remembered).number(hand);
    return out.take();
}

summary_record summary_record::decode(std::optional<std::string_view> value) {
    if (!value) return {};
    decoder in{*value, version};
    summary_record out;
    out.written = in.number<day>();
    out.messages.ham = real_in(in.number<std::uint64_t>());
    out.messages.spam = real_in(in.number<std::uint64_t>());
    out.tokens = in.number<std::uint64_t>();
    out.remembered = in.number<std::uint64_t>();
    out.hand = in.number<std::uint64_t>();
    return in.complete() ? out : summary_record{};
}

void summary_record::fade_to(day today, seconds half_life) noexcept {
    const auto left = fading(written, today, half_life);
    messages.ham *= left;
    messages.spam *= left;
    written = std::max(written, today);
}

std::string token_key(std::uint64_t token) {
    std::string out(9, token_tag);
    for (std::size_t i = 0; i < 8; ++i)
        out[1 + i] = static_cast<char>(token >> (56 - 8 * i) & 0xffU);
    return out;
}

} // namespace postsluice::state
