// SPDX-License-Identifier: Apache-2.0
// Lists of files that the operator knows, by their SHA-256: one sum a line in hex (as sha256sum(1) prints it), then a
// comment; '#' begins a line that is only comment. Read at start and on reload, strictly: every mistake is reported as
// "file:line: what is wrong", and then nothing of it is used. Immutable after; any thread.
#pragma once

#include "shared/config/settings.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::contentfilter {

class hash_lists {
public:
    /// `files`: '*' in the last component; such a glob may match nothing, a plain path must exist.
    [[nodiscard]] static std::shared_ptr<const hash_lists> read(const config::hash_settings& how,
                                                                std::vector<std::string>& errors);
    /// Where the sum (hex, any case) stands, and what is written after it: "known.hashes:3: Emotet dropper".
    [[nodiscard]] std::optional<std::string> find(std::string_view sha256) const;
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

private:
    struct entry {
        std::array<std::uint8_t, 32> sum{};
        std::uint32_t file = 0, line = 0; ///< index of names_, line
        std::string comment;
    };
    void add(std::string_view text, const std::string& name, std::size_t most, std::vector<std::string>& errors);

    std::vector<entry> entries_; // by sum
    std::vector<std::string> names_;
};

} // namespace postsluice::contentfilter
