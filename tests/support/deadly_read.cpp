// SPDX-License-Identifier: Apache-2.0
// Preloaded into the filter under test: it dies, as by a defect of its parser, when it reads the beginning of a spooled
// message that has the field X-Deadly, in the piece that only the header's parser reads (16 KiB from the start).
#include <csignal>
#include <cstring>
#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

namespace {

constexpr size_t of_the_parser = 16384;
constexpr char deadly[] = "\nX-Deadly:";

ssize_t read_or_die(const char* name, int fd, void* into, size_t most, off_t at) {
    using function = ssize_t (*)(int, void*, size_t, off_t);
    const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, name));
    const auto got = real(fd, into, most, at);
    if (got > 0 && at == 0 && most == of_the_parser &&
        ::memmem(into, static_cast<size_t>(got), deadly, sizeof deadly - 1) != nullptr)
        ::kill(::getpid(), SIGKILL);
    return got;
}

} // namespace

extern "C" ssize_t pread(int fd, void* into, size_t most, off_t at) {
    return read_or_die("pread", fd, into, most, at);
}
extern "C" ssize_t pread64(int fd, void* into, size_t most, off_t at) {
    return read_or_die("pread64", fd, into, most, at);
}
