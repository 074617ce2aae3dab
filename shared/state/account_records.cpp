// SPDX-License-Identifier: Apache-2.0
#include "shared/state/account_records.hpp"

namespace postsluice::state {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t max_text = 1024;
constexpr std::uint8_t strikes_version = 2; // 1 had no notes
constexpr std::size_t least_strike = 1 + 8 + 4 + 4 + 4;

void write(encoder& out, const lock_state& s) {
    out.number(static_cast<std::uint8_t>(s.kind))
        .time(s.since)
        .time(s.until)
        .number(s.unlocks_used)
        .time(s.counted_from);
    out.text(s.cause, max_text).text(s.actor, max_text).text(s.reference, max_text);
}

lock_state read_lock_state(decoder& in) {
    lock_state s;
    s.kind = in.enumerator(lock_kind::manual);
    s.since = in.time();
    s.until = in.time();
    s.unlocks_used = in.number<std::uint32_t>();
    s.counted_from = in.time();
    s.cause = in.text();
    s.actor = in.text();
    s.reference = in.text();
    return s;
}

void write(encoder& out, const lock_event& e) {
    out.number(static_cast<std::uint8_t>(e.kind)).time(e.at);
    out.text(e.cause, max_text).text(e.actor, max_text).text(e.reference, max_text);
    write(out, e.after);
}

lock_event read_event(decoder& in) {
    lock_event e;
    e.kind = in.enumerator(last_lock_event_kind);
    e.at = in.time();
    e.cause = in.text();
    e.actor = in.text();
    e.reference = in.text();
    e.after = read_lock_state(in);
    return e;
}

constexpr std::size_t max_strikes = 1000;

result<std::uint64_t> next_number(write_txn& txn) {
    std::uint64_t number = 1;
    if (const auto value = txn.get("M")) {
        decoder in{*value, 1};
        number = in.number<std::uint64_t>();
        if (!in.complete()) return damaged("numbering");
    }
    if (auto put = txn.put("M", encoder{1}.number(number + 1).view()); !put) return put.error();
    return number;
}

} // namespace

std::string encode_lock(std::string_view account, const lock_state& lock) {
    encoder out{version};
    out.text(account, max_text);
    write(out, lock);
    return out.take();
}

std::optional<lock_record> decode_lock(std::string_view value) {
    decoder in{value, version};
    lock_record r;
    r.account = in.text();
    r.lock = read_lock_state(in);
    return in.complete() ? std::optional{std::move(r)} : std::nullopt;
}

std::string encode_strikes(const std::vector<strike>& strikes) {
    encoder out{strikes_version, 16 + strikes.size() * 64};
    out.number(static_cast<std::uint32_t>(strikes.size()));
    for (const auto& s : strikes) {
        out.number(static_cast<std::uint8_t>(s.kind)).time(s.at).number(s.weight);
        out.text(s.digest, max_text).text(s.reference, max_text).text(s.note, max_text);
    }
    return out.take();
}

std::optional<std::vector<strike>> decode_strikes(std::string_view value) {
    const bool old = value.starts_with('\1');
    decoder in{value, old ? version : strikes_version};
    const std::size_t n = in.count<std::uint32_t>(least_strike);
    std::vector<strike> strikes;
    strikes.reserve(n + 1);
    for (std::size_t i = 0; i < n && in.ok(); ++i) {
        strike s;
        s.kind = in.enumerator(last_strike_kind);
        s.at = in.time();
        s.weight = in.number<std::uint32_t>();
        s.digest = in.text();
        s.reference = in.text();
        if (!old) s.note = in.text();
        strikes.push_back(std::move(s));
    }
    return in.complete() ? std::optional{std::move(strikes)} : std::nullopt;
}

std::string encode_event(const lock_event& event) {
    encoder out{version, 256};
    write(out, event);
    return out.take();
}

std::optional<lock_event> decode_event(std::string_view value) {
    decoder in{value, version};
    auto e = read_event(in);
    return in.complete() ? std::optional{std::move(e)} : std::nullopt;
}

std::string encode_notice(const notice& n) {
    encoder out{version, 256};
    out.text(n.account, max_text).number(n.attempts);
    write(out, n.event);
    return out.take();
}

std::optional<notice> decode_notice(std::uint64_t id, std::string_view value) {
    decoder in{value, version};
    notice n;
    n.id = id;
    n.account = in.text();
    n.attempts = in.number<std::uint32_t>();
    n.event = read_event(in);
    return in.complete() ? std::optional{std::move(n)} : std::nullopt;
}

std::string encode_hook_call(const hook_call& c) {
    encoder out{version, 256};
    out.text(c.account, max_text).number(c.begun).number(c.done);
    write(out, c.event);
    return out.take();
}

std::optional<hook_call> decode_hook_call(std::uint64_t id, std::string_view value) {
    decoder in{value, version};
    hook_call c;
    c.id = id;
    c.account = in.text();
    c.begun = in.number<std::uint32_t>();
    c.done = in.number<std::uint32_t>();
    c.event = read_event(in);
    return in.complete() ? std::optional{std::move(c)} : std::nullopt;
}

failure damaged(std::string_view what) {
    return {errc::corrupt, std::string{what} + " record"};
}

std::uint64_t read_changes(const read_txn& txn) {
    const auto value = txn.get("L");
    return value ? decoder{*value, version}.number<std::uint64_t>() : 0;
}

result<std::uint64_t> store_event(write_txn& txn, const std::string& lock_key, const std::string& account,
                                  const lock_event& event) {
    const auto number = next_number(txn);
    if (!number) return number.error();
    const auto history = "H" + lock_key.substr(1) + descending(event.at) + big_endian(~*number);
    if (auto put = txn.put(history, encode_event(event)); !put) return put.error();
    if (auto put = txn.put("D" + ascending(event.at) + history, "\1"); !put) return put.error();
    const auto message = encode_notice({*number, account, event, 0});
    if (auto put = txn.put("N" + big_endian(*number), message); !put) return put.error();
    return *number;
}

result<void> store_transition(write_txn& txn, const std::string& lock_key, const std::string& account,
                              const lock_state& lock, const std::vector<lock_event>& events) {
    if (auto put = txn.put(lock_key, encode_lock(account, lock)); !put) return put;
    if (auto put = txn.put("L", encoder{version}.number(read_changes(txn) + 1).view()); !put) return put;
    for (const auto& event : events) {
        const auto number = store_event(txn, lock_key, account, event);
        if (!number) return number.error();
        const auto call = encode_hook_call({*number, account, event, 0, 0});
        if (auto put = txn.put("P" + big_endian(*number), call); !put) return put;
    }
    return {};
}

void forget_old(std::vector<strike>& strikes, instant now) {
    std::erase_if(strikes, [&](const strike& s) { return s.at <= now - strike_memory; });
    if (strikes.size() > max_strikes) strikes.erase(strikes.begin(), strikes.end() - max_strikes);
}

} // namespace postsluice::state
