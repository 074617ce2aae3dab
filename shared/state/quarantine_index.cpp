// SPDX-License-Identifier: Apache-2.0
// Keys:
//   Q <id>                        the entry
//   Y <time, descending> <id>     all, newest first; the account is the value
//   U <time, ascending> <id>      those without a timed release, oldest first
//   R <release_at> <id>           those with one, the earliest first
//   X <quarantine_key()>          its id
#include "shared/state/quarantine_index.hpp"

#include "shared/core/text.hpp"
#include "shared/state/codec.hpp"

#include <array>
#include <iterator>

namespace postsluice::state {
namespace {

namespace asio = boost::asio;

constexpr std::uint8_t version = 3, before_ways = 2; ///< of entries; those of before_ways say nothing of the way in
constexpr std::uint8_t place_version = 2;
constexpr std::size_t max_id = 64;
constexpr std::size_t max_list = 100'000;
constexpr std::size_t head = 1 + 8; // of a key of an order
constexpr std::size_t longest_key = 500;
// What one page may cost: a step of the order, and an entry that is read.
constexpr std::size_t page_budget = 40'000, step_cost = 1, entry_cost = 10;

void write(encoder& out, const std::vector<std::string>& list) {
    const auto n = std::min(list.size(), max_list);
    out.number(static_cast<std::uint32_t>(n));
    for (std::size_t i = 0; i < n; ++i)
        out.text(list[i]);
}

std::vector<std::string> read_list(decoder& in) {
    std::vector<std::string> list(in.count<std::uint32_t>(4));
    for (auto& text : list)
        text = in.text();
    return list;
}

std::string encode(const quarantine_entry& e) {
    encoder out{version, 1024};
    out.text(e.id).time(e.at).text(e.account).text(e.queue_id).text(e.digest).text(e.subject).text(e.mail_line);
    write(out, e.rcpt_lines);
    out.text(e.sender);
    write(out, e.recipients);
    out.text(to_string(e.why));
    write(out, e.findings);
    out.number(e.size).flag(e.held).time(e.release_at).flag(e.releasing.has_value());
    if (e.releasing) {
        out.text(e.releasing->token);
        write(out, e.releasing->rcpt_lines);
        out.text(e.releasing->redirect).flag(e.releasing->keep);
    }
    out.flag(e.before_queue);
    return out.take();
}

std::optional<quarantine_entry> decode(std::string_view value) {
    const bool old = value.starts_with(static_cast<char>(before_ways));
    decoder in{value, old ? before_ways : version};
    quarantine_entry e;
    e.id = in.text();
    e.at = in.time();
    e.account = in.text();
    e.queue_id = in.text();
    e.digest = in.text();
    e.subject = in.text();
    e.mail_line = in.text();
    e.rcpt_lines = read_list(in);
    e.sender = in.text();
    e.recipients = read_list(in);
    e.why = parse_reason(in.text()).value_or(reason::none);
    e.findings = read_list(in);
    e.size = in.number<std::uint64_t>();
    e.held = in.flag();
    e.release_at = in.time();
    if (in.flag()) {
        auto& under_way = e.releasing.emplace();
        under_way.token = in.text();
        under_way.rcpt_lines = read_list(in);
        under_way.redirect = in.text();
        under_way.keep = in.flag();
    }
    if (!old) e.before_queue = in.flag();
    return in.complete() ? std::optional{std::move(e)} : std::nullopt;
}

bool good_id(std::string_view id) noexcept {
    return !id.empty() && id.size() <= max_id;
}
failure bad_id() {
    return {errc::malformed, "a quarantine id has 1 to 64 octets"};
}
failure damaged() {
    return {errc::corrupt, "quarantine record"};
}

std::string entry_key(std::string_view id) {
    return "Q" + std::string{id};
}
std::string message_key(std::string_view key) {
    return "X" + std::string{key.substr(0, longest_key)};
}

/// Where an entry stands in the orders: newest first, and one of the two others.
std::array<std::string, 2> places(const quarantine_entry& e) {
    const bool timed = e.release_at != instant{};
    return {"Y" + descending(e.at) + e.id, (timed ? "R" + ascending(e.release_at) : "U" + ascending(e.at)) + e.id};
}

// The places of an entry that cannot be read any more are looked for.
result<void> take_out_damaged(write_txn& txn, const std::string& id) {
    std::vector<std::string> found;
    for (const std::string_view prefix : {"Y", "U", "R"})
        txn.scan(prefix, {}, [&](std::string_view key, std::string_view) {
            if (key.size() > head && key.substr(head) == id) found.emplace_back(key);
            return true;
        });
    txn.scan("X", {}, [&](std::string_view key, std::string_view value) {
        if (value == id) found.emplace_back(key);
        return true;
    });
    for (const auto& key : found)
        if (auto gone = txn.erase(key); !gone) return gone;
    return txn.erase(entry_key(id));
}

result<void> take_out(write_txn& txn, const std::string& id) {
    const auto value = txn.get(entry_key(id));
    if (!value) return {};
    const auto old = decode(*value);
    if (!old) return take_out_damaged(txn, id);
    for (const auto& place : places(*old))
        if (auto gone = txn.erase(place); !gone) return gone;
    const auto key = message_key(quarantine_key(old->digest, old->queue_id, old->sender));
    if (const auto whose = txn.get(key); whose && *whose == id)
        if (auto gone = txn.erase(key); !gone) return gone;
    return txn.erase(entry_key(id));
}

bool name_matches(const std::string& wanted, std::string_view name) {
    if (wanted.starts_with('@')) return to_lower(name).ends_with(wanted);
    return glob_match(wanted, to_lower(name));
}

bool contains(std::string_view text, const std::string& part) {
    return to_lower(text).find(to_lower(part)) != std::string::npos;
}

bool has_symbol(const std::vector<std::string>& findings, const std::string& symbol) {
    return std::any_of(findings.begin(), findings.end(), [&](const std::string& finding) {
        return glob_match(symbol, std::string_view{finding}.substr(0, finding.find('(')));
    });
}

} // namespace

std::string quarantine_key(std::string_view digest, std::string_view queue_id, std::string_view sender) {
    std::string out{digest};
    out.append(" ").append(queue_id);
    if (queue_id == "-") out.append(" ").append(sender);
    return out;
}

bool quarantine_query::matches(const quarantine_entry& e) const {
    if (!account.empty() && !glob_match(account, e.account)) return false;
    if (why && e.why != *why) return false;
    if (held && e.held != *held) return false;
    if ((since && e.at < *since) || (until && e.at > *until)) return false;
    if (!sender.empty() && !name_matches(sender, e.sender)) return false;
    const auto named = [&](const std::string& one) { return name_matches(recipient, one); };
    if (!recipient.empty() && std::none_of(e.recipients.begin(), e.recipients.end(), named)) return false;
    if (!subject.empty() && !contains(e.subject, subject)) return false;
    return symbol.empty() || has_symbol(e.findings, symbol);
}

asio::awaitable<result<void>> quarantine_index::put(quarantine_entry entry) {
    if (!good_id(entry.id)) co_return bad_id();
    writer::operation op = [e = std::move(entry)](write_txn& txn) -> result<void> {
        if (auto gone = take_out(txn, e.id); !gone) return gone;
        if (auto put = txn.put(entry_key(e.id), encode(e)); !put) return put;
        const auto account = encoder{place_version}.text(e.account).take();
        for (const auto& place : places(e))
            if (auto put = txn.put(place, account); !put) return put;
        return txn.put(message_key(quarantine_key(e.digest, e.queue_id, e.sender)), e.id);
    };
    co_return co_await writer_.run(std::move(op));
}

asio::awaitable<result<void>> quarantine_index::erase(std::string id) {
    if (!good_id(id)) co_return bad_id();
    writer::operation op = [id = std::move(id)](write_txn& txn) { return take_out(txn, id); };
    co_return co_await writer_.run(std::move(op));
}

result<std::optional<quarantine_entry>> quarantine_index::find(std::string_view id) {
    if (!good_id(id)) return std::optional<quarantine_entry>{};
    const auto txn = store_.read();
    if (!txn) return txn.error();
    const auto value = txn->get(entry_key(id));
    if (txn->damaged()) return damaged();
    if (!value) return std::optional<quarantine_entry>{};
    auto entry = decode(*value);
    if (!entry) return damaged();
    return entry;
}

result<std::optional<std::string>> quarantine_index::find_key(std::string_view key) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    const auto id = txn->get(message_key(key));
    if (txn->damaged()) return damaged();
    return id ? std::optional{std::string{*id}} : std::nullopt;
}

result<quarantine_page> quarantine_index::search(const quarantine_query& wanted, std::string_view after,
                                                 std::size_t most) {
    std::string from = "Y";
    if (wanted.until) from += descending(*wanted.until);
    if (!after.empty()) {
        std::string place;
        if (!base64url_decode(after, place) || place.size() < head || place.size() > head + max_id)
            return failure{errc::malformed, "no such page"};
        from = "Y" + place + '\0'; // the key behind that one
    }
    const auto oldest = wanted.since ? "Y" + descending(*wanted.since) : std::string{};
    const auto txn = store_.read();
    if (!txn) return txn.error();
    quarantine_page out;
    most = std::max<std::size_t>(most, 1);
    std::size_t cost = 0;
    txn->scan("Y", from, [&](std::string_view key, std::string_view value) {
        if (key.size() <= head) return true;
        if (!oldest.empty() && key.substr(0, head) > oldest) return false;
        decoder in{value, place_version};
        const auto owner = in.text();
        cost += step_cost;
        if (!in.ok() || wanted.account.empty() || glob_match(wanted.account, owner)) {
            cost += entry_cost;
            const auto stored = txn->get(entry_key(key.substr(head)));
            auto entry = stored ? decode(*stored) : std::nullopt;
            if (entry && wanted.matches(*entry)) out.entries.push_back(std::move(*entry));
        }
        if (out.entries.size() < most && cost < page_budget) return true;
        out.next = base64url_encode(key.substr(1));
        return false;
    });
    if (txn->damaged()) return damaged();
    return out;
}

result<std::vector<quarantine_entry>> quarantine_index::list(std::string_view account, std::size_t most) {
    quarantine_query wanted;
    wanted.account = account;
    std::vector<quarantine_entry> out;
    std::string after;
    while (out.size() < most) {
        auto page = search(wanted, after, most - out.size());
        if (!page) return page.error();
        std::move(page->entries.begin(), page->entries.end(), std::back_inserter(out));
        after = std::move(page->next);
        if (after.empty()) break;
    }
    return out;
}

result<std::vector<std::string>> quarantine_index::ids_before(std::string_view prefix, instant t, std::size_t most) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    std::vector<std::string> ids;
    if (most == 0) return ids;
    const auto end = std::string{prefix} + ascending(t);
    txn->scan(prefix, {}, [&](std::string_view key, std::string_view) {
        if (key.substr(0, head) >= end) return false;
        if (key.size() > head) ids.emplace_back(key.substr(head));
        return ids.size() < most;
    });
    if (txn->damaged()) return damaged();
    return ids;
}

result<std::vector<std::string>> quarantine_index::older_than(instant t, std::size_t most) {
    return ids_before("U", t, most);
}

result<std::vector<std::string>> quarantine_index::due(instant t, std::size_t most) {
    return ids_before("R", t + milliseconds{1}, most);
}

} // namespace postsluice::state
