// SPDX-License-Identifier: Apache-2.0
// Two layers of changes as one (journaled_store.hpp).
#pragma once

#include "shared/state/change_layer.hpp"

#include <array>

namespace postsluice::state {

/// The changes of both layers in the order of their keys; the active one's where both have one.
class merged_changes {
public:
    merged_changes(change_layer& active, change_layer* frozen, std::string_view prefix, std::string_view from)
        : layers_{&active, frozen}
        , rest_{active.range(prefix, from),
                frozen != nullptr ? frozen->range(prefix, from) : std::span<const std::uint32_t>{}} {
        skip_taken_back();
    }
    [[nodiscard]] const change_layer::change* head() const noexcept {
        const auto *a = head_of(0), *b = head_of(1);
        if (a == nullptr || b == nullptr) return a != nullptr ? a : b;
        return b->key() < a->key() ? b : a;
    }
    void next() {
        const std::string_view key = head()->key();
        for (std::size_t i : {0U, 1U})
            if (const auto* h = head_of(i); h != nullptr && h->key() == key) rest_[i] = rest_[i].subspan(1);
        skip_taken_back();
    }

private:
    [[nodiscard]] const change_layer::change* head_of(std::size_t i) const noexcept {
        return rest_[i].empty() ? nullptr : &layers_[i]->at(rest_[i].front());
    }
    void skip_taken_back() {
        for (std::size_t i : {0U, 1U})
            while (!rest_[i].empty() && head_of(i)->what() == change_layer::kind::none)
                rest_[i] = rest_[i].subspan(1);
    }
    std::array<change_layer*, 2> layers_;
    std::array<std::span<const std::uint32_t>, 2> rest_;
};

} // namespace postsluice::state
