// SPDX-License-Identifier: Apache-2.0
#include "shared/state/attempts.hpp"

#include "shared/core/random.hpp"
#include "shared/log/log.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace postsluice::state {
namespace {

constexpr std::string_view magic = "postsluice tries 1\n";
constexpr std::size_t place_size = 64; // of the head, too
constexpr mode_t file_mode = 0660;

std::uint64_t random_number() {
    std::uint64_t out = 0;
    const auto octets = random_bytes(sizeof out);
    std::memcpy(&out, octets.data(), sizeof out);
    return out;
}

failure trouble(int error, std::string_view doing) {
    auto code = errc::unavailable;
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) code = errc::disk_full;
    if (error == EACCES || error == EPERM || error == EROFS) code = errc::denied;
    return {code, "tries: " + std::string{doing} + ": " + std::strerror(error)};
}

result<void> write_at(int file, const void* what, std::size_t size, std::size_t at) {
    const auto done = ::pwrite(file, what, size, static_cast<off_t>(at));
    if (done == static_cast<ssize_t>(size)) return {};
    return trouble(done < 0 ? errno : ENOSPC, "write");
}

} // namespace

attempts::attempts(const std::filesystem::path& file, std::string hash_secret, const clock& time)
    : secret_{std::move(hash_secret)}
    , clock_{time}
    , process_{random_number()}
    , marks_(most) {
    if (const auto done = open(file); !done) {
        log::error("messages over which the filter dies will not be known").kv("why", done.error().message());
        file_.close();
        std::fill(marks_.begin(), marks_.end(), mark{});
    }
    take_places();
}

result<void> attempts::open(const std::filesystem::path& file) {
    file_ = descriptor{::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, file_mode)};
    if (file_.get() < 0) return trouble(errno, "open");
    return read() ? result<void>{} : begin_anew();
}

bool attempts::read() {
    std::array<char, place_size> head{};
    const auto size = marks_.size() * sizeof(mark);
    const auto got = ::pread(file_.get(), head.data(), head.size(), 0);
    const bool known = got == static_cast<ssize_t>(head.size()) &&
                       std::string_view{head.data(), head.size()}.starts_with(magic) &&
                       ::pread(file_.get(), marks_.data(), size, place_size) == static_cast<ssize_t>(size);
    if (!known && got > 0) log::warning("what was marked as tried is forgotten: its file is damaged");
    return known;
}

result<void> attempts::begin_anew() {
    std::fill(marks_.begin(), marks_.end(), mark{});
    const auto size = marks_.size() * sizeof(mark);
    const int error = ::posix_fallocate(file_.get(), 0, static_cast<off_t>(place_size + size));
    if (error != 0) return trouble(error, "allocate");
    if (auto done = write_at(file_.get(), marks_.data(), size, place_size); !done) return done;
    return write_at(file_.get(), magic.data(), magic.size(), 0);
}

// After a power failure a message may have two: the later one counts.
void attempts::take_places() {
    for (auto place = marks_.size(); place-- > 0;) {
        auto& m = marks_[place];
        if (m.key != key_octets{}) {
            auto& known = places_.try_emplace(m.key, place).first->second;
            if (known == place) continue;
            const auto older = marks_[known].at < m.at ? std::exchange(known, place) : place;
            marks_[older] = {};
            if (const auto done = write(older); !done)
                log::warning("an old mark stays").kv("why", done.error().message());
            free_.push_back(older);
            continue;
        }
        free_.push_back(place);
    }
}

key_octets attempts::key_of(std::string_view queue_id, std::string_view digest) const {
    return hash_key('B', secret_, {queue_id, digest});
}

result<void> attempts::write(std::size_t place) {
    if (file_.get() < 0) return {}; // that was said
    return write_at(file_.get(), &marks_[place], sizeof(mark), place_size + place * sizeof(mark));
}

result<void> attempts::free(std::size_t place) {
    places_.erase(marks_[place].key);
    marks_[place] = {};
    free_.push_back(place);
    return write(place);
}

bool attempts::make_room() {
    std::size_t oldest = marks_.size();
    for (std::size_t i = 0; i < marks_.size(); ++i)
        if (!is_looked_at(marks_[i]) && (oldest == marks_.size() || marks_[i].at < marks_[oldest].at)) oldest = i;
    return oldest != marks_.size() && free(oldest).has_value();
}

result<std::uint32_t> attempts::begin(std::string_view queue_id, std::string_view digest) {
    const auto key = key_of(queue_id, digest);
    const std::lock_guard hold{mutex_};
    auto found = places_.find(key);
    if (found == places_.end()) {
        if (free_.empty() && !make_room()) return failure{errc::unavailable, "tries: too many messages at once"};
        found = places_.emplace(key, free_.back()).first;
        free_.pop_back();
    }
    auto& m = marks_[found->second];
    m.key = key;
    if (m.process != process_) {
        if (m.holders > 0) ++m.tries;
        m.process = process_;
        m.holders = 0;
    }
    ++m.holders;
    m.at = clock_.now().time_since_epoch().count();
    if (auto done = write(found->second); !done) return done.error();
    return m.tries;
}

result<void> attempts::end(std::string_view queue_id, std::string_view digest) {
    const std::lock_guard hold{mutex_};
    const auto found = places_.find(key_of(queue_id, digest));
    if (found == places_.end()) return {};
    auto& m = marks_[found->second];
    if (m.holders > 1 && m.process == process_) {
        --m.holders;
        return write(found->second);
    }
    return free(found->second);
}

result<void> attempts::leave(std::string_view queue_id, std::string_view digest) {
    const std::lock_guard hold{mutex_};
    const auto found = places_.find(key_of(queue_id, digest));
    if (found == places_.end()) return {};
    auto& m = marks_[found->second];
    if (m.process != process_ || m.holders == 0) return {};
    --m.holders;
    return write(found->second);
}

result<void> attempts::forget_before(instant t) {
    const std::lock_guard hold{mutex_};
    const auto before = t.time_since_epoch().count();
    for (std::size_t i = 0; i < marks_.size(); ++i) {
        if (marks_[i].key == key_octets{} || is_looked_at(marks_[i]) || marks_[i].at >= before) continue;
        if (auto gone = free(i); !gone) return gone;
    }
    return {};
}

} // namespace postsluice::state
