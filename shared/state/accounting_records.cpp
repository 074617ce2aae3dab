// SPDX-License-Identifier: Apache-2.0
#include "shared/state/accounting_records.hpp"

#include <algorithm>
#include <array>

namespace postsluice::state {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t max_text = 512;
constexpr std::size_t max_detail = 1024;
constexpr std::size_t account_key_size = 17; // hashed_key()
constexpr std::size_t hash_size = 8;
constexpr limit_unit last_unit = limit_unit::recipients;
constexpr std::size_t least_window = 1 + 8 + 8 + 8 + 8; // with no slot in use
constexpr std::size_t usual_window = 64;
constexpr std::size_t account_size = account_key_size + 8;
constexpr std::size_t line_size = 1 + 1 + 8;
constexpr std::size_t count_size = (sliding_window::encoded_size - 8) / sliding_window::slots;
using window_octets = std::array<std::uint8_t, sliding_window::encoded_size>;
constexpr std::size_t slot_size = 1 + 8;

std::uint64_t to_number(seconds period) noexcept {
    return static_cast<std::uint64_t>(period.count());
}

// A period that nothing can be divided by, or that overflows, is damage.
seconds read_period(decoder& in) {
    const auto value = in.number<std::uint64_t>();
    if (value == 0 || value > std::uint64_t{1} << 40) in.fail();
    return seconds{in.ok() ? static_cast<std::int64_t>(value) : 1};
}

void write(encoder& out, const charge& c) {
    out.number(c.count).number(static_cast<std::uint8_t>(c.slots.size()));
    for (const auto& s : c.slots)
        out.number(s.line).number(static_cast<std::uint64_t>(s.slot));
}

charge read_charge(decoder& in, std::size_t lines) {
    charge c;
    c.count = in.number<std::uint32_t>();
    const std::size_t n = in.count<std::uint8_t>(slot_size);
    c.slots.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
        line_slot s;
        s.line = in.number<std::uint8_t>();
        s.slot = static_cast<std::int64_t>(in.number<std::uint64_t>());
        if (s.line >= lines) in.fail();
        c.slots.push_back(s);
    }
    return c;
}

std::string_view as_text(const std::uint8_t* octets, std::size_t size) {
    return {reinterpret_cast<const char*>(octets), size};
}

// Most slots of most windows are empty, and a small record is a cheap one: a bit for each slot, and the counts that are
// there.
void write(encoder& out, const sliding_window& window) {
    window_octets octets{};
    window.encode(octets);
    std::uint64_t there = 0;
    for (std::size_t i = 0; i < sliding_window::slots; ++i) {
        const auto* count = octets.data() + 8 + i * count_size;
        if (std::any_of(count, count + count_size, [](std::uint8_t o) { return o != 0; }))
            there |= std::uint64_t{1} << i;
    }
    out.raw(as_text(octets.data(), 8)).number(there);
    for (std::size_t i = 0; i < sliding_window::slots; ++i) {
        if ((there >> i & 1U) != 0) out.raw(as_text(octets.data() + 8 + i * count_size, count_size));
    }
}

sliding_window read_window(decoder& in) {
    window_octets octets{};
    const auto take = [&](std::size_t at, std::size_t size) {
        const auto text = in.raw(size);
        std::copy(text.begin(), text.end(), octets.begin() + static_cast<std::ptrdiff_t>(at));
    };
    take(0, 8);
    const auto there = in.number<std::uint64_t>();
    if (there >> sliding_window::slots != 0) in.fail();
    for (std::size_t i = 0; i < sliding_window::slots; ++i) {
        if ((there >> i & 1U) != 0) take(8 + i * count_size, count_size);
    }
    return sliding_window::decode(octets);
}

std::uint8_t flags_of(const transaction_record& t) {
    return static_cast<std::uint8_t>((t.message_charged ? 1 : 0) | (t.data_seen ? 2 : 0) | (t.settled ? 4 : 0) |
                                     (t.settled_by_data ? 8 : 0) | (t.final_charge ? 16 : 0));
}

void read_flags(transaction_record& t, std::uint8_t flags) {
    t.message_charged = (flags & 1U) != 0;
    t.data_seen = (flags & 2U) != 0;
    t.settled = (flags & 4U) != 0;
    t.settled_by_data = (flags & 8U) != 0;
    t.final_charge = (flags & 16U) != 0;
}

} // namespace

counted_window* account_record::find(limit_unit unit, seconds period) noexcept {
    const auto at = std::find_if(windows.begin(), windows.end(), [&](const counted_window& w) {
        return w.what.unit == unit && w.what.period == period;
    });
    return at == windows.end() ? nullptr : &*at;
}

std::string account_record::encode() const {
    encoder out{version, 32 + key.size() + windows.size() * usual_window};
    out.number(born).time(last_seen).text(key, max_text).number(static_cast<std::uint8_t>(windows.size()));
    for (const auto& w : windows) {
        out.number(static_cast<std::uint8_t>(w.what.unit)).number(to_number(w.what.period)).number(w.what.count);
        write(out, w.window);
    }
    return out.take();
}

std::optional<account_record> account_record::decode(std::string_view value) {
    decoder in{value, version};
    account_record r;
    r.born = in.number<std::uint64_t>();
    r.last_seen = in.time();
    r.key = in.text();
    const std::size_t n = in.count<std::uint8_t>(least_window);
    r.windows.reserve(n + 1);
    for (std::size_t i = 0; i < n && in.ok(); ++i) {
        counted_window w;
        w.what.unit = in.enumerator(last_unit);
        w.what.period = read_period(in);
        w.what.count = in.number<std::uint64_t>();
        w.window = read_window(in);
        r.windows.push_back(w);
    }
    if (!in.complete()) return std::nullopt;
    return r;
}

std::uint32_t transaction_record::charged() const noexcept {
    std::uint32_t sum = 0;
    for (const auto& c : recipients)
        sum += c.count;
    return sum;
}

bool transaction_record::knows(std::string_view recipient_hash) const noexcept {
    for (std::size_t at = 0; at + hash_size <= hashes.size(); at += hash_size) {
        if (std::string_view{hashes}.substr(at, hash_size) == recipient_hash) return true;
    }
    return false;
}

std::string transaction_record::encode() const {
    encoder out{version, 256 + lines.size() * line_size + recipients.size() * 64 + hashes.size()};
    out.text(account, max_text).text(queue_id, max_text);
    out.number(connection).time(lease_until).number(generation).number(flags_of(*this));
    out.number(repeats).number(data_count).number(refunded).number(earlier_count);
    out.number(static_cast<std::uint8_t>(accounts.size()));
    for (const auto& a : accounts)
        out.raw(a.key).number(a.born);
    out.number(static_cast<std::uint8_t>(lines.size()));
    for (const auto& l : lines) {
        out.number(l.account).number(static_cast<std::uint8_t>(l.unit)).number(to_number(l.period));
    }
    write(out, message);
    out.number(static_cast<std::uint32_t>(recipients.size()));
    for (const auto& c : recipients)
        write(out, c);
    out.number(static_cast<std::uint32_t>(hashes.size() / hash_size)).raw(hashes);
    return out.take();
}

std::optional<transaction_record> transaction_record::decode(std::string_view value) {
    decoder in{value, version};
    transaction_record t;
    t.account = in.text();
    t.queue_id = in.text();
    t.connection = in.number<std::uint64_t>();
    t.lease_until = in.time();
    t.generation = in.number<std::uint32_t>();
    read_flags(t, in.number<std::uint8_t>());
    t.repeats = in.number<std::uint32_t>();
    t.data_count = in.number<std::uint32_t>();
    t.refunded = in.number<std::uint32_t>();
    t.earlier_count = in.number<std::uint32_t>();
    const std::size_t accounts = in.count<std::uint8_t>(account_size);
    for (std::size_t i = 0; i < accounts; ++i) {
        auto& a = t.accounts.emplace_back();
        a.key = in.raw(account_key_size);
        a.born = in.number<std::uint64_t>();
    }
    const std::size_t lines = in.count<std::uint8_t>(line_size);
    t.lines.reserve(lines + 2);
    for (std::size_t i = 0; i < lines; ++i) {
        charge_line l;
        l.account = in.number<std::uint8_t>();
        if (l.account >= accounts) in.fail();
        l.unit = in.enumerator(last_unit);
        l.period = read_period(in);
        t.lines.push_back(l);
    }
    t.message = read_charge(in, lines);
    const std::size_t groups = in.count<std::uint32_t>(5);
    t.recipients.reserve(groups + 1);
    for (std::size_t i = 0; i < groups; ++i)
        t.recipients.push_back(read_charge(in, lines));
    t.hashes = in.raw(in.count<std::uint32_t>(hash_size) * hash_size);
    if (!in.complete()) return std::nullopt;
    return t;
}

std::string encode(const refusal_event& event) {
    const auto& w = event.what;
    encoder out{version, 512};
    out.text(event.reference, max_text).time(event.first).time(event.last).number(event.count);
    out.text(w.account, max_text).text(to_string(w.why)).text(w.subject, max_text).text(w.detail, max_detail);
    out.text(w.client, max_text).text(w.sender, max_text).text(w.recipient, max_text).text(w.queue_id, max_text);
    out.flag(w.observed).text(w.rule, max_text);
    return out.take();
}

std::optional<refusal_event> decode_refusal(std::string_view value) {
    decoder in{value, version};
    refusal_event e;
    e.reference = in.text();
    e.first = in.time();
    e.last = in.time();
    e.count = in.number<std::uint64_t>();
    e.what.account = in.text();
    // By name: numbers of reasons change when one is added.
    e.what.why = parse_reason(in.text()).value_or(reason::none);
    e.what.subject = in.text();
    e.what.detail = in.text();
    e.what.client = in.text();
    e.what.sender = in.text();
    e.what.recipient = in.text();
    e.what.queue_id = in.text();
    e.what.observed = in.flag();
    if (in.complete()) return e; // written before the rule was
    e.what.rule = in.text();
    if (!in.complete()) return std::nullopt;
    return e;
}

} // namespace postsluice::state
