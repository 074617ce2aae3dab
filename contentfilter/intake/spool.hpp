// SPDX-License-Identifier: Apache-2.0
// Where a message lies while it is scanned: memory up to spool_memory, then an unlinked file below spool_directory
// (never on tmpfs: start-up warns). Written once by the session, then read-only and shared by checks and the sender.
// errc::disk_full where there is no room.
#pragma once

#include "shared/core/result.hpp"
#include "shared/core/units.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace postsluice::contentfilter {

class spool {
public:
    spool(byte_count memory, std::filesystem::path directory);
    ~spool();
    spool(spool&&) noexcept;
    spool(const spool&) = delete;

    [[nodiscard]] result<void> append(std::string_view octets);
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    /// Copies up to `most` octets from `offset`. Safe from many threads once writing is over.
    [[nodiscard]] result<std::string> read(std::uint64_t offset, std::size_t most) const;
    /// Calls `visit` with consecutive pieces of [offset, end); stops where it returns false.
    [[nodiscard]] result<void> for_each(std::uint64_t offset, const std::function<bool(std::string_view)>& visit) const;
    /// The descriptor, or -1 while the message is in memory; memory() is the whole of it then.
    [[nodiscard]] int descriptor() const noexcept { return fd_; }
    [[nodiscard]] std::string_view memory() const noexcept { return memory_; }

private:
    std::size_t memory_limit_;
    std::filesystem::path directory_;
    std::string memory_;
    int fd_ = -1;
    std::uint64_t size_ = 0;
};

} // namespace postsluice::contentfilter
