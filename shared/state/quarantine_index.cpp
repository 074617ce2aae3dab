// SPDX-License-Identifier: Apache-2.0
// Keys: Q <id> is the entry; Y <time, descending> <id>, with the account as its value, is the order newest first.
#include "shared/state/quarantine_index.hpp"

#include "shared/state/codec.hpp"

#include <memory>

namespace postsluice::state {
namespace {

namespace asio = boost::asio;

constexpr std::uint8_t version = 1;
constexpr std::size_t max_id = 64;
constexpr std::size_t max_list = 100'000;
constexpr std::size_t head = 1 + 8; // of a key of the order

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
    out.number(e.size).flag(e.released);
    return out.take();
}

std::optional<quarantine_entry> decode(std::string_view value) {
    decoder in{value, version};
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
    e.released = in.flag();
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
std::string order_key(instant at, std::string_view id) {
    return "Y" + descending(at) + std::string{id};
}

// A damaged entry has lost its place in the order; list() passes over what has no entry.
result<void> take_out(write_txn& txn, const std::string& id) {
    const auto value = txn.get(entry_key(id));
    if (!value) return {};
    const auto old = decode(*value);
    if (old) {
        if (auto gone = txn.erase(order_key(old->at, id)); !gone) return gone;
    }
    return txn.erase(entry_key(id));
}

} // namespace

asio::awaitable<result<void>> quarantine_index::put(quarantine_entry entry) {
    if (!good_id(entry.id)) co_return bad_id();
    writer::operation op = [e = std::move(entry)](write_txn& txn) -> result<void> {
        if (auto gone = take_out(txn, e.id); !gone) return gone;
        if (auto put = txn.put(entry_key(e.id), encode(e)); !put) return put;
        return txn.put(order_key(e.at, e.id), encoder{version}.text(e.account).view());
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

result<std::vector<quarantine_entry>> quarantine_index::list(std::string_view account, std::size_t most) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    std::vector<quarantine_entry> out;
    if (most == 0) return out;
    txn->scan("Y", {}, [&](std::string_view key, std::string_view value) {
        decoder in{value, version};
        const auto owner = in.text();
        if (key.size() <= head || (!account.empty() && owner != account)) return true;
        const auto stored = txn->get(entry_key(key.substr(head)));
        if (auto entry = stored ? decode(*stored) : std::nullopt) out.push_back(std::move(*entry));
        return out.size() < most;
    });
    if (txn->damaged()) return damaged();
    return out;
}

result<std::vector<std::string>> quarantine_index::older_than(instant t, std::size_t most) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    std::vector<std::string> ids;
    if (most == 0) return ids;
    txn->scan("Y", "Y" + descending(t - milliseconds{1}), [&](std::string_view key, std::string_view) {
        if (key.size() > head) ids.emplace_back(key.substr(head));
        return ids.size() < most;
    });
    if (txn->damaged()) return damaged();
    return ids;
}

} // namespace postsluice::state
