// SPDX-License-Identifier: Apache-2.0
// What a message takes up in Postfix's queue file, which is what pipe(8) calls ${size}: each line is a record of one
// octet for its type, one for its length (two from 128 octets on) and the line itself. smtpd and cleanup cut lines at
// line_length_limit (2048): a longer line is several records. Pure. Milters' edits take room besides that is not
// counted here.
#pragma once

#include <cstdint>
#include <string_view>

namespace postsluice::contentfilter::pipe {

class size_counter {
public:
    /// Lines that end with LF, cut anywhere.
    void feed(std::string_view octets) noexcept {
        for (const char c : octets)
            if (c == '\n' || ++record_ == longest_record) end_record();
    }
    /// Through the last line, whether or not it ended.
    [[nodiscard]] std::uint64_t finish() noexcept {
        if (record_ > 0) end_record();
        return size_;
    }

private:
    static constexpr std::uint64_t longest_record = 2048;
    void end_record() noexcept {
        size_ += record_ + 1 + (record_ >= 128 ? 2 : 1);
        record_ = 0;
    }
    std::uint64_t size_ = 0, record_ = 0;
};

} // namespace postsluice::contentfilter::pipe
