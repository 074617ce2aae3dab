// SPDX-License-Identifier: Apache-2.0
#include "shared/core/trend.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace postsluice {

namespace {

constexpr double memory_days = 28;
constexpr double known_enough = 20;  // messages (or recipients) before anything can be unusual
constexpr double rare = 0.02;        // share of what was seen under which a thing is unusual
constexpr double few_networks = 0.8; // share that the remembered networks must have for one to be unusual
constexpr float teaches_times = 4, teaches_more = 20; // what one day can add to the usual one
constexpr int filter_days = 56;
constexpr int filter_full = 1024; // bits of 2048

std::int64_t hour_of(instant at) noexcept {
    return std::chrono::floor<std::chrono::hours>(at).time_since_epoch().count();
}
std::int64_t day_of(instant at) noexcept {
    return std::chrono::floor<std::chrono::days>(at).time_since_epoch().count();
}
std::size_t slot_of(std::int64_t hour) noexcept {
    return static_cast<std::size_t>((hour % 24 + 24) % 24);
}

using filter = std::array<std::uint64_t, 32>;

template <class Visit>
void bits_of(std::uint64_t hash, Visit&& visit) {
    for (int i = 0; i < 4; ++i, hash >>= 11U)
        visit((hash >> 6U) & 31U, std::uint64_t{1} << (hash & 63U));
}
bool holds(const filter& f, std::uint64_t hash) noexcept {
    bool all = true;
    bits_of(hash, [&](std::uint64_t word, std::uint64_t bit) { all = all && (f[word] & bit) != 0; });
    return all;
}

void remember(trend_memory& m, std::uint64_t hash, std::int64_t today) {
    const auto& filling = m.known[0];
    int set = 0;
    for (const auto word : filling)
        set += std::popcount(word);
    if (set >= filter_full || today - m.filter_day >= filter_days) {
        m.known[1] = filling;
        m.known[0] = {};
        m.filter_day = today;
    }
    bits_of(hash, [&m](std::uint64_t word, std::uint64_t bit) { m.known[0][word] |= bit; });
}

// The usual day that `m` has after one with `most`. A young account learns everything.
float usual_after(const trend_memory& m, float usual, float most) noexcept {
    const bool young = m.day - day_of(m.born) <= trend_learning / seconds{86400};
    return std::max(usual, young ? most : std::min(most, teaches_times * usual + teaches_more));
}

// Hours, networks and new recipients of the day that is over; of one beyond what can be learned only that part.
void learn_day(trend_memory& m) {
    const auto usual = usual_after(m, m.usual_messages, m.day_messages);
    const float part = m.day_messages > usual ? usual / m.day_messages : 1;
    m.usual_messages = usual;
    m.usual_recipients = usual_after(m, m.usual_recipients, m.day_recipients);
    for (auto hour = std::max(m.day * 24, m.hour - 23); hour <= m.hour; ++hour) {
        const auto messages = part * static_cast<float>(m.hours[slot_of(hour)].messages);
        m.by_hour[slot_of(hour)] += messages;
        m.seen_messages += messages;
    }
    for (auto& network : m.networks)
        network.weight += part * std::exchange(network.today, 0.0F);
    m.seen_recipients += part * std::exchange(m.today_recipients, 0.0F);
    m.seen_new += part * std::exchange(m.today_new, 0.0F);
    m.day_messages = m.day_recipients = 0;
}

void fade(trend_memory& m, std::int64_t days) {
    const auto half = static_cast<float>(std::exp2(-static_cast<double>(days) / memory_days));
    const auto part = static_cast<float>(std::pow(1 - 1 / memory_days, static_cast<double>(days)));
    m.usual_messages *= half;
    m.usual_recipients *= half;
    for (auto* sum : {&m.seen_messages, &m.seen_recipients, &m.seen_new})
        *sum *= part;
    for (auto& share : m.by_hour)
        share *= part;
    for (auto& network : m.networks)
        network.weight *= part;
}

// Lets time pass: days are learned and fade, hours leave the last 24.
void pass(trend_memory& m, instant now) {
    const auto hour = hour_of(now), day = day_of(now);
    if (day > m.day) {
        learn_day(m);
        fade(m, day - m.day);
        m.day = day;
    }
    if (hour <= m.hour) return;
    for (auto gone = std::max(m.hour + 1, hour - 23); gone <= hour; ++gone)
        m.hours[slot_of(gone)] = {};
    m.hour = hour;
}

bool is_unusual_hour(const trend_memory& m, instant at) noexcept {
    if (m.seen_messages < known_enough) return false;
    const auto hour = hour_of(at);
    const double near = m.by_hour[slot_of(hour - 1)] + m.by_hour[slot_of(hour)] + m.by_hour[slot_of(hour + 1)];
    return near < rare * m.seen_messages;
}

bool is_unusual_network(const trend_memory& m, std::uint64_t network) noexcept {
    if (network == 0 || m.seen_messages < known_enough) return false;
    double all = 0, this_one = 0;
    for (const auto& one : m.networks) {
        all += one.weight;
        if (one.hash == network) this_one = one.weight;
    }
    return all >= few_networks * m.seen_messages && this_one < rare * m.seen_messages;
}

// Mostly new ones, where at most a quarter usually is.
bool are_unusual_recipients(const trend_memory& m, const trend_message& message) noexcept {
    if (message.recipients == 0 || m.seen_recipients < known_enough) return false;
    const double share = static_cast<double>(message.new_recipients) / message.recipients;
    return share > 2 * static_cast<double>(m.seen_new) / m.seen_recipients + 0.25;
}

float weight_of(const trend_memory& m, const trend_message& message) noexcept {
    float weight = 1;
    if (is_unusual_hour(m, message.at)) weight *= 2;
    if (is_unusual_network(m, message.network)) weight *= 2;
    if (are_unusual_recipients(m, message)) weight *= 2;
    return weight;
}

trend_hour within_a_day(const trend_memory& m) noexcept {
    trend_hour all;
    for (const auto& one : m.hours) {
        all.messages += one.messages;
        all.recipients += one.recipients;
        all.weighted_messages += one.weighted_messages;
        all.weighted_recipients += one.weighted_recipients;
    }
    return all;
}

// One that is not among them takes the place of the least of them.
void note_network(trend_memory& m, std::uint64_t network) {
    if (network == 0) return;
    auto at =
        std::find_if(m.networks.begin(), m.networks.end(), [network](const auto& n) { return n.hash == network; });
    if (at == m.networks.end()) {
        at = std::min_element(m.networks.begin(), m.networks.end(),
                              [](const auto& a, const auto& b) { return a.weight + a.today < b.weight + b.today; });
        *at = {network, 0, 0};
    }
    at->today += 1;
}

} // namespace

bool knows(const trend_memory& memory, std::uint64_t recipient) noexcept {
    return holds(memory.known[0], recipient) || holds(memory.known[1], recipient);
}

void observe(trend_memory& m, const trend_message& message, std::span<const std::uint64_t> recipients) {
    if (m.born == instant{}) {
        m.born = message.at;
        m.hour = hour_of(message.at);
        m.day = m.filter_day = day_of(message.at);
    }
    pass(m, message.at);
    const auto weight = weight_of(m, message);
    auto& now = m.hours[slot_of(m.hour)];
    now.messages += 1;
    now.recipients += message.recipients;
    now.weighted_messages += weight;
    now.weighted_recipients += weight * static_cast<float>(message.recipients);
    const auto all = within_a_day(m);
    m.day_messages = std::max(m.day_messages, static_cast<float>(all.messages));
    m.day_recipients = std::max(m.day_recipients, static_cast<float>(all.recipients));
    m.today_recipients += static_cast<float>(message.recipients);
    m.today_new += static_cast<float>(message.new_recipients);
    note_network(m, message.network);
    for (const auto hash : recipients)
        remember(m, hash, m.day);
}

namespace {

void take_from(float& sum, float part) noexcept {
    sum = std::max(0.0F, sum - part);
}
/// The most within 24 hours, where those that end now have `before`: another maximum is of a time that stays as it was.
void take_from_most(float& most, std::uint32_t before, std::uint32_t part) noexcept {
    if (most <= static_cast<float>(before)) take_from(most, static_cast<float>(part));
}

} // namespace

void take_back(trend_memory& m, const trend_message& message) {
    const auto hour = hour_of(message.at);
    if (m.born == instant{} || hour > m.hour || hour <= m.hour - 24) return;
    auto& then = m.hours[slot_of(hour)];
    if (then.messages == 0) return;
    const auto before = within_a_day(m);
    const auto weight = weight_of(m, message); // as it was: what it depends on changes from day to day
    const auto recipients = std::min(then.recipients, message.recipients);
    then.messages -= 1;
    then.recipients -= recipients;
    // Each of those that stay counts one at least.
    then.weighted_messages = std::max(static_cast<float>(then.messages), then.weighted_messages - weight);
    then.weighted_recipients = std::max(static_cast<float>(then.recipients),
                                        then.weighted_recipients - weight * static_cast<float>(recipients));
    take_from_most(m.day_messages, before.messages, 1);
    take_from_most(m.day_recipients, before.recipients, recipients);
    if (day_of(message.at) != m.day) return;
    take_from(m.today_recipients, static_cast<float>(recipients));
    take_from(m.today_new, static_cast<float>(std::min(recipients, message.new_recipients)));
    for (auto& network : m.networks)
        if (message.network != 0 && network.hash == message.network) take_from(network.today, 1);
}

trend_judgement judge(const trend_memory& memory, const trend_bounds& bounds, const trend_message& under_way) {
    auto m = memory;
    if (m.born == instant{}) return {.learning = true};
    pass(m, under_way.at);
    trend_judgement out;
    out.unusual_hour = is_unusual_hour(m, under_way.at);
    out.unusual_network = is_unusual_network(m, under_way.network);
    out.unusual_recipients = are_unusual_recipients(m, under_way);
    const auto all = within_a_day(m);
    const double weight = weight_of(m, under_way);
    const std::uint64_t units = bounds.by_recipients ? under_way.recipients : 1;
    out.today = (bounds.by_recipients ? all.recipients : all.messages) + units;
    out.weighted = static_cast<double>(bounds.by_recipients ? all.weighted_recipients : all.weighted_messages) +
                   weight * static_cast<double>(units);
    out.usual = bounds.by_recipients ? m.usual_recipients : m.usual_messages;
    out.learning = under_way.at - m.born < trend_learning;
    out.exceeded =
        !out.learning && bounds.factor > 0 && out.today > bounds.floor && out.weighted > bounds.factor * out.usual;
    return out;
}

} // namespace postsluice
