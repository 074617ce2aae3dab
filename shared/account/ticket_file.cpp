// SPDX-License-Identifier: Apache-2.0
// The key file of the tickets: "id created base64url-key" a line, newest first; created in seconds since 1970.
#include "shared/account/ticket.hpp"

#include "shared/core/descriptor.hpp"
#include "shared/core/text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace postsluice::account {

namespace {

constexpr std::size_t max_file = 256U << 10U; // over three times what max_keys need

failure file_failure(const std::filesystem::path& file, int error, std::string_view doing) {
    const auto code = error == EACCES || error == EPERM ? errc::denied
                      : error == ENOSPC                 ? errc::disk_full
                                                        : errc::unavailable;
    return failure{code, file.string() + ": " + std::string{doing} + ": " + std::strerror(error)};
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto wrote = ::write(fd, text.data(), text.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return true;
}

std::int64_t nanoseconds(const timespec& t) {
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

} // namespace

ticket_ring::version ticket_ring::version_of(const std::filesystem::path& file) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) return {};
    return {info.st_dev, info.st_ino, info.st_size, nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)};
}

result<std::vector<ticket_ring::key>> ticket_ring::parse(std::string_view text) {
    std::vector<key> keys;
    std::size_t number = 0;
    for (const auto line : split(text, '\n')) {
        ++number;
        if (trim(line).empty()) continue;
        const failure bad{errc::corrupt, "line " + std::to_string(number) + " is no ticket key"};
        const auto parts = split(line, ' ');
        if (parts.size() != 3) return bad;
        key k;
        k.id = parts[0];
        std::int64_t created = 0;
        const auto* const end = parts[1].data() + parts[1].size();
        const auto [stopped, error] = std::from_chars(parts[1].data(), end, created);
        constexpr std::int64_t year_10000 = 253402300800;
        if (k.id.size() != 8 || error != std::errc{} || stopped != end || created < 0 || created > year_10000 ||
            !base64url_decode(parts[2], k.secret) || k.secret.size() != 32)
            return bad;
        k.created = instant{seconds{created}};
        keys.push_back(std::move(k));
    }
    return keys;
}

result<std::vector<ticket_ring::key>> ticket_ring::read(const std::filesystem::path& file, version& seen) {
    // The version is taken first: a file that is replaced in between is then read once more, never once too few.
    const auto before = version_of(file);
    const descriptor in{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (in.get() < 0 && errno == ENOENT) {
        seen = {};
        return std::vector<key>{};
    }
    if (in.get() < 0) return file_failure(file, errno, "cannot be opened");
    std::string text(max_file + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const auto got = ::read(in.get(), text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return file_failure(file, errno, "cannot be read");
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    if (size > max_file) return failure{errc::too_large, file.string() + ": is too large for ticket keys"};
    auto keys = parse(std::string_view{text}.substr(0, size));
    if (!keys) return failure{errc::corrupt, file.string() + ": " + keys.error().detail};
    seen = before;
    return keys;
}

// Aside, synced, then renamed, then the directory synced: a reader sees the old keys or the new ones, and a key that
// has sealed a ticket survives a power loss.
result<void> ticket_ring::write(const std::vector<key>& keys) const {
    std::string text;
    for (const auto& k : keys) {
        const auto created = std::chrono::duration_cast<seconds>(k.created.time_since_epoch()).count();
        text += k.id + " " + std::to_string(created) + " " + base64url_encode(k.secret) + "\n";
    }
    auto aside = file_;
    aside += ".new";
    constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    {
        descriptor out{::open(aside.c_str(), flags, 0600)};
        if (out.get() < 0 && errno == EEXIST) { // left by a writer that died
            ::unlink(aside.c_str());
            out = descriptor{::open(aside.c_str(), flags, 0600)};
        }
        if (out.get() < 0) return file_failure(aside, errno, "cannot be made");
        if (::fchmod(out.get(), 0640) != 0 || !write_all(out.get(), text) || ::fsync(out.get()) != 0) {
            const int error = errno;
            ::unlink(aside.c_str());
            return file_failure(aside, error, "cannot be written");
        }
    }
    if (::rename(aside.c_str(), file_.c_str()) != 0) {
        const int error = errno;
        ::unlink(aside.c_str());
        return file_failure(file_, error, "cannot be replaced");
    }
    const auto parent = file_.has_parent_path() ? file_.parent_path() : std::filesystem::path{"."};
    const descriptor directory{::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (directory.get() < 0 || ::fsync(directory.get()) != 0) return file_failure(parent, errno, "cannot be synced");
    return {};
}

} // namespace postsluice::account
