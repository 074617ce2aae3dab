// SPDX-License-Identifier: Apache-2.0
#include "shared/state/token_statistics.hpp"

#include "shared/state/codec.hpp"
#include "shared/state/token_records.hpp"

#include <algorithm>
#include <ostream>
#include <unordered_map>

namespace postsluice::state {
namespace {

constexpr std::size_t looked_at = 4;       // for each token that must go
constexpr std::size_t most_gone = 20'000;  // in one transaction
constexpr std::size_t least_looked = 1000; // so that few that must go are weak ones, too
constexpr double nothing = 1.0 / 64;       // a count that has faded, or was taken back, to this is none

using outcome = token_statistics::outcome;

/// One learning or forgetting, within its transaction. Changes of tokens are collected first: in a batch the common
/// ones are written once.
class lesson {
public:
    lesson(write_txn& txn, std::string_view secret, instant now, const token_statistics::bounds& within)
        : txn_{txn}
        , secret_{secret}
        , now_{now}
        , today_{day_of(now)}
        , within_{within}
        , summary_{summary_record::decode(txn.get(summary_key))} {
        summary_.fade_to(today_, within.half_life);
    }

    result<outcome> learn(mail_class as, const token_set& tokens) {
        if (tokens.empty()) return outcome::empty;
        const auto key = key_of(tokens);
        const auto before = find(key);
        if (before && before->as == as) return outcome::known;
        if (before)
            if (auto gone = take_back(key, *before, tokens); !gone) return gone.error();
        change(as, tokens, 1);
        if (auto put = txn_.put(key, lesson_record{as, now_}.encode()); !put) return put.error();
        if (auto put = txn_.put(order_key(now_, key), "\1"); !put) return put.error();
        ++summary_.remembered;
        return before ? outcome::moved : outcome::learned;
    }

    result<outcome> forget(const token_set& tokens) {
        if (tokens.empty()) return outcome::empty;
        const auto key = key_of(tokens);
        const auto before = find(key);
        if (!before) return outcome::unknown;
        if (auto gone = take_back(key, *before, tokens); !gone) return gone.error();
        return outcome::forgotten;
    }

    result<void> finish() {
        if (auto done = apply(); !done) return done;
        if (auto done = drop_weak(); !done) return done;
        if (auto done = drop_old(); !done) return done;
        if (auto put = txn_.put(summary_key, summary_.encode()); !put) return put;
        return txn_.commit();
    }

private:
    std::string key_of(const token_set& tokens) const {
        const std::string_view octets{reinterpret_cast<const char*>(tokens.data()), tokens.size() * sizeof tokens[0]};
        return hashed_key(lesson_tag, secret_, {octets});
    }
    static std::string order_key(instant at, const std::string& key) {
        return order_tag + ascending(at) + key.substr(1);
    }
    std::optional<lesson_record> find(const std::string& key) const {
        const auto value = txn_.get(key);
        return value ? lesson_record::decode(*value) : std::nullopt;
    }

    void change(mail_class as, const token_set& tokens, double by) {
        auto& messages = summary_.messages.of(as);
        messages = std::max(0.0, messages + by);
        for (const auto token : tokens)
            changes_[token].of(as) += by;
    }

    /// What a lesson of then still weighs.
    result<void> take_back(const std::string& key, const lesson_record& before, const token_set& tokens) {
        change(before.as, tokens, -fading(day_of(before.at), today_, within_.half_life));
        return drop(key, before.at);
    }

    result<void> drop(const std::string& key, instant at) {
        if (auto gone = txn_.erase(key); !gone) return gone;
        if (auto gone = txn_.erase(order_key(at, key)); !gone) return gone;
        summary_.remembered -= summary_.remembered > 0 ? 1U : 0U;
        return {};
    }

    /// In the order of the keys, so that neighbours are written together.
    result<void> apply() {
        std::vector<std::pair<std::uint64_t, class_counts>> all{changes_.begin(), changes_.end()};
        std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
        for (const auto& [token, by] : all) {
            const auto key = token_key(token);
            const auto value = txn_.get(key);
            const auto known = value ? token_record::decode(*value) : std::nullopt;
            auto counts = known ? known->at(today_, within_.half_life) : class_counts{};
            counts.ham = std::max(0.0, counts.ham + by.ham);
            counts.spam = std::max(0.0, counts.spam + by.spam);
            const bool gone = counts.sum() < nothing;
            if (gone && !value) continue;
            if (auto done = gone ? txn_.erase(key) : txn_.put(key, token_record{counts, today_}.encode()); !done)
                return done;
            if (gone && summary_.tokens > 0) --summary_.tokens;
            if (!value) ++summary_.tokens;
        }
        return {};
    }

    struct candidate {
        std::uint64_t token;
        double weight;
    };
    /// The next `most` tokens from the hand on, which goes on behind them; round once at most.
    std::vector<candidate> look_around(std::size_t most) {
        std::vector<candidate> out;
        const auto begin = summary_.hand;
        bool whole = false;
        const auto take = [&](std::string_view key, std::string_view value) {
            const auto token = from_big_endian(key.substr(1));
            if (out.size() == most || (whole && token >= begin)) {
                summary_.hand = token;
                return false;
            }
            const auto record = token_record::decode(value);
            out.push_back({token, record ? record->at(today_, within_.half_life).sum() : 0});
            return true;
        };
        const std::string all{token_tag};
        txn_.scan(all, token_key(begin), take);
        if (out.size() < most) {
            whole = true;
            summary_.hand = 0;
            txn_.scan(all, all, take);
        }
        return out;
    }

    result<void> drop_weak() {
        if (summary_.tokens <= within_.tokens) return {};
        const auto must_go = static_cast<std::size_t>(summary_.tokens - within_.tokens);
        const auto wanted = std::min(must_go, most_gone);
        auto seen = look_around(std::max(looked_at * wanted, least_looked));
        if (seen.size() < wanted) summary_.tokens = seen.size(); // a count that was wrong
        const auto count = std::min(wanted, seen.size());
        const auto end = seen.begin() + static_cast<std::ptrdiff_t>(count);
        std::nth_element(seen.begin(), end, seen.end(),
                         [](const candidate& a, const candidate& b) { return a.weight < b.weight; });
        for (auto at = seen.begin(); at != end; ++at)
            if (auto gone = txn_.erase(token_key(at->token)); !gone) return gone;
        summary_.tokens -= count;
        return {};
    }

    result<void> drop_old() {
        if (summary_.remembered <= within_.messages) return {};
        const auto count =
            std::min<std::size_t>(static_cast<std::size_t>(summary_.remembered - within_.messages), most_gone);
        std::vector<std::pair<std::string, instant>> old;
        txn_.scan(std::string{order_tag}, {}, [&](std::string_view key, std::string_view) {
            old.emplace_back(lesson_tag + std::string{key.substr(9)}, from_ascending(key.substr(1, 8)));
            return old.size() < count;
        });
        for (const auto& [key, at] : old)
            if (auto gone = drop(key, at); !gone) return gone;
        return {};
    }

    write_txn& txn_;
    std::string_view secret_;
    instant now_;
    day today_;
    const token_statistics::bounds& within_;
    summary_record summary_;
    std::unordered_map<std::uint64_t, class_counts> changes_;
};

} // namespace

token_statistics::token_statistics(store& where, std::string hash_secret, const clock& time)
    : store_{where}
    , secret_{std::move(hash_secret)}
    , clock_{time} {}

result<token_statistics::totals> token_statistics::total(seconds half_life) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    auto summary = summary_record::decode(txn->get(summary_key));
    if (txn->damaged()) return failure{errc::corrupt, "what was learned cannot be read"};
    summary.fade_to(day_of(clock_.now()), half_life);
    return totals{summary.messages, summary.tokens, summary.remembered};
}

result<token_statistics::answer> token_statistics::ask(std::span<const std::uint64_t> tokens, seconds half_life) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    const auto today = day_of(clock_.now());
    auto summary = summary_record::decode(txn->get(summary_key));
    summary.fade_to(today, half_life);
    answer out{summary.messages, {}};
    out.tokens.reserve(tokens.size());
    for (const auto token : tokens) {
        const auto value = txn->get(token_key(token));
        const auto record = value ? token_record::decode(*value) : std::nullopt;
        out.tokens.push_back(record ? record->at(today, half_life) : class_counts{});
    }
    if (txn->damaged()) return failure{errc::corrupt, "what was learned cannot be read"};
    return out;
}

result<std::vector<outcome>> token_statistics::learn(mail_class as, std::span<const token_set> messages,
                                                     const bounds& within) {
    auto txn = store_.write();
    if (!txn) return txn.error();
    lesson at_hand{*txn, secret_, clock_.now(), within};
    std::vector<outcome> out;
    for (const auto& one : messages) {
        const auto learned = at_hand.learn(as, one);
        if (!learned) return learned.error();
        out.push_back(*learned);
    }
    if (auto done = at_hand.finish(); !done) return done.error();
    return out;
}

result<std::vector<outcome>> token_statistics::forget(std::span<const token_set> messages, const bounds& within) {
    auto txn = store_.write();
    if (!txn) return txn.error();
    txn->use_reserve();
    lesson at_hand{*txn, secret_, clock_.now(), within};
    std::vector<outcome> out;
    for (const auto& one : messages) {
        const auto gone = at_hand.forget(one);
        if (!gone) return gone.error();
        out.push_back(*gone);
    }
    if (auto done = at_hand.finish(); !done) return done.error();
    return out;
}

std::string_view to_string(outcome o) noexcept {
    switch (o) {
    case outcome::learned:
        return "learned";
    case outcome::moved:
        return "moved";
    case outcome::known:
        return "known";
    case outcome::forgotten:
        return "forgotten";
    case outcome::unknown:
        return "unknown";
    case outcome::empty:
        return "empty";
    }
    return "unknown";
}

std::ostream& operator<<(std::ostream& out, outcome o) {
    return out << to_string(o);
}

} // namespace postsluice::state
