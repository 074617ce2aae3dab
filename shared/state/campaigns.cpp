// SPDX-License-Identifier: Apache-2.0
#include "shared/state/campaigns.hpp"

#include "shared/state/codec.hpp"

#include <algorithm>
#include <limits>
#include <optional>

namespace postsluice::state {
namespace {

constexpr std::uint8_t version = 1;
constexpr int most_passed_over = 8;
constexpr const char* next_key = "FN";

struct participant {
    std::uint64_t account = 0;
    std::uint32_t recipients = 0;
    instant since{}, last{};
};

struct campaign {
    fingerprint_kind kind = fingerprint_kind::text;
    min_hash sketch{};
    std::vector<participant> accounts; ///< the longest silent first

    [[nodiscard]] std::string encode() const {
        encoder out{version, 2 + sizeof sketch + 2 + accounts.size() * 28};
        out.number(static_cast<std::uint8_t>(kind));
        for (const auto value : sketch)
            out.number(value);
        out.number(static_cast<std::uint16_t>(accounts.size()));
        for (const auto& one : accounts)
            out.number(one.account).number(one.recipients).time(one.since).time(one.last);
        return out.take();
    }
    [[nodiscard]] static std::optional<campaign> decode(std::string_view value) {
        decoder in{value, version};
        campaign c;
        c.kind = in.enumerator(fingerprint_kind::file);
        for (auto& one : c.sketch)
            one = in.number<std::uint32_t>();
        c.accounts.resize(in.count<std::uint16_t>(28));
        for (auto& one : c.accounts) {
            one.account = in.number<std::uint64_t>();
            one.recipients = in.number<std::uint32_t>();
            one.since = in.time();
            one.last = in.time();
        }
        return in.complete() ? std::optional{std::move(c)} : std::nullopt;
    }
    [[nodiscard]] std::size_t active(instant after) const {
        return static_cast<std::size_t>(
            std::count_if(accounts.begin(), accounts.end(), [&](const participant& one) { return one.last > after; }));
    }
    /// One more message.
    void join(std::uint64_t account, std::uint64_t recipients, instant now, seconds window) {
        const auto at = std::find_if(accounts.begin(), accounts.end(),
                                     [&](const participant& one) { return one.account == account; });
        participant mine{account, 0, now, now};
        if (at != accounts.end()) {
            if (at->since > now - window) mine = *at;
            accounts.erase(at);
        }
        constexpr std::uint64_t highest = std::numeric_limits<std::uint32_t>::max();
        mine.recipients =
            static_cast<std::uint32_t>(std::min(highest, mine.recipients + std::min(recipients, highest)));
        mine.last = now;
        accounts.push_back(mine);
        if (accounts.size() > campaigns::most_accounts) accounts.erase(accounts.begin());
    }
};

std::string place_key(std::uint64_t place) {
    return "FP" + big_endian(place);
}
std::string band_key(fingerprint_kind kind, std::size_t band, std::uint64_t hash) {
    return std::string{"FB"} + static_cast<char>(kind) + static_cast<char>(band) + big_endian(hash);
}
std::optional<std::uint64_t> place_in(std::optional<std::string_view> value) {
    if (!value || value->size() != 8) return std::nullopt;
    return from_big_endian(*value);
}

struct found_campaign {
    std::uint64_t place = 0;
    campaign what;
};

/// The campaign most like it, of those that share a band.
std::optional<found_campaign> find(const read_txn& txn, const fingerprint& wanted, double similarity) {
    std::optional<found_campaign> best;
    double best_likeness = 0;
    std::vector<std::uint64_t> seen;
    const auto bands = bands_of(wanted.sketch);
    for (std::size_t band = 0; band < bands.size(); ++band) {
        const auto place = place_in(txn.get(band_key(wanted.kind, band, bands[band])));
        if (!place || std::find(seen.begin(), seen.end(), *place) != seen.end()) continue;
        seen.push_back(*place);
        const auto value = txn.get(place_key(*place));
        auto there = value ? campaign::decode(*value) : std::nullopt;
        if (!there || !is_same(wanted, there->kind, there->sketch, similarity)) continue;
        const auto how = likeness(wanted.sketch, there->sketch);
        if (how <= best_likeness) continue;
        best_likeness = how;
        best = {*place, std::move(*there)};
    }
    return best;
}

/// The place is free afterwards, and nothing leads there.
result<void> clear(write_txn& txn, std::uint64_t place, const campaign& there) {
    const auto bands = bands_of(there.sketch);
    for (std::size_t band = 0; band < bands.size(); ++band) {
        const auto key = band_key(there.kind, band, bands[band]);
        if (place_in(txn.get(key)) != place) continue; // a later one's
        if (auto gone = txn.erase(key); !gone) return gone;
    }
    return txn.erase(place_key(place));
}

result<std::uint64_t> take_place(write_txn& txn, instant after, std::size_t most) {
    auto next = place_in(txn.get(next_key)).value_or(0) % most;
    for (int passed = 0;; ++passed, next = (next + 1) % most) {
        const auto value = txn.get(place_key(next));
        if (!value) break;
        const auto there = campaign::decode(*value);
        if (there && there->active(after) > 1 && passed < most_passed_over) continue;
        if (auto gone = there ? clear(txn, next, *there) : txn.erase(place_key(next)); !gone) return gone.error();
        break;
    }
    if (auto put = txn.put(next_key, big_endian(next + 1)); !put) return put.error();
    return next;
}

result<void> begin(write_txn& txn, const fingerprint& what, campaign made, instant after, std::size_t most) {
    const auto place = take_place(txn, after, most);
    if (!place) return place.error();
    const auto bands = bands_of(what.sketch);
    for (std::size_t band = 0; band < bands.size(); ++band)
        if (auto put = txn.put(band_key(what.kind, band, bands[band]), big_endian(*place)); !put) return put;
    return txn.put(place_key(*place), made.encode());
}

} // namespace

campaigns::campaigns(store& where, std::string hash_secret)
    : store_{where}
    , secret_{std::move(hash_secret)} {}

std::uint64_t campaigns::hash_of(std::string_view account) const {
    return from_big_endian(hashed_key('F', secret_, {account}).substr(1));
}

result<campaigns::sighting> campaigns::ask(const fingerprint& what, std::string_view account, instant now,
                                           const bounds& within) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    sighting out;
    const auto found = find(*txn, what, within.similarity);
    if (!found) return out;
    const auto mine = hash_of(account);
    const auto after = now - within.window;
    for (const auto& one : found->what.accounts) {
        if (one.account != mine && one.last > after) ++out.others;
        if (one.account == mine && one.since > after) out.recipients = one.recipients;
    }
    return out;
}

result<void> campaigns::learn(const std::vector<fingerprint>& what, std::string_view account, std::uint64_t recipients,
                              instant now, const bounds& within) {
    if (what.empty()) return {};
    auto txn = store_.write();
    if (!txn) return txn.error();
    const auto mine = hash_of(account);
    for (const auto& one : what) {
        auto found = find(*txn, one, within.similarity);
        if (found) {
            found->what.join(mine, recipients, now, within.window);
            if (auto put = txn->put(place_key(found->place), found->what.encode()); !put) return put;
            continue;
        }
        campaign made{one.kind, one.sketch, {}};
        made.join(mine, recipients, now, within.window);
        if (auto begun = begin(*txn, one, std::move(made), now - within.window, within.most); !begun) return begun;
    }
    return txn->commit();
}

} // namespace postsluice::state
