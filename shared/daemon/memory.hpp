// SPDX-License-Identifier: Apache-2.0
// The memory that the C library keeps after a load, for the next one. glibc gives back what lies on top of a heap and
// nothing below it, and each thread that finds the others' heaps busy begins one of its own: a server that was busy
// once would look busy for ever. So heaps are few, a large buffer is no part of a heap (it goes back when it is freed),
// and a daemon that came to rest gives back the free pages of its heaps: malloc_trim(3), some 0.2 ms for each MiB,
// during which whoever allocates waits; therefore never under load.
//
// And the memory that is not there: a daemon that gets none ends.
#pragma once

#include <cstdint>
#include <optional>

namespace postsluice::daemon {

/// Bounds heaps and sets what is a large buffer. To be called before there are threads; mallopt(3).
void bound_heaps() noexcept;

/// From now on a process that `new` has no memory for says so and ends at once, with exit_failed. Postfix's own
/// programs do the same (mymalloc(3) of its sources): what an exception would leave half done, in our code or in a
/// library's, nobody can tell (a strand of Asio's that gets no memory to run stays locked for ever, and who waits for
/// it waits for ever), while a daemon that ended is started again and goes on from what it committed. Process-wide; not
/// undone.
void end_without_memory() noexcept;

/// Says when a daemon that worked has come to rest. One thread at a time.
class rest_watch {
public:
    /// To be called every rest_interval with a number that only grows (messages, requests). True: something was done
    /// since the last time this was true, and at most `nearly_nothing` since the last look. Also once after the start,
    /// whose memory is left over, too.
    [[nodiscard]] bool came_to_rest(std::uint64_t work, std::uint64_t nearly_nothing) noexcept;

private:
    std::uint64_t seen_ = 0;
    std::optional<std::uint64_t> rested_at_;
};

/// Gives free memory back to the system.
void give_memory_back() noexcept;

} // namespace postsluice::daemon
