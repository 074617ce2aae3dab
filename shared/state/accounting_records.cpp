// SPDX-License-Identifier: Apache-2.0
#include "shared/state/accounting_records.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace postsluice::state {
namespace {

constexpr std::uint8_t version = 3;
constexpr std::uint8_t refusal_version = 1;
constexpr std::size_t max_text = 512;
constexpr std::size_t max_detail = 1024;
constexpr std::uint32_t longest_period = std::uint32_t{1} << 31U;

struct account_head {
    std::uint8_t version = 0, windows = 0;
    std::uint16_t key_size = 0;
    std::uint32_t unused = 0;
    std::uint64_t born = 0;
    std::int64_t last_seen = 0, learns_since = 0;
};
// What stands before the window itself.
struct window_head {
    std::uint64_t count = 0;
    std::uint32_t period = 0;
    limit_unit unit{};
    std::array<std::uint8_t, 3> unused{};
};
struct set_head {
    std::uint8_t version = 0;
    std::array<std::uint8_t, 3> unused{};
    std::uint32_t entries = 0;
    std::uint64_t born = 0;
};
struct transaction_head {
    std::uint8_t version = 0, flags = 0;
    std::uint16_t queue_id_size = 0;
    std::uint32_t generation = 0;
    std::uint64_t connection = 0;
    std::int64_t lease_until = 0;
    std::uint32_t charged = 0, repeats = 0, data_count = 0, refunded = 0, earlier_count = 0;
    std::uint32_t hashes = 0, invalid = 0, seen = 0;
    std::uint16_t keys = 0, lines = 0;
    std::uint32_t unused = 0;
};
// A key and its birth without padding, so that no octet of memory that was never set goes to disk.
struct stored_key {
    std::array<char, 17> key{};
    std::array<char, 7> unused{};
    std::uint64_t born = 0;
};

class image_writer {
public:
    image_writer(std::string& out, std::size_t size)
        : out_{out} {
        out_.resize(size);
    }
    template <class T>
    void add(const T* first, std::size_t n) {
        static_assert(std::has_unique_object_representations_v<T>);
        if (n != 0) std::memcpy(out_.data() + at_, first, n * sizeof(T));
        at_ += n * sizeof(T);
    }
    void add(const sliding_window& window) {
        auto* const begin = reinterpret_cast<std::uint8_t*>(out_.data());
        at_ = static_cast<std::size_t>(window.encode(begin + at_) - begin);
    }

private:
    std::string& out_;
    std::size_t at_ = 0;
};

class image_reader {
public:
    explicit image_reader(std::string_view in)
        : in_{in} {}
    template <class T>
    void take(T* first, std::size_t n) {
        if (n != 0) std::memcpy(static_cast<void*>(first), in_.data(), n * sizeof(T));
        in_.remove_prefix(n * sizeof(T));
    }
    [[nodiscard]] std::string_view rest() const noexcept { return in_; }
    void skip(std::size_t octets) { in_.remove_prefix(octets); }

private:
    std::string_view in_;
};

std::int64_t to_ms(instant t) noexcept {
    return t.time_since_epoch().count();
}
// Within the years that an instant can be calculated with.
instant from_ms(std::int64_t ms) noexcept {
    constexpr std::int64_t bound = std::int64_t{1} << 52;
    return instant{milliseconds{std::clamp(ms, -bound, bound)}};
}
bool good(limit_unit unit, std::uint32_t period) noexcept {
    return unit <= last_limit_unit && period < longest_period;
}

bool read_window(image_reader& image, stored_window& out) {
    window_head head;
    if (image.rest().size() < sizeof head) return false;
    image.take(&head, 1);
    if (head.period == 0 || !good(head.unit, head.period)) return false;
    out.count = head.count;
    out.period = head.period;
    out.unit = head.unit;
    const auto rest = image.rest();
    const auto read =
        sliding_window::decode({reinterpret_cast<const std::uint8_t*>(rest.data()), rest.size()}, out.window);
    image.skip(read);
    return read != 0;
}

std::uint8_t flags_of(const transaction_record& t) noexcept {
    return static_cast<std::uint8_t>((t.message_charged ? 1 : 0) | (t.data_seen ? 2 : 0) | (t.settled ? 4 : 0) |
                                     (t.settled_by_data ? 8 : 0) | (t.final_charge ? 16 : 0) | (t.held ? 32 : 0) |
                                     (t.learns ? 64 : 0));
}

void read_flags(transaction_record& t, std::uint8_t flags) noexcept {
    t.message_charged = (flags & 1U) != 0;
    t.data_seen = (flags & 2U) != 0;
    t.settled = (flags & 4U) != 0;
    t.settled_by_data = (flags & 8U) != 0;
    t.final_charge = (flags & 16U) != 0;
    t.held = (flags & 32U) != 0;
    t.learns = (flags & 64U) != 0;
}

} // namespace

limit_list::limit_list(std::vector<limit> all)
    : all_{std::make_shared<const std::vector<limit>>(std::move(all))} {
    for (const auto& l : *all_)
        units_ |= 1U << static_cast<unsigned>(l.unit);
}

stored_window* account_record::find(limit_unit unit, seconds period) noexcept {
    const auto at = std::find_if(windows.begin(), windows.end(),
                                 [&](const stored_window& w) { return w.unit == unit && w.length() == period; });
    return at == windows.end() ? nullptr : &*at;
}

void account_record::encode(std::string_view key, std::string& out) const {
    key = key.substr(0, max_text);
    account_head head;
    head.version = version;
    head.windows = static_cast<std::uint8_t>(windows.size());
    head.key_size = static_cast<std::uint16_t>(key.size());
    head.born = born;
    head.last_seen = to_ms(last_seen);
    head.learns_since = to_ms(learns_since);
    std::size_t size = sizeof head + windows.size() * sizeof(window_head) + key.size();
    for (const auto& w : windows)
        size += w.window.encoded_size();
    image_writer image{out, size};
    image.add(&head, 1);
    for (const auto& w : windows) {
        const window_head before{w.count, w.period, w.unit, {}};
        image.add(&before, 1);
        image.add(w.window);
    }
    image.add(key.data(), key.size());
}

bool account_record::decode(std::string_view value, account_record& out, std::string_view* key) {
    account_head head;
    if (value.size() < sizeof head) return false;
    image_reader image{value};
    image.take(&head, 1);
    if (head.version != version || head.windows > max_windows) return false;
    out.born = head.born;
    out.last_seen = from_ms(head.last_seen);
    out.learns_since = from_ms(head.learns_since);
    out.windows.resize(head.windows);
    for (auto& w : out.windows)
        if (!read_window(image, w)) return false;
    if (image.rest().size() != head.key_size) return false;
    if (key != nullptr) *key = image.rest();
    return true;
}

distinct_set::entry* distinct_set::find(std::uint64_t hash) noexcept {
    const auto at = std::find_if(entries.begin(), entries.end(), [hash](const entry& e) { return e.hash == hash; });
    return at == entries.end() ? nullptr : &*at;
}

std::uint64_t distinct_set::used(instant now, seconds period) const noexcept {
    const auto since = to_ms(now - period);
    return static_cast<std::uint64_t>(
        std::count_if(entries.begin(), entries.end(), [since](const entry& e) { return e.seen > since; }));
}

instant distinct_set::fits_at(instant now, seconds period, std::uint64_t limit) const {
    if (limit == 0) return now + period;
    std::vector<std::int64_t> times;
    times.reserve(entries.size());
    for (const auto& e : entries)
        if (e.seen > to_ms(now - period)) times.push_back(e.seen);
    if (times.size() < limit) return now;
    const auto nth = times.begin() + static_cast<std::ptrdiff_t>(times.size() - limit);
    std::nth_element(times.begin(), nth, times.end());
    return std::max(now, from_ms(*nth) + period);
}

std::int64_t distinct_set::see(std::uint64_t hash, instant now, seconds period, std::uint64_t most) {
    std::erase_if(entries, [&](entry& e) {
        e.seen = std::min(e.seen, to_ms(now)); // from a clock that was wrong: kept, for one period from now
        return e.seen <= to_ms(now - period);
    });
    if (auto* known = find(hash)) return std::exchange(known->seen, to_ms(now));
    const auto oldest = [this] {
        return std::min_element(entries.begin(), entries.end(),
                                [](const entry& a, const entry& b) { return a.seen < b.seen; });
    };
    while (!entries.empty() && entries.size() >= most)
        entries.erase(oldest());
    entries.push_back({hash, to_ms(now)});
    return 0;
}

std::string distinct_set::encode() const {
    std::string out;
    set_head head;
    head.version = version;
    head.entries = static_cast<std::uint32_t>(entries.size());
    head.born = born;
    image_writer image{out, sizeof head + entries.size() * sizeof(entry)};
    image.add(&head, 1);
    image.add(entries.data(), entries.size());
    return out;
}

std::optional<distinct_set> distinct_set::decode(std::string_view value) {
    set_head head;
    if (value.size() < sizeof head) return std::nullopt;
    image_reader image{value};
    image.take(&head, 1);
    if (head.version != version || image.rest().size() != head.entries * sizeof(entry)) return std::nullopt;
    distinct_set out;
    out.born = head.born;
    out.entries.resize(head.entries);
    image.take(out.entries.data(), head.entries);
    return out;
}

std::string distinct_key(const record_key& account, limit_unit unit, seconds period) {
    std::string out{"D"};
    out.append(account.data() + 1, account.size() - 1).push_back(static_cast<char>(unit));
    return out + big_endian(static_cast<std::uint64_t>(period.count()));
}

void transaction_record::encode(std::string& out) const {
    transaction_head head;
    const auto id = std::string_view{queue_id}.substr(0, max_text);
    head.version = version;
    head.flags = flags_of(*this);
    head.queue_id_size = static_cast<std::uint16_t>(id.size());
    head.generation = generation;
    head.connection = connection;
    head.lease_until = to_ms(lease_until);
    head.charged = charged;
    head.repeats = repeats;
    head.data_count = data_count;
    head.refunded = refunded;
    head.earlier_count = earlier_count;
    head.hashes = static_cast<std::uint32_t>(hashes.size());
    head.invalid = static_cast<std::uint32_t>(invalid.size());
    head.seen = static_cast<std::uint32_t>(seen.size());
    head.keys = static_cast<std::uint16_t>(keys.size());
    head.lines = static_cast<std::uint16_t>(lines.size());
    image_writer image{out, sizeof head + keys.size() * sizeof(stored_key) + lines.size() * sizeof(charge_line) +
                                seen.size() * sizeof(seen_line) + (hashes.size() + invalid.size()) * 8 + id.size()};
    image.add(&head, 1);
    for (const auto& k : keys) {
        const stored_key stored{k.key, {}, k.born};
        image.add(&stored, 1);
    }
    image.add(lines.data(), lines.size());
    image.add(seen.data(), seen.size());
    image.add(hashes.data(), hashes.size());
    image.add(invalid.data(), invalid.size());
    image.add(id.data(), id.size());
}

instant transaction_record::lease_of(std::string_view value) noexcept {
    transaction_head head;
    if (value.size() < sizeof head) return {};
    image_reader{value}.take(&head, 1);
    return head.version == version ? from_ms(head.lease_until) : instant{};
}

bool transaction_record::decode(std::string_view value, transaction_record& out) {
    transaction_head head;
    if (value.size() < sizeof head) return false;
    image_reader image{value};
    image.take(&head, 1);
    const std::size_t rest = head.keys * sizeof(stored_key) + head.lines * sizeof(charge_line) +
                             std::size_t{head.seen} * sizeof(seen_line) +
                             (std::size_t{head.hashes} + head.invalid) * 8 + head.queue_id_size;
    if (head.version != version || image.rest().size() != rest) return false;
    read_flags(out, head.flags);
    out.generation = head.generation;
    out.connection = head.connection;
    out.lease_until = from_ms(head.lease_until);
    out.charged = head.charged;
    out.repeats = head.repeats;
    out.data_count = head.data_count;
    out.refunded = head.refunded;
    out.earlier_count = head.earlier_count;
    for (std::size_t i = 0; i < head.keys; ++i) {
        stored_key stored;
        image.take(&stored, 1);
        out.keys.push_back({stored.key, stored.born});
    }
    out.lines.resize(head.lines);
    image.take(out.lines.data(), head.lines);
    out.seen.resize(head.seen);
    image.take(out.seen.data(), head.seen);
    out.hashes.resize(head.hashes);
    image.take(out.hashes.data(), head.hashes);
    out.invalid.resize(head.invalid);
    image.take(out.invalid.data(), head.invalid);
    out.queue_id = image.rest();
    const auto fits = [&](const auto& line) { return line.key < out.keys.size() && good(line.unit, line.period); };
    return std::all_of(out.lines.begin(), out.lines.end(), fits) && std::all_of(out.seen.begin(), out.seen.end(), fits);
}

std::string encode(const refusal_event& event) {
    const auto& w = event.what;
    encoder out{refusal_version, 512};
    out.text(event.reference, max_text).time(event.first).time(event.last).number(event.count);
    out.text(w.account, max_text).text(to_string(w.why)).text(w.subject, max_text).text(w.detail, max_detail);
    out.text(w.client, max_text).text(w.sender, max_text).text(w.recipient, max_text).text(w.queue_id, max_text);
    out.flag(w.observed).text(w.rule, max_text);
    return out.take();
}

std::optional<refusal_event> decode_refusal(std::string_view value) {
    decoder in{value, refusal_version};
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
