// SPDX-License-Identifier: Apache-2.0
// Preloaded into a daemon under test: its wall clock and its clock since boot go on by what the file $CLOCK_SHIFT says,
// two 64-bit counts of seconds, at each moment. CLOCK_MONOTONIC is left alone: waits last as long as they do.
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

const volatile std::int64_t* shift() {
    static const volatile std::int64_t* const mapped = []() -> const volatile std::int64_t* {
        const char* file = ::getenv("CLOCK_SHIFT");
        const int fd = file == nullptr ? -1 : ::open(file, O_RDONLY | O_CLOEXEC);
        if (fd < 0) return nullptr;
        void* at = ::mmap(nullptr, 16, PROT_READ, MAP_SHARED, fd, 0);
        ::close(fd);
        return at == MAP_FAILED ? nullptr : static_cast<const volatile std::int64_t*>(at);
    }
    ();
    return mapped;
}

} // namespace

extern "C" int clock_gettime(clockid_t id, timespec* out) noexcept {
    using function = int (*)(clockid_t, timespec*);
    static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "clock_gettime"));
    const int status = real(id, out);
    if (const auto* by = shift(); status == 0 && by != nullptr) {
        if (id == CLOCK_REALTIME) out->tv_sec += by[0];
        if (id == CLOCK_BOOTTIME) out->tv_sec += by[1];
    }
    return status;
}
