// SPDX-License-Identifier: Apache-2.0
// Messages that are being looked at, so that one under which the daemon dies again and again stops nothing. A mark is
// made before a message is looked into and taken away when that is over; a mark that a dead process left behind is a
// try. Of contentfilter alone, one process at a time; any thread.
//
// Marks lie in a file of their own, `tries` in the state directory: `most` places of 64 octets, which are read at the
// start and then only written, one pwrite(2) a mark. A commit of an environment for each would be a tenth of what a
// small message costs. The file has its size from the beginning, so that a full disk does not keep a mark from being
// made. A mark survives any kill; a power failure may forget it, which costs a further try. Where all places are taken
// the oldest mark of a message that nobody looks at makes room.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/descriptor.hpp"
#include "shared/core/result.hpp"
#include "shared/state/store.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::state {

class attempts {
public:
    static constexpr std::size_t most = 4096; ///< marks

    /// A file that is no list of marks is begun anew. Where it cannot be had the marks are in memory only, and help
    /// nobody: mail goes on without. The log says either.
    attempts(const std::filesystem::path& file, std::string hash_secret, const clock& time);

    /// Marks the message, by its queue ID or whatever names it; returns how many processes died over it before.
    /// errc::unavailable: more than `most` messages are looked at; errc::disk_full, denied, unavailable: the file
    /// cannot be written.
    [[nodiscard]] result<std::uint32_t> begin(std::string_view queue_id, std::string_view digest);
    [[nodiscard]] result<void> end(std::string_view queue_id, std::string_view digest);
    /// Nobody looks at it any more, and what is counted stays: it was not looked into, so it may still be deadly.
    [[nodiscard]] result<void> leave(std::string_view queue_id, std::string_view digest);
    /// Marks of messages that never came again.
    [[nodiscard]] result<void> forget_before(instant t);

private:
    struct mark {
        key_octets key{}; ///< all zeros: the place is free
        std::array<std::uint8_t, 3> unused{};
        std::uint32_t tries = 0;   ///< by processes that are dead
        std::uint64_t process = 0; ///< who looks, or looked last
        std::int64_t at = 0;       ///< milliseconds
        std::uint32_t holders = 0; ///< slices of it that `process` is looking at
        std::array<std::uint8_t, 20> reserved{};
    };
    static_assert(sizeof(mark) == 64);

    [[nodiscard]] result<void> open(const std::filesystem::path& file);
    [[nodiscard]] bool read();
    void take_places();
    [[nodiscard]] result<void> begin_anew();
    [[nodiscard]] result<void> write(std::size_t place);
    [[nodiscard]] result<void> free(std::size_t place);
    [[nodiscard]] bool is_looked_at(const mark& m) const noexcept { return m.process == process_ && m.holders > 0; }
    [[nodiscard]] bool make_room();
    [[nodiscard]] key_octets key_of(std::string_view queue_id, std::string_view digest) const;

    descriptor file_;
    std::string secret_;
    const clock& clock_;
    std::uint64_t process_; ///< random: tells this process from its predecessors
    std::mutex mutex_;      // of what follows
    std::vector<mark> marks_;
    std::map<key_octets, std::size_t> places_;
    std::vector<std::size_t> free_;
};

} // namespace postsluice::state
