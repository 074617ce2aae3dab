// SPDX-License-Identifier: Apache-2.0
#include "shared/state/journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace postsluice::state {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t magic = 0x31'4a'53'50; // "PSJ1"
constexpr std::uint32_t erased = ~std::uint32_t{0};

struct frame_head {
    std::uint32_t magic = 0, size = 0;
    std::uint64_t generation = 0, checksum = 0;
};
struct change_head {
    std::uint16_t key = 0;
    std::array<std::uint16_t, 1> unused{};
    std::uint32_t value = 0;
};

// Four lanes of multiply and rotate, eight octets each: against torn writes, not against anybody. Fast, since each
// commit waits for it.
std::uint64_t checksum(std::string_view octets, std::uint64_t seed) noexcept {
    constexpr std::uint64_t odd = 0x9E3779B97F4A7C15ULL;
    std::array<std::uint64_t, 4> lanes{seed, seed ^ odd, seed + odd, ~seed};
    const auto mix = [](std::uint64_t lane, std::uint64_t word) { return std::rotl((lane ^ word) * odd, 29); };
    const char* at = octets.data();
    std::size_t left = octets.size();
    std::uint64_t word = 0;
    for (; left >= 32; left -= 32)
        for (auto& lane : lanes) {
            std::memcpy(&word, at, sizeof word);
            lane = mix(lane, word);
            at += sizeof word;
        }
    for (std::size_t i = 0; left != 0; ++i) {
        const auto now = std::min(left, sizeof word);
        word = 0;
        std::memcpy(&word, at, now);
        lanes[i % lanes.size()] = mix(lanes[i % lanes.size()], word);
        at += now;
        left -= now;
    }
    std::uint64_t sum = octets.size();
    for (const auto lane : lanes)
        sum = mix(sum, lane ^ (lane >> 32U));
    return sum ^ (sum >> 29U);
}

failure system_failure(const fs::path& file, const char* doing, int code) {
    const errc kind = code == EACCES || code == EPERM || code == EROFS    ? errc::denied
                      : code == ENOSPC || code == EDQUOT || code == EFBIG ? errc::disk_full
                                                                          : errc::unavailable;
    return {kind, file.string() + ": " + doing + ": " + std::strerror(code)};
}

std::string read_whole(const fs::path& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

// The next frame's body; nullopt: the journal ends here. `generation` 0: any.
std::optional<std::string_view> take_frame(std::string_view& rest, std::uint64_t& generation) {
    frame_head head;
    if (rest.size() < sizeof head) return std::nullopt;
    std::memcpy(&head, rest.data(), sizeof head);
    const auto body = rest.substr(sizeof head);
    if (head.magic != magic || head.generation == 0 || head.size > body.size() ||
        (generation != 0 && head.generation != generation) ||
        checksum(body.substr(0, head.size), head.generation) != head.checksum)
        return std::nullopt;
    generation = head.generation;
    rest = body.substr(head.size);
    return body.substr(0, head.size);
}

void visit_changes(std::string_view body, const journal_visitor& visit) {
    change_head head;
    while (body.size() >= sizeof head) {
        std::memcpy(&head, body.data(), sizeof head);
        body.remove_prefix(sizeof head);
        const std::size_t value = head.value == erased ? 0 : head.value;
        if (body.size() < head.key + value) return; // checksummed: cannot be
        const auto key = body.substr(0, head.key);
        if (head.value == erased)
            visit(key, std::nullopt);
        else
            visit(key, body.substr(head.key, value));
        body.remove_prefix(head.key + value);
    }
}

} // namespace

void journal_frame::clear() {
    octets_.resize(sizeof(frame_head));
}

void journal_frame::add(std::string_view key, std::optional<std::string_view> value) {
    change_head head;
    head.key = static_cast<std::uint16_t>(key.size());
    head.value = value ? static_cast<std::uint32_t>(value->size()) : erased;
    octets_.append(reinterpret_cast<const char*>(&head), sizeof head).append(key);
    if (value) octets_.append(*value);
}

result<std::shared_ptr<journal_file>> journal_file::begin(const fs::path& file, std::uint64_t generation) {
    std::shared_ptr<journal_file> self{new journal_file};
    self->name_ = file;
    self->generation_ = generation;
    self->fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0660);
    if (self->fd_ < 0) return system_failure(file, "open", errno);
    return self;
}

journal_file::~journal_file() {
    if (fd_ >= 0) ::close(fd_);
}

result<void> journal_file::append(journal_frame& frame) {
    auto& octets = frame.octets_;
    const std::string_view body = std::string_view{octets}.substr(sizeof(frame_head));
    const frame_head head{magic, static_cast<std::uint32_t>(body.size()), generation_, checksum(body, generation_)};
    std::memcpy(octets.data(), &head, sizeof head);
    errno = ENOSPC; // what a short write means
    const auto written = ::pwrite(fd_, octets.data(), octets.size(), static_cast<off_t>(size_));
    if (written != static_cast<ssize_t>(octets.size())) return system_failure(name_, "write", errno);
    size_ += octets.size();
    return {};
}

result<void> journal_file::sync() {
    if (::fdatasync(fd_) != 0) return system_failure(name_, "fdatasync", errno);
    return {};
}

void journal_file::cut() noexcept {
    (void)!::ftruncate(fd_, static_cast<off_t>(size_)); // what it does not give back is no worse than before
}

void bound_journal(const fs::path& file, std::size_t size) noexcept {
    std::error_code ignored;
    const auto now = fs::file_size(file, ignored);
    if (!ignored && now > size) fs::resize_file(file, size, ignored);
}

std::uint64_t journal_generation(const fs::path& file) {
    const auto octets = read_whole(file);
    std::string_view rest = octets;
    std::uint64_t generation = 0;
    return take_frame(rest, generation) ? generation : 0;
}

void replay_journal(const fs::path& file, const journal_visitor& visit) {
    const auto octets = read_whole(file);
    std::string_view rest = octets;
    std::uint64_t generation = 0;
    while (const auto body = take_frame(rest, generation))
        visit_changes(*body, visit);
}

} // namespace postsluice::state
