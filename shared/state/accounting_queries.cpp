// SPDX-License-Identifier: Apache-2.0
// Queries of the accounting: for the operator's command, and for texts that state a limit's use.
#include "shared/state/accounting_turn.hpp"

#include "shared/core/random.hpp"

#include <algorithm>

namespace postsluice::state {
namespace {

constexpr std::size_t max_visited = 200'000; // bound of one listing: it runs in the event loop

std::optional<refusal_event> find_refusal(const read_txn& txn, std::string_view reference) {
    const auto value = txn.get("E" + std::string{reference});
    return value ? decode_refusal(*value) : std::nullopt;
}

} // namespace

result<std::vector<limit_use>> accounting_lmdb::usage(const counted_limits& limits) {
    return reading([&](const read_txn& txn) -> result<std::vector<limit_use>> {
        const auto value = txn.get(account_key(secret_, limits.key));
        auto record = value ? account_record::decode(*value) : std::nullopt;
        std::vector<limit_use> uses;
        for (const auto& l : limits.limits) {
            const auto* known = record ? record->find(l.unit, l.period) : nullptr;
            uses.push_back(use_of({l, known != nullptr ? known->window : sliding_window{}}, clock_.now()));
        }
        return uses;
    });
}

result<std::optional<refusal_event>> accounting_lmdb::explain(std::string_view reference) {
    const auto name = normalise_reference(reference);
    if (name.empty()) return std::optional<refusal_event>{};
    return reading(
        [&](const read_txn& txn) -> result<std::optional<refusal_event>> { return find_refusal(txn, name); });
}

result<std::vector<account_summary>> accounting_lmdb::accounts(std::size_t most) {
    using seen_key = std::pair<instant, std::string>;
    const auto later = [](const seen_key& a, const seen_key& b) { return a.first > b.first; };
    return reading([&](const read_txn& txn) -> result<std::vector<account_summary>> {
        std::vector<seen_key> latest; // a heap whose front is the one seen longest ago
        std::size_t visited = 0;
        txn.scan("A", {}, [&](std::string_view key, std::string_view value) {
            decoder head{value, 1};
            (void)head.number<std::uint64_t>();
            const instant seen = head.time();
            if (head.ok() && head.text().starts_with(account_prefix)) {
                latest.emplace_back(seen, key);
                std::push_heap(latest.begin(), latest.end(), later);
                if (latest.size() > most) {
                    std::pop_heap(latest.begin(), latest.end(), later);
                    latest.pop_back();
                }
            }
            return ++visited < max_visited;
        });
        std::sort_heap(latest.begin(), latest.end(), later);
        std::vector<account_summary> out;
        for (const auto& [seen, key] : latest) {
            const auto value = txn.get(key);
            const auto record = value ? account_record::decode(*value) : std::nullopt;
            if (!record) continue;
            account_summary s{record->key.substr(account_prefix.size()), seen, {}};
            for (const auto& w : record->windows)
                s.use.push_back(use_of(w, clock_.now()));
            out.push_back(std::move(s));
        }
        return out;
    });
}

result<std::vector<refusal_event>> accounting_lmdb::refusals(std::string_view account, std::size_t most) {
    const std::string prefix = account.empty() ? std::string{"Z"} : hashed_key('R', secret_, {account});
    return reading([&](const read_txn& txn) -> result<std::vector<refusal_event>> {
        std::vector<refusal_event> out;
        if (most == 0) return out;
        txn.scan(prefix, {}, [&](std::string_view key, std::string_view) {
            if (key.size() <= prefix.size() + 8) return true;
            if (auto event = find_refusal(txn, key.substr(prefix.size() + 8))) out.push_back(std::move(*event));
            return out.size() < most;
        });
        return out;
    });
}

asio::awaitable<result<void>> accounting_lmdb::write_in_turn(std::function<result<void>(write_txn&)> change) {
    const auto done = in_turn<void>([&change](ledger& books) { return change(books.txn()); });
    if (!done) co_return done.error();
    co_return co_await committed();
}

result<void> accounting_lmdb::read_in_turn(const std::function<void(const read_txn&)>& look) {
    return reading([&look](const read_txn& txn) -> result<void> {
        look(txn);
        return {};
    });
}

} // namespace postsluice::state
