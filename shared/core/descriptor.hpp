// SPDX-License-Identifier: Apache-2.0
// A file descriptor that is closed with its owner.
#pragma once

#include <unistd.h>
#include <utility>

namespace postsluice {

class descriptor {
public:
    explicit descriptor(int fd = -1) noexcept
        : fd_{fd} {}
    descriptor(descriptor&& other) noexcept
        : fd_{other.release()} {}
    descriptor& operator=(descriptor&& other) noexcept {
        close();
        fd_ = other.release();
        return *this;
    }
    ~descriptor() { close(); }

    [[nodiscard]] int get() const noexcept { return fd_; }
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
    void close() noexcept {
        if (const int fd = release(); fd >= 0) ::close(fd);
    }

private:
    int fd_;
};

} // namespace postsluice
