// SPDX-License-Identifier: Apache-2.0
// What a campaign is known by, whoever sends it: the text of a letter, the layout of its HTML, a file that goes with
// it. Texts and layouts are alike to a degree; a file's sketch is its digest, so that two files are the same or have
// nothing in common.
#pragma once

#include "shared/core/min_hash.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace postsluice {

enum class fingerprint_kind : std::uint8_t { text, layout, file };

struct fingerprint {
    fingerprint_kind kind = fingerprint_kind::text;
    min_hash sketch{};
    std::string of; ///< for evidence: "part 1.2 (list.pdf)"
};

[[nodiscard]] constexpr std::string_view to_string(fingerprint_kind kind) noexcept {
    switch (kind) {
    case fingerprint_kind::text:
        return "text";
    case fingerprint_kind::layout:
        return "layout";
    case fingerprint_kind::file:
        return "file";
    }
    return "text";
}

/// Fingerprints of different kinds are never the same.
[[nodiscard]] inline bool is_same(const fingerprint& a, fingerprint_kind kind, const min_hash& sketch,
                                  double similarity) {
    return a.kind == kind && likeness(a.sketch, sketch) >= similarity;
}

} // namespace postsluice
