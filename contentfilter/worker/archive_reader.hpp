// SPDX-License-Identifier: Apache-2.0
// The files of an archive that lies in memory, one after the other: libarchive (the only file that knows it is
// archive_reader.cpp) with those formats and filters that need no other program. Nothing is ever written. What is
// encrypted or broken is said, not thrown; std::bad_alloc may be.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace postsluice::contentfilter::worker {

class archive_reader {
public:
    /// `octets` stay the caller's. `plain`: only their compression is undone, whatever it holds; nothing where there is
    /// none.
    explicit archive_reader(std::string_view octets, bool plain = false);
    ~archive_reader();
    archive_reader(const archive_reader&) = delete;

    struct entry {
        std::string path; ///< UTF-8 where the archive says so; empty for the content of a compressed file
        bool file = true; ///< and no directory, link or device
        bool encrypted = false;
    };
    enum class outcome { good, end, encrypted, broken, no_memory };

    /// The next entry. A failed one ends the archive.
    [[nodiscard]] outcome next(entry& into);
    /// The next octets of the entry at hand, `got` of them.
    [[nodiscard]] outcome read(char* into, std::size_t size, std::size_t& got);
    [[nodiscard]] std::string trouble() const;

    /// What libarchive would read later from the system is read now, since a confined process may not.
    static void warm_up();

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace postsluice::contentfilter::worker
