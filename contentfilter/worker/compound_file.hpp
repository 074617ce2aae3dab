// SPDX-License-Identifier: Apache-2.0
// Reads OLE's compound files ([MS-CFB]) that lie in memory: the tree of storages and streams. Own and small, since what
// is wanted is little and the format invites tricks: every chain is followed for at most as many steps as the file has
// sectors, every name and number is checked. Pure.
#pragma once

#include "shared/core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::contentfilter::worker {

/// A name, UTF-16 of the least octet first up to its end or a NUL, as UTF-8 (surrogates one by one); '/' becomes '?'.
[[nodiscard]] std::string compound_name(std::string_view utf16);

class compound_file {
public:
    /// `octets` stay the caller's. errc::malformed; errc::too_large over `max_entries`.
    [[nodiscard]] static result<compound_file> open(std::string_view octets, std::size_t max_entries);

    struct entry {
        std::string path; ///< "Macros/VBA/dir", each name as compound_name() has it
        bool stream = false;
        std::uint32_t start = 0;
        std::uint64_t size = 0;
    };
    /// All that can be reached from the root.
    [[nodiscard]] const std::vector<entry>& entries() const noexcept { return entries_; }
    /// Are there storages inside each other beyond what is followed?
    [[nodiscard]] bool too_deep() const noexcept { return too_deep_; }
    /// Null where there is none; the case of letters does not matter.
    [[nodiscard]] const entry* find(std::string_view path) const;
    /// Up to `most` octets; fewer where the chain breaks off.
    [[nodiscard]] std::string read(const entry& of, std::size_t most) const;

private:
    explicit compound_file(std::string_view octets)
        : octets_{octets} {}
    [[nodiscard]] result<void> read_header();
    void read_table(std::uint32_t difat_start);
    [[nodiscard]] result<void> read_directory(std::uint32_t start, std::size_t max_entries);
    [[nodiscard]] std::string_view sector(std::uint32_t number) const;
    [[nodiscard]] std::string read_chain(std::uint32_t start, std::uint64_t most) const;
    [[nodiscard]] std::string read_mini_chain(std::uint32_t start, std::uint64_t most) const;
    [[nodiscard]] std::uint32_t next_of(std::uint32_t number) const;

    std::string_view octets_;
    std::size_t sector_size_ = 512;
    std::uint32_t directory_start_ = 0, mini_table_start_ = 0, mini_cutoff_ = 4096;
    std::vector<std::uint32_t> table_;
    std::string mini_table_, mini_stream_;
    std::vector<entry> entries_;
    bool too_deep_ = false;
};

} // namespace postsluice::contentfilter::worker
