// SPDX-License-Identifier: Apache-2.0
// Preloaded into a daemon under test: its `new` finds no memory when the file $NO_MEMORY says so. The file is three
// 64-bit counts: how many allocations still succeed (-1: all), how many fail after them, and how many have failed. What
// malloc(3) would do to a C library is that library's affair: GLib ends the process, libunbound crashes.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace {

struct plan {
    std::atomic<std::int64_t> succeed, fail, failed;
};

std::atomic<plan*> shared{nullptr};

__attribute__((constructor)) void read_plan() {
    const char* file = ::getenv("NO_MEMORY");
    const int fd = file == nullptr ? -1 : ::open(file, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void* at = ::mmap(nullptr, sizeof(plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    if (at != MAP_FAILED) shared = static_cast<plan*>(at);
}

bool refused() {
    plan* now = shared;
    if (now == nullptr) return false;
    auto left = now->succeed.load();
    while (left > 0 && !now->succeed.compare_exchange_weak(left, left - 1)) {
    }
    if (left != 0) return false;
    if (now->fail.fetch_sub(1) <= 0) {
        now->succeed = -1;
        return false;
    }
    ++now->failed;
    return true;
}

} // namespace

// As the standard says it, [new.delete.single].
void* operator new(std::size_t size) {
    for (;;) {
        void* const got = refused() ? nullptr : std::malloc(size == 0 ? 1 : size);
        if (got != nullptr) return got;
        const auto handler = std::get_new_handler();
        if (handler == nullptr) throw std::bad_alloc{};
        handler();
    }
}
void operator delete(void* what) noexcept {
    std::free(what);
}
void operator delete(void* what, std::size_t) noexcept {
    std::free(what);
}
