// SPDX-License-Identifier: Apache-2.0
#include "shared/state/journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace postsluice::state {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t magic = 0x33'4a'53'50; // "PSJ3"
constexpr std::uint32_t erased = ~std::uint32_t{0};

struct frame_head {
    std::uint32_t magic = 0, size = 0;
    std::uint64_t generation = 0, checksum = 0;
};
struct change_head {
    std::uint16_t key = 0;
    std::uint16_t is_patch = 0;
    std::uint32_t value = 0;
};
struct patch_head {
    std::uint32_t before = 0, now = 0; // octets of the whole
};
struct piece_head {
    std::uint32_t at = 0, size = 0;
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
        using kind = journal_change::kind;
        const auto what = head.value == erased ? kind::erased : head.is_patch != 0 ? kind::patch : kind::value;
        visit({what, body.substr(0, head.key), body.substr(head.key, value)});
        body.remove_prefix(head.key + value);
    }
}

} // namespace

namespace {

template <class T>
void append_image(std::string& out, const T& what) {
    out.append(reinterpret_cast<const char*>(&what), sizeof what);
}

// Where the first word that differs lies, from `at` on; their size where none does. Both have the same size.
std::size_t next_difference(std::string_view before, std::string_view now, std::size_t at) noexcept {
    constexpr std::size_t word = sizeof(std::uint64_t);
    for (; at + word <= now.size(); at += word) {
        std::uint64_t a = 0, b = 0;
        std::memcpy(&a, before.data() + at, word);
        std::memcpy(&b, now.data() + at, word);
        if (a != b) return at;
    }
    for (; at < now.size(); ++at)
        if (before[at] != now[at]) return at;
    return now.size();
}

void append_piece(std::string& out, std::string_view now, std::size_t at, std::size_t end) {
    append_image(out, piece_head{static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(end - at)});
    out.append(now.substr(at, end - at));
}

// False, and nothing appended: the whole value is no longer.
bool append_patch(std::string& out, std::string_view before, std::string_view now) {
    constexpr std::size_t least = 64, word = sizeof(std::uint64_t), near = 2 * word;
    if (now.size() < least) return false;
    const auto start = out.size(), most = start + now.size() / 2;
    append_image(out, patch_head{static_cast<std::uint32_t>(before.size()), static_cast<std::uint32_t>(now.size())});
    const auto both = std::min(before.size(), now.size());
    const auto was = before.substr(0, both), is = now.substr(0, both);
    for (auto at = next_difference(was, is, 0); at < both && out.size() <= most;) {
        auto end = std::min(at + word, both);
        auto next = next_difference(was, is, end);
        for (; next < both && next - end <= near; next = next_difference(was, is, end))
            end = std::min(next + word, both);
        append_piece(out, now, at, end);
        at = next;
    }
    if (now.size() > both) append_piece(out, now, both, now.size());
    if (out.size() <= most) return true;
    out.resize(start);
    return false;
}

} // namespace

std::optional<std::string> patched(std::string_view value, std::string_view patch) {
    patch_head head;
    if (patch.size() < sizeof head) return std::nullopt;
    std::memcpy(&head, patch.data(), sizeof head);
    if (head.before != value.size()) return std::nullopt;
    patch.remove_prefix(sizeof head);
    std::string out{value};
    out.resize(head.now);
    piece_head piece;
    while (patch.size() >= sizeof piece) {
        std::memcpy(&piece, patch.data(), sizeof piece);
        patch.remove_prefix(sizeof piece);
        if (piece.size > patch.size() || piece.at > out.size() || piece.size > out.size() - piece.at)
            return std::nullopt;
        std::memcpy(out.data() + piece.at, patch.data(), piece.size);
        patch.remove_prefix(piece.size);
    }
    return out;
}

void journal_frame::clear() {
    octets_.resize(sizeof(frame_head));
}

void journal_frame::add(std::string_view key, std::optional<std::string_view> value,
                        std::optional<std::string_view> before) {
    change_head head;
    head.key = static_cast<std::uint16_t>(key.size());
    const auto start = octets_.size();
    append_image(octets_, head);
    octets_.append(key);
    const auto body = octets_.size();
    if (value && before) head.is_patch = append_patch(octets_, *before, *value) ? 1 : 0;
    if (value && head.is_patch == 0) octets_.append(*value);
    head.value = value ? static_cast<std::uint32_t>(octets_.size() - body) : erased;
    std::memcpy(octets_.data() + start, &head, sizeof head);
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
