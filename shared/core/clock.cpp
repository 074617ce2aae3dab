// SPDX-License-Identifier: Apache-2.0
#include "shared/core/clock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>

namespace postsluice {
namespace {

milliseconds read_clock(clockid_t id) noexcept {
    timespec ts{};
    ::clock_gettime(id, &ts);
    return seconds{ts.tv_sec} + milliseconds{ts.tv_nsec / 1'000'000};
}

std::string read_boot_id() {
    std::ifstream in{"/proc/sys/kernel/random/boot_id"};
    std::string id;
    std::getline(in, id);
    if (id.empty()) throw std::runtime_error{"/proc/sys/kernel/random/boot_id cannot be read"};
    return id;
}

std::optional<milliseconds> read_anchor(const std::filesystem::path& file, const std::string& boot_id) {
    std::ifstream in{file};
    std::string id;
    long long offset = 0;
    if (in >> id >> offset && id == boot_id) return milliseconds{offset};
    return std::nullopt;
}

// Written aside and renamed, so that a reader sees a whole anchor or none.
void write_anchor(const std::filesystem::path& file, const std::string& boot_id, milliseconds offset) {
    const auto aside = file.string() + "." + std::to_string(::getpid());
    const int fd = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0660);
    const auto fail = [&](const char* what) {
        throw std::runtime_error{aside + ": " + what + ": " + std::strerror(errno)};
    };
    if (fd < 0) fail("cannot be created");
    const std::string text = boot_id + " " + std::to_string(offset.count()) + "\n";
    const bool ok = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
    ::close(fd);
    if (!ok || ::rename(aside.c_str(), file.c_str()) != 0) fail("cannot be written");
}

} // namespace

boot_clock::boot_clock(const std::filesystem::path& state_directory)
    : boot_id_{read_boot_id()} {
    const auto file = state_directory / "clock";
    const int lock = ::open((file.string() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0660);
    if (lock < 0) throw std::runtime_error{file.string() + ".lock: " + std::strerror(errno)};
    struct flock whole {};
    whole.l_type = F_WRLCK;
    ::fcntl(lock, F_OFD_SETLKW, &whole);
    if (const auto anchored = read_anchor(file, boot_id_)) {
        offset_ = *anchored;
    } else {
        offset_ = read_clock(CLOCK_REALTIME) - read_clock(CLOCK_BOOTTIME);
        write_anchor(file, boot_id_, offset_);
    }
    ::close(lock);
}

instant boot_clock::now() const noexcept {
    return instant{read_clock(CLOCK_BOOTTIME) + offset_};
}

milliseconds boot_clock::wall_offset() const noexcept {
    return read_clock(CLOCK_REALTIME) - (read_clock(CLOCK_BOOTTIME) + offset_);
}

std::string to_iso8601(instant t) {
    const std::time_t s = std::chrono::system_clock::to_time_t(t);
    std::tm parts{};
    ::gmtime_r(&s, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

} // namespace postsluice
