// SPDX-License-Identifier: Apache-2.0
#include "shared/state/trend_store.hpp"

#include "shared/log/log.hpp"
#include "shared/state/codec.hpp"

#include <bit>
#include <cmath>
#include <cstring>

namespace postsluice::state {

namespace {

constexpr std::uint8_t version = 1;
constexpr char tag = 'B';
constexpr std::size_t max_name = 500;

template <class Memory, class Visit>
void each_sum(Memory& m, Visit&& visit) {
    for (auto* sum : {&m.day_messages, &m.day_recipients, &m.usual_messages, &m.usual_recipients, &m.today_recipients,
                      &m.today_new, &m.seen_recipients, &m.seen_new, &m.seen_messages})
        visit(*sum);
    for (auto& sum : m.by_hour)
        visit(sum);
}

void put(encoder& out, float value) {
    out.number(std::bit_cast<std::uint32_t>(value));
}
/// Sums are numbers that are not negative; anything else is damage.
float take(decoder& in) {
    const auto value = std::bit_cast<float>(in.number<std::uint32_t>());
    if (!std::isfinite(value) || value < 0) in.fail();
    return in.ok() ? value : 0.0F;
}

class store_of_trends final : public trend_store {
public:
    store_of_trends(turn& turns, std::string secret, const clock& time)
        : turns_{turns}
        , secret_{std::move(secret)}
        , clock_{time} {}

    result<trend_memory> read(std::string_view account) override {
        std::optional<trend_memory> out;
        const auto key = key_of(account);
        const auto done = turns_.read_in_turn([&](const read_txn& txn) { out = load(txn, key); });
        if (!done) return done.error();
        if (!out) log::warning("damaged trend record starts empty").kv("account", account);
        return out.value_or(trend_memory{});
    }

    boost::asio::awaitable<result<void>> observe(std::string account, trend_message message,
                                                 std::vector<std::uint64_t> recipients) override {
        const auto change = [this, &account, &message, &recipients](write_txn& txn) {
            const auto key = key_of(account);
            auto memory = load(txn, key).value_or(trend_memory{});
            postsluice::observe(memory, message, recipients);
            return txn.put(key, encode(memory, account));
        };
        const std::function<result<void>(write_txn&)> named = change;
        co_return co_await turns_.write_in_turn(named);
    }

    boost::asio::awaitable<result<void>> take_back(std::string account, trend_message message) override {
        const std::function<result<void>(write_txn&)> change = [this, &account, &message](write_txn& txn) {
            const auto key = key_of(account);
            auto memory = load(txn, key).value_or(trend_memory{});
            if (memory.born == instant{}) return result<void>{}; // reset, or damaged
            postsluice::take_back(memory, message);
            return txn.put(key, encode(memory, account));
        };
        co_return co_await turns_.write_in_turn(change);
    }

    boost::asio::awaitable<result<void>> reset(std::string account) override {
        const std::function<result<void>(write_txn&)> change = [key = key_of(account)](write_txn& txn) {
            return txn.erase(key);
        };
        co_return co_await turns_.write_in_turn(change);
    }

    boost::asio::awaitable<result<std::size_t>> sweep(std::size_t most) override {
        std::vector<std::string> over;
        const auto looked = turns_.read_in_turn([&](const read_txn& txn) { over = look_for_old(txn, most); });
        if (!looked) co_return looked.error();
        if (over.empty()) co_return std::size_t{0};
        const std::function<result<void>(write_txn&)> change = [&over](write_txn& txn) -> result<void> {
            for (const auto& key : over)
                if (auto gone = txn.erase(key); !gone) return gone;
            return {};
        };
        const auto done = co_await turns_.write_in_turn(change);
        if (!done) co_return done.error();
        co_return over.size();
    }

    std::uint64_t hash_of(std::string_view account, std::string_view what) const override {
        const auto octets = hashed_key(tag, secret_, {account, what});
        std::uint64_t out = 0;
        std::memcpy(&out, octets.data() + 1, sizeof out);
        return out == 0 ? 1 : out;
    }

private:
    [[nodiscard]] std::string key_of(std::string_view account) const { return hashed_key(tag, secret_, {account}); }

    /// Empty where there is none; nullopt where it is damaged.
    static std::optional<trend_memory> load(const read_txn& txn, const std::string& key) {
        const auto value = txn.get(key);
        return value ? decode_trend(*value) : trend_memory{};
    }

    std::vector<std::string> look_for_old(const read_txn& txn, std::size_t most) {
        std::vector<std::string> over;
        std::size_t visited = 0;
        std::string next;
        txn.scan(std::string(1, tag), sweep_from_, [&](std::string_view key, std::string_view value) {
            if (visited++ == most) {
                next = key;
                return false;
            }
            const auto memory = decode_trend(value);
            const auto newest = memory ? instant{std::chrono::hours{memory->hour}} : instant{};
            if (clock_.now() - newest > trend_retention) over.emplace_back(key);
            return true;
        });
        sweep_from_ = std::move(next); // empty: the round begins again
        return over;
    }

    turn& turns_;
    std::string secret_;
    const clock& clock_;
    std::string sweep_from_;
};

} // namespace

std::string encode(const trend_memory& m, std::string_view account) {
    encoder out{version, 1300};
    out.time(m.born);
    for (const auto number : {m.hour, m.day, m.filter_day})
        out.number(static_cast<std::uint64_t>(number));
    each_sum(m, [&out](float sum) { put(out, sum); });
    for (const auto& hour : m.hours) {
        out.number(hour.messages).number(hour.recipients);
        put(out, hour.weighted_messages);
        put(out, hour.weighted_recipients);
    }
    for (const auto& network : m.networks) {
        out.number(network.hash);
        put(out, network.weight);
        put(out, network.today);
    }
    for (const auto& filter : m.known)
        for (const auto word : filter)
            out.number(word);
    out.text(account, max_name);
    return out.take();
}

std::optional<trend_memory> decode_trend(std::string_view value) {
    constexpr std::int64_t year_10000 = 70'389'528; // in hours since 1970
    decoder in{value, version};
    trend_memory m;
    m.born = in.time();
    for (auto* number : {&m.hour, &m.day, &m.filter_day}) {
        *number = static_cast<std::int64_t>(in.number<std::uint64_t>());
        if (*number < -year_10000 || *number > year_10000) in.fail();
    }
    each_sum(m, [&in](float& sum) { sum = take(in); });
    for (auto& hour : m.hours) {
        hour.messages = in.number<std::uint32_t>();
        hour.recipients = in.number<std::uint32_t>();
        hour.weighted_messages = take(in);
        hour.weighted_recipients = take(in);
    }
    for (auto& network : m.networks) {
        network.hash = in.number<std::uint64_t>();
        network.weight = take(in);
        network.today = take(in);
    }
    for (auto& filter : m.known)
        for (auto& word : filter)
            word = in.number<std::uint64_t>();
    (void)in.text();
    if (!in.ok()) return std::nullopt;
    return m;
}

std::unique_ptr<trend_store> make_trend_store(turn& turns, std::string hash_secret, const clock& time) {
    return std::make_unique<store_of_trends>(turns, std::move(hash_secret), time);
}

} // namespace postsluice::state
