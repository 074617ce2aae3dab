// SPDX-License-Identifier: Apache-2.0
#include "shared/state/campaigns.hpp"

#include "shared/state/codec.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

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
/// What the index knows the bands by: of another kind the same band is another one.
std::array<std::uint32_t, std::tuple_size_v<min_hash_bands>> index_bands(fingerprint_kind kind,
                                                                         const min_hash& sketch) {
    const auto bands = bands_of(sketch);
    std::array<std::uint32_t, std::tuple_size_v<min_hash_bands>> out{};
    for (std::size_t band = 0; band < bands.size(); ++band)
        out[band] =
            static_cast<std::uint32_t>((bands[band] + 0x9e3779b97f4a7c15U * static_cast<std::uint64_t>(kind)) >> 32U);
    return out;
}
std::optional<std::uint64_t> place_in(std::optional<std::string_view> value) {
    if (!value || value->size() != 8) return std::nullopt;
    return from_big_endian(*value);
}

struct found_campaign {
    std::uint64_t place = 0;
    campaign what;
};

/// The campaign most like it, of those in these places.
std::optional<found_campaign> find(const read_txn& txn, const std::vector<band_index::place>& places,
                                   const fingerprint& wanted, double similarity) {
    std::optional<found_campaign> best;
    double best_likeness = 0;
    for (const auto place : places) {
        const auto value = txn.get(place_key(place));
        auto there = value ? campaign::decode(*value) : std::nullopt;
        if (!there || !is_same(wanted, there->kind, there->sketch, similarity)) continue;
        const auto how = likeness(wanted.sketch, there->sketch);
        if (how <= best_likeness) continue;
        best_likeness = how;
        best = {place, std::move(*there)};
    }
    return best;
}

} // namespace

/// What one transaction changes in the index. Undone at the end, unless the transaction was committed.
class campaigns::index_changes {
public:
    explicit index_changes(campaigns& of)
        : of_{of} {}
    index_changes(const index_changes&) = delete;
    index_changes& operator=(const index_changes&) = delete;
    ~index_changes() {
        const std::lock_guard lock{of_.mutex_};
        for (; !before_.empty(); before_.pop_back())
            of_.index_.lead(before_.back().first, before_.back().second);
    }
    void keep() noexcept { before_.clear(); }

    void add(fingerprint_kind kind, const min_hash& sketch, band_index::place where) {
        const std::lock_guard lock{of_.mutex_};
        for (const auto band : index_bands(kind, sketch))
            lead(band, where);
    }
    /// Nothing leads to this place any more. A later campaign's bands stay.
    void remove(fingerprint_kind kind, const min_hash& sketch, band_index::place where) {
        const std::lock_guard lock{of_.mutex_};
        for (const auto band : index_bands(kind, sketch))
            if (of_.index_.find(band) == where) lead(band, band_index::nowhere);
    }

private:
    void lead(std::uint32_t band, band_index::place where) {
        before_.emplace_back(band, of_.index_.find(band)); // first: nothing is changed that could not be undone
        of_.index_.lead(band, where);
    }
    campaigns& of_;
    std::vector<std::pair<std::uint32_t, band_index::place>> before_;
};

namespace {

/// The place for a new campaign. `gone` hears of the one that lay there.
template <class Gone>
result<band_index::place> take_place(write_txn& txn, instant after, std::size_t most, Gone&& gone) {
    auto next = place_in(txn.get(next_key)).value_or(0) % most;
    for (int passed = 0;; ++passed, next = (next + 1) % most) {
        const auto value = txn.get(place_key(next));
        const auto there = value ? campaign::decode(*value) : std::nullopt;
        if (there && there->active(after) > 1 && passed < most_passed_over) continue;
        if (there) gone(*there, static_cast<band_index::place>(next));
        break;
    }
    if (auto put = txn.put(next_key, big_endian(next + 1)); !put) return put.error();
    return static_cast<band_index::place>(next);
}

} // namespace

campaigns::campaigns(store& where, std::string hash_secret)
    : store_{where}
    , secret_{std::move(hash_secret)} {}

std::uint64_t campaigns::hash_of(std::string_view account) const {
    return from_big_endian(hashed_key('F', secret_, {account}).substr(1));
}

/// Once for each opening of the environment: one that was found damaged is another one.
result<void> campaigns::make_index(const read_txn& txn) {
    const auto version = store_.version();
    if (!version) return version.error();
    const std::lock_guard lock{mutex_};
    if (opening_ == version->opening) return {};
    index_.clear();
    txn.scan("FP", {}, [&](std::string_view key, std::string_view value) {
        const auto place = place_in(key.substr(2));
        const auto there = place ? campaign::decode(value) : std::nullopt;
        if (!there || *place >= band_index::nowhere) return true;
        for (const auto band : index_bands(there->kind, there->sketch))
            index_.lead(band, static_cast<band_index::place>(*place));
        return true;
    });
    if (txn.damaged()) return failure{errc::corrupt, "campaigns"};
    opening_ = version->opening;
    return {};
}

std::vector<band_index::place> campaigns::places_of(const fingerprint& wanted) {
    std::vector<band_index::place> out;
    const std::lock_guard lock{mutex_};
    for (const auto band : index_bands(wanted.kind, wanted.sketch)) {
        const auto place = index_.find(band);
        if (place != band_index::nowhere && std::find(out.begin(), out.end(), place) == out.end()) out.push_back(place);
    }
    return out;
}

result<campaigns::sighting> campaigns::ask(const fingerprint& what, std::string_view account, instant now,
                                           const bounds& within) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    if (auto made = make_index(*txn); !made) return made.error();
    sighting out;
    const auto found = find(*txn, places_of(what), what, within.similarity);
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
    if (auto made = make_index(*txn); !made) return made;
    index_changes changes{*this};
    const auto mine = hash_of(account);
    for (const auto& one : what) {
        if (auto found = find(*txn, places_of(one), one, within.similarity)) {
            found->what.join(mine, recipients, now, within.window);
            if (auto put = txn->put(place_key(found->place), found->what.encode()); !put) return put;
            continue;
        }
        const auto place =
            take_place(*txn, now - within.window, within.most, [&](const campaign& old, band_index::place where) {
                changes.remove(old.kind, old.sketch, where);
            });
        if (!place) return place.error();
        campaign made{one.kind, one.sketch, {}};
        made.join(mine, recipients, now, within.window);
        changes.add(one.kind, one.sketch, *place);
        if (auto put = txn->put(place_key(*place), made.encode()); !put) return put;
    }
    auto done = txn->commit();
    if (done) changes.keep();
    return done;
}

} // namespace postsluice::state
