// SPDX-License-Identifier: Apache-2.0
// The account that a file's unpacking is charged to: files, octets and CPU time against unpack_bounds. Once a bound is
// hit, all containers of that file are left; the flag says why.
#pragma once

#include "contentfilter/worker/protocol.hpp"

#include <ctime>
#include <string>

namespace postsluice::contentfilter::worker {

class unpacking {
public:
    unpacking(const unpack_bounds& bounds, std::uint64_t file_size)
        : bounds_{bounds}
        , file_size_{file_size}
        , cpu_end_{cpu_now() + bounds.cpu_milliseconds} {}

    /// False: enough.
    [[nodiscard]] bool charge_file() {
        ++files_;
        if (files_ > bounds_.files) stop(too_many);
        return look_at_the_clock();
    }
    [[nodiscard]] bool charge_octets(std::uint64_t octets) {
        unpacked_ += octets;
        if (unpacked_ > bounds_.ratio_from && unpacked_ / bounds_.ratio > file_size_)
            stop(bomb);
        else if (unpacked_ > bounds_.unpacked)
            stop(too_large);
        return look_at_the_clock();
    }
    /// Something that does not end the unpacking.
    void note(report_flag flag, const std::string& detail) {
        if ((flags_ & flag) == 0) detail_ += (detail_.empty() ? "" : "; ") + detail.substr(0, max_detail);
        flags_ |= flag;
    }
    void stop(report_flag flag) {
        flags_ |= flag;
        stopped_ = true;
    }
    [[nodiscard]] bool stopped() const noexcept { return stopped_; }
    [[nodiscard]] const unpack_bounds& bounds() const noexcept { return bounds_; }
    [[nodiscard]] std::uint64_t flags() const noexcept { return flags_; }
    [[nodiscard]] std::uint64_t files() const noexcept { return files_; }
    [[nodiscard]] std::uint64_t unpacked() const noexcept { return unpacked_; }
    [[nodiscard]] const std::string& detail() const noexcept { return detail_; }

private:
    static constexpr std::size_t max_detail = 200;
    static std::uint64_t cpu_now() {
        timespec used{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        return static_cast<std::uint64_t>(used.tv_sec) * 1000 + static_cast<std::uint64_t>(used.tv_nsec) / 1'000'000;
    }
    bool look_at_the_clock() {
        if (!stopped_ && cpu_now() > cpu_end_) stop(too_slow);
        return !stopped_;
    }

    unpack_bounds bounds_;
    std::uint64_t file_size_, cpu_end_;
    std::uint64_t flags_ = 0, files_ = 0, unpacked_ = 0;
    bool stopped_ = false;
    std::string detail_;
};

} // namespace postsluice::contentfilter::worker
