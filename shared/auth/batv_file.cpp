// SPDX-License-Identifier: Apache-2.0
// The key file of BATV: "N secret" a line, the newest first; '#' begins a comment line.
#include "shared/auth/batv.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace postsluice::auth {

namespace {

constexpr std::size_t max_file = 64U << 10U;
constexpr std::size_t min_secret = 12, max_secret = 64; // 64: HMAC-SHA1's block, and what Exim takes

struct descriptor {
    int fd = -1;
    ~descriptor() {
        if (fd >= 0) ::close(fd);
    }
};

failure file_failure(const std::filesystem::path& file, int error, std::string_view doing) {
    const auto code = error == EACCES || error == EPERM ? errc::denied
                      : error == ENOENT                 ? errc::not_found
                      : error == ENOSPC                 ? errc::disk_full
                                                        : errc::unavailable;
    return failure{code, file.string() + ": " + std::string{doing} + ": " + std::strerror(error)};
}

std::int64_t nanoseconds(const timespec& t) noexcept {
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
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

result<std::string> read_all(int fd, const std::filesystem::path& file) {
    std::string text(max_file + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const auto got = ::read(fd, text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return file_failure(file, errno, "cannot be read");
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    if (size > max_file) return failure{errc::too_large, file.string() + ": is too large for BATV keys"};
    text.resize(size);
    return text;
}

/// Whoever knows a key makes bounces that pass.
result<void> check_mode(const struct stat& info, const std::filesystem::path& file) {
    if (!S_ISREG(info.st_mode)) return failure{errc::denied, file.string() + ": is not a file"};
    if ((info.st_mode & (S_IRWXO | S_IWGRP)) != 0)
        return failure{errc::denied,
                       file.string() + ": others may read it, or the group may write it; chmod it to 0600 or 0640"};
    if (info.st_uid != ::geteuid() && info.st_uid != 0)
        return failure{errc::denied, file.string() + ": belongs to another user"};
    return {};
}

/// Aside and synced, then linked, which fails where the name is taken: two makers make one file, and no half one.
result<void> put_in_place(const std::filesystem::path& file, std::string_view text) {
    const std::filesystem::path aside{file.string() + ".new." + std::to_string(::getpid())};
    (void)::unlink(aside.c_str()); // left by one who died with our number
    {
        const descriptor out{::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
        if (out.fd < 0) return file_failure(aside, errno, "cannot be made");
        if (::fchmod(out.fd, 0600) != 0 || !write_all(out.fd, text) || ::fsync(out.fd) != 0) {
            const int error = errno;
            (void)::unlink(aside.c_str());
            return file_failure(aside, error, "cannot be written");
        }
    }
    const int error = ::link(aside.c_str(), file.c_str()) == 0 ? 0 : errno;
    (void)::unlink(aside.c_str());
    if (error != 0 && error != EEXIST) return file_failure(file, error, "cannot be made");
    const auto parent = file.has_parent_path() ? file.parent_path() : std::filesystem::path{"."};
    const descriptor directory{::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (directory.fd < 0 || ::fsync(directory.fd) != 0) return file_failure(parent, errno, "cannot be synced");
    return {};
}

} // namespace

batv_keys::version batv_keys::version_of(const std::filesystem::path& file) noexcept {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) return {};
    return {info.st_dev, info.st_ino, info.st_size, nanoseconds(info.st_mtim), nanoseconds(info.st_ctim)};
}

result<std::vector<batv_keys::key>> batv_keys::parse(std::string_view text) {
    std::vector<key> keys;
    std::size_t number = 0;
    for (const auto raw : split(text, '\n')) {
        ++number;
        const auto line = trim(raw);
        if (line.empty() || line.front() == '#') continue;
        const auto bad = [number](const std::string& why) {
            return failure{errc::corrupt, "line " + std::to_string(number) + " " + why};
        };
        const bool shaped = line.size() > 2 && line[0] >= '0' && line[0] <= '9' && (line[1] == ' ' || line[1] == '\t');
        if (!shaped) return bad(R"(is no BATV key; write "N secret", N from 0 to 9)");
        key k{static_cast<unsigned>(line[0] - '0'), std::string{trim(line.substr(2))}};
        if (k.secret.size() < min_secret || k.secret.size() > max_secret || k.secret.find(' ') != std::string::npos)
            return bad("has no secret of 12 to 64 octets without blanks");
        if (std::any_of(keys.begin(), keys.end(), [&k](const key& other) { return other.number == k.number; }))
            return bad("has the number of a key above it");
        keys.push_back(std::move(k));
    }
    if (keys.empty()) return failure{errc::corrupt, "holds no BATV key"};
    return keys;
}

result<std::vector<batv_keys::key>> batv_keys::read(const std::filesystem::path& file, version& seen) {
    // The version is taken first: a file that is replaced in between is then read once more, never once too few.
    const auto before = version_of(file);
    const descriptor in{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (in.fd < 0) return file_failure(file, errno, "cannot be opened");
    struct stat info {};
    if (::fstat(in.fd, &info) != 0) return file_failure(file, errno, "cannot be read");
    if (auto safe = check_mode(info, file); !safe) return safe.error();
    const auto text = read_all(in.fd, file);
    if (!text) return text.error();
    auto keys = parse(*text);
    if (!keys) return failure{keys.error().code, file.string() + ": " + keys.error().detail};
    seen = before;
    return keys;
}

result<void> batv_keys::make(const std::filesystem::path& file) {
    const std::string text =
        "# BATV keys, the newest first: it signs, the others still verify. To rotate, put a line with a\n"
        "# number that is not in use above the others, and take lines out after a tag's lifetime.\n"
        "0 " +
        base64url_encode(random_bytes(24)) + "\n";
    return put_in_place(file, text);
}

} // namespace postsluice::auth
