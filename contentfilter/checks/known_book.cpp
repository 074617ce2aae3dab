// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/known_book.hpp"

namespace postsluice::contentfilter {

void known_book::use(std::vector<state::known_fingerprint> all) {
    auto made = std::make_shared<index>();
    made->all = std::move(all);
    for (std::size_t entry = 0; entry < made->all.size(); ++entry)
        for (std::size_t i = 0; i < made->all[entry].of.size(); ++i)
            for (const auto band : bands_of(made->all[entry].of[i].sketch))
                made->bands.emplace(band, std::pair{entry, i});
    index_ = std::move(made);
}

std::optional<known_book::match> known_book::find(const fingerprint& wanted, double similarity) const {
    const auto known = index_.load();
    if (known->all.empty()) return std::nullopt;
    for (const auto band : bands_of(wanted.sketch)) {
        const auto [from, to] = known->bands.equal_range(band);
        for (auto at = from; at != to; ++at) {
            const auto& entry = known->all[at->second.first];
            const auto& there = entry.of[at->second.second];
            if (is_same(wanted, there.kind, there.sketch, similarity)) return match{entry.id, entry.why};
        }
    }
    return std::nullopt;
}

} // namespace postsluice::contentfilter
