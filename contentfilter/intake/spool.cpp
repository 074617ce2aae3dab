// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/intake/spool.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace postsluice::contentfilter {

namespace {

constexpr std::size_t piece_size = 65536;

failure system_failure(const std::string& what, int error) {
    // EFBIG is RLIMIT_FSIZE: to the sender it is the same as a full disk, room that may be there later.
    const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    return {full ? errc::disk_full : errc::unavailable, what + ": " + std::strerror(error)};
}

/// An unlinked file, so that nothing is left behind whatever happens to us.
result<int> open_unlinked(const std::filesystem::path& directory) {
    int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    if (errno != EOPNOTSUPP && errno != EISDIR) return system_failure(directory.string(), errno);
    std::string name = (directory / "spool.XXXXXX").string(); // a file system without O_TMPFILE
    fd = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd < 0) return system_failure(name, errno);
    ::unlink(name.c_str());
    return fd;
}

result<void> write_at(int fd, std::uint64_t offset, std::string_view octets) {
    while (!octets.empty()) {
        const auto written = ::pwrite(fd, octets.data(), octets.size(), static_cast<off_t>(offset));
        if (written < 0) {
            if (errno == EINTR) continue;
            return system_failure("spool file", errno);
        }
        if (written == 0) return failure{errc::disk_full, "spool file: nothing was written"};
        octets.remove_prefix(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
    return {};
}

/// Fills `to` as far as the file goes.
result<std::size_t> read_at(int fd, std::uint64_t offset, char* to, std::size_t size) {
    std::size_t have = 0;
    while (have < size) {
        const auto got = ::pread(fd, to + have, size - have, static_cast<off_t>(offset + have));
        if (got < 0) {
            if (errno == EINTR) continue;
            return system_failure("spool file", errno);
        }
        if (got == 0) return failure{errc::corrupt, "spool file: shorter than what was written to it"};
        have += static_cast<std::size_t>(got);
    }
    return have;
}

} // namespace

spool::spool(byte_count memory, std::filesystem::path directory)
    : memory_limit_{static_cast<std::size_t>(memory.value)}
    , directory_{std::move(directory)} {}

spool::~spool() {
    if (fd_ >= 0) ::close(fd_);
}

spool::spool(spool&& other) noexcept
    : memory_limit_{other.memory_limit_}
    , directory_{std::move(other.directory_)}
    , memory_{std::move(other.memory_)}
    , fd_{std::exchange(other.fd_, -1)}
    , size_{std::exchange(other.size_, 0)} {
    other.memory_.clear();
}

result<void> spool::append(std::string_view octets) {
    if (fd_ < 0 && memory_.size() + octets.size() <= memory_limit_) {
        memory_.append(octets);
        size_ = memory_.size();
        return {};
    }
    if (fd_ < 0) {
        const auto file = open_unlinked(directory_);
        if (!file) return file.error();
        if (auto written = write_at(*file, 0, memory_); !written) {
            ::close(*file);
            return written;
        }
        fd_ = *file;
        std::string{}.swap(memory_); // clear() alone would keep the room
    }
    // At size_ and not at the file's end: after a partial write that failed the offset is still right.
    if (auto written = write_at(fd_, size_, octets); !written) return written;
    size_ += octets.size();
    return {};
}

result<std::string> spool::read(std::uint64_t offset, std::size_t most) const {
    if (offset >= size_) return std::string{};
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(most, size_ - offset));
    if (fd_ < 0) return memory_.substr(static_cast<std::size_t>(offset), size);
    std::string octets(size, '\0');
    if (auto got = read_at(fd_, offset, octets.data(), size); !got) return got.error();
    return octets;
}

result<void> spool::for_each(std::uint64_t offset, const std::function<bool(std::string_view)>& visit) const {
    if (offset >= size_) return {};
    if (fd_ < 0) {
        visit(std::string_view{memory_}.substr(static_cast<std::size_t>(offset)));
        return {};
    }
    const auto buffer = std::make_unique_for_overwrite<char[]>(piece_size);
    while (offset < size_) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(piece_size, size_ - offset));
        if (auto got = read_at(fd_, offset, buffer.get(), size); !got) return got.error();
        if (!visit({buffer.get(), size})) break;
        offset += size;
    }
    return {};
}

} // namespace postsluice::contentfilter
