// SPDX-License-Identifier: Apache-2.0
// Keys of the `filter` environment:
//   E <reference>                                        verdict_event
//   Z <time, descending> <reference>                     all events, newest first
//   R <hash of account> <time, descending> <reference>   an account's events, newest first
//   C <hash of account, name>                            times of what count_under() counted
//   X <time, ascending> <hash of C>                      when to look whether a C is over
//   P <day, ascending> <name>                            a day's counter
#include "shared/state/event_log.hpp"

#include "shared/core/random.hpp"
#include "shared/state/codec.hpp"

#include <algorithm>

namespace postsluice::state {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t max_text = 2048;
constexpr std::size_t max_recipients = 20;
constexpr std::size_t max_findings = 100;
constexpr std::size_t max_reference = 64;
constexpr std::size_t max_name = 100;
constexpr std::size_t hashed_size = 17;
constexpr std::chrono::hours day{24};

failure damaged() {
    return {errc::corrupt, "verdict event record"};
}

void write(encoder& out, const std::vector<std::string>& list, std::size_t most) {
    const auto n = std::min(list.size(), most);
    out.number(static_cast<std::uint32_t>(n));
    for (std::size_t i = 0; i < n; ++i)
        out.text(list[i], max_text);
}

std::vector<std::string> read_list(decoder& in) {
    std::vector<std::string> list(in.count<std::uint32_t>(4));
    for (auto& text : list)
        text = in.text();
    return list;
}

std::string encode(const verdict_event& e) {
    encoder out{version, 1024};
    out.text(e.reference, max_text).time(e.at).text(e.account, max_text).text(e.sender, max_text);
    out.text(e.queue_id, max_text).text(e.message_id, max_text).text(e.verdict, max_text).text(to_string(e.why));
    write(out, e.recipients, max_recipients);
    write(out, e.findings, max_findings);
    out.flag(e.observed);
    return out.take();
}

std::optional<verdict_event> decode(std::string_view value) {
    decoder in{value, version};
    verdict_event e;
    e.reference = in.text();
    e.at = in.time();
    e.account = in.text();
    e.sender = in.text();
    e.queue_id = in.text();
    e.message_id = in.text();
    e.verdict = in.text();
    e.why = parse_reason(in.text()).value_or(reason::none);
    e.recipients = read_list(in);
    e.findings = read_list(in);
    e.observed = in.flag();
    return in.complete() ? std::optional{std::move(e)} : std::nullopt;
}

std::vector<std::string> keys_of(const verdict_event& e, std::string_view secret) {
    return {"E" + e.reference, "Z" + descending(e.at) + e.reference,
            hashed_key('R', secret, {e.account}) + descending(e.at) + e.reference};
}

std::vector<instant> decode_times(std::string_view value) {
    decoder in{value, version};
    std::vector<instant> times(in.count<std::uint32_t>(8));
    for (auto& t : times)
        t = in.time();
    return in.complete() ? times : std::vector<instant>{}; // a damaged count starts again
}

std::string encode_times(const std::vector<instant>& times) {
    encoder out{version, 8 + times.size() * 8};
    out.number(static_cast<std::uint32_t>(times.size()));
    for (const auto t : times)
        out.time(t);
    return out.take();
}

result<void> erase_event(write_txn& txn, const std::string& order_key, std::string_view secret) {
    const auto reference = order_key.substr(9);
    const auto value = txn.get("E" + reference);
    const auto event = value ? decode(*value) : std::nullopt;
    if (event) {
        for (const auto& key : keys_of(*event, secret)) {
            if (auto gone = txn.erase(key); !gone) return gone;
        }
    }
    return txn.erase(order_key);
}

// Keys with `prefix` in [from, to), at most `most`.
std::vector<std::string> collect(const read_txn& txn, std::string_view prefix, const std::string& from,
                                 const std::string& to, std::size_t most) {
    std::vector<std::string> keys;
    if (most == 0) return keys;
    txn.scan(prefix, from, [&](std::string_view key, std::string_view) {
        if (!to.empty() && key >= to) return false;
        keys.emplace_back(key);
        return keys.size() < most;
    });
    return keys;
}

result<void> expire_count(write_txn& txn, const std::string& place, instant t, instant again) {
    if (auto gone = txn.erase(place); !gone) return gone;
    const auto key = "C" + place.substr(9);
    const auto value = txn.get(key);
    if (!value) return {};
    const auto times = decode_times(*value);
    if (times.empty() || times.back() < t) return txn.erase(key);
    return txn.put("X" + ascending(again) + key.substr(1), "\1");
}

} // namespace

event_log::event_log(store& where, std::string hash_secret, const clock& time)
    : store_{where}
    , secret_{std::move(hash_secret)}
    , clock_{time} {}

result<void> event_log::record(const verdict_event& event) {
    if (event.reference.empty() || event.reference.size() > max_reference) {
        return failure{errc::malformed, "a reference has 1 to 64 octets"};
    }
    auto txn = store_.write();
    if (!txn) return txn.error();
    if (const auto old = txn->get("E" + event.reference)) { // recorded again: its places go first
        if (const auto known = decode(*old)) {
            for (const auto& key : keys_of(*known, secret_)) {
                if (auto gone = txn->erase(key); !gone) return gone;
            }
        }
    }
    const auto keys = keys_of(event, secret_);
    if (auto put = txn->put(keys[0], encode(event)); !put) return put;
    for (std::size_t i = 1; i < keys.size(); ++i) {
        if (auto put = txn->put(keys[i], "\1"); !put) return put;
    }
    return txn->commit();
}

result<std::optional<verdict_event>> event_log::find(std::string_view reference) {
    auto name = normalise_reference(reference);
    if (name.empty()) name = reference;
    if (name.empty() || name.size() > max_reference) return std::optional<verdict_event>{};
    const auto txn = store_.read();
    if (!txn) return txn.error();
    const auto value = txn->get("E" + name);
    if (txn->damaged()) return damaged();
    if (!value) return std::optional<verdict_event>{};
    auto event = decode(*value);
    if (!event) return damaged();
    return event;
}

result<std::vector<verdict_event>> event_log::recent(std::string_view account, std::size_t most) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    const std::string prefix = account.empty() ? std::string{"Z"} : hashed_key('R', secret_, {account});
    std::vector<verdict_event> out;
    if (most == 0) return out;
    txn->scan(prefix, {}, [&](std::string_view key, std::string_view) {
        if (key.size() <= prefix.size() + 8) return true;
        const auto value = txn->get("E" + std::string{key.substr(prefix.size() + 8)});
        if (auto event = value ? decode(*value) : std::nullopt) out.push_back(std::move(*event));
        return out.size() < most;
    });
    if (txn->damaged()) return damaged();
    return out;
}

result<bool> event_log::count_under(std::string_view account, std::string_view what, seconds period,
                                    std::uint32_t most) {
    auto txn = store_.write();
    if (!txn) return txn.error();
    const instant now = clock_.now();
    const auto key = hashed_key('C', secret_, {account, what});
    const auto value = txn->get(key);
    auto times = value ? decode_times(*value) : std::vector<instant>{};
    for (auto& t : times)
        t = std::min(t, now); // a clock that was wrong must not count for ever
    std::erase_if(times, [&](instant t) { return t <= now - period; });
    if (times.size() >= most) return false;
    times.push_back(now);
    if (auto put = txn->put(key, encode_times(times)); !put) return put.error();
    if (!value) {
        if (auto put = txn->put("X" + ascending(now + period) + key.substr(1), "\1"); !put) return put.error();
    }
    if (auto done = txn->commit(); !done) return done.error();
    return true;
}

result<void> event_log::forget_before(instant t, std::size_t most) {
    auto txn = store_.write();
    if (!txn) return txn.error();
    txn->use_reserve();
    for (const auto& key : collect(*txn, "Z", "Z" + descending(t - milliseconds{1}), {}, most)) {
        if (auto gone = erase_event(*txn, key, secret_); !gone) return gone;
    }
    const auto now = clock_.now();
    for (const auto& place : collect(*txn, "X", {}, "X" + ascending(now), most)) {
        if (auto done = expire_count(*txn, place, t, now + day); !done) return done;
    }
    for (const auto& key : collect(*txn, "P", {}, "P" + ascending(std::chrono::floor<std::chrono::days>(t)), most)) {
        if (auto gone = txn->erase(key); !gone) return gone;
    }
    return txn->commit();
}

result<void> event_log::count(std::string_view name, std::uint64_t by) {
    if (name.empty() || name.size() > max_name) return failure{errc::malformed, "a counter's name has 1 to 100 octets"};
    auto txn = store_.write();
    if (!txn) return txn.error();
    const auto key = "P" + ascending(std::chrono::floor<std::chrono::days>(clock_.now())) + std::string{name};
    std::uint64_t sum = by;
    if (const auto value = txn->get(key)) {
        decoder in{*value, version};
        sum += in.number<std::uint64_t>();
    }
    if (auto put = txn->put(key, encoder{version}.number(sum).view()); !put) return put;
    return txn->commit();
}

result<std::map<std::string, std::uint64_t>> event_log::counts_of_day(instant when) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    const auto prefix = "P" + ascending(std::chrono::floor<std::chrono::days>(when));
    std::map<std::string, std::uint64_t> out;
    txn->scan(prefix, {}, [&](std::string_view key, std::string_view value) {
        decoder in{value, version};
        const auto sum = in.number<std::uint64_t>();
        if (in.complete()) out.emplace(key.substr(prefix.size()), sum);
        return true;
    });
    if (txn->damaged()) return damaged();
    return out;
}

} // namespace postsluice::state
