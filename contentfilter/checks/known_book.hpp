// SPDX-License-Identifier: Apache-2.0
// The fingerprints that operators added, in memory: found by their bands, compared whole. Any thread; a change is there
// for the next message.
#pragma once

#include "shared/state/known_fingerprints.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <unordered_map>

namespace postsluice::contentfilter {

class known_book {
public:
    known_book()
        : index_{std::make_shared<const index>()} {}
    /// In place of what was there.
    void use(std::vector<state::known_fingerprint> all);
    struct match {
        std::string id, why;
    };
    [[nodiscard]] std::optional<match> find(const fingerprint& wanted, double similarity) const;
    [[nodiscard]] std::vector<state::known_fingerprint> all() const { return index_.load()->all; }

private:
    struct index {
        std::vector<state::known_fingerprint> all;
        /// Band -> entry, and which of its fingerprints.
        std::unordered_multimap<std::uint64_t, std::pair<std::size_t, std::size_t>> bands;
    };
    std::atomic<std::shared_ptr<const index>> index_;
};

} // namespace postsluice::contentfilter
