// SPDX-License-Identifier: Apache-2.0
// Numbers and texts of a report, in the machine's byte order: written by the worker, read by the filter, which trusts
// nothing of it. Header only: the two are different programs.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace postsluice::contentfilter::worker {

class wire_writer {
public:
    void number(std::uint64_t value) { put(&value, sizeof value); }
    void text(std::string_view value) {
        number(value.size());
        put(value.data(), value.size());
    }
    [[nodiscard]] std::size_t size() const noexcept { return out_.size(); }
    [[nodiscard]] std::string take() { return std::move(out_); }

private:
    void put(const void* from, std::size_t size) { out_.append(static_cast<const char*>(from), size); }
    std::string out_;
};

/// Each function is false, for ever, once something is missing.
class wire_reader {
public:
    explicit wire_reader(std::string_view from)
        : rest_{from} {}
    bool number(std::uint64_t& into) {
        good_ = good_ && rest_.size() >= sizeof into;
        if (!good_) return false;
        std::memcpy(&into, rest_.data(), sizeof into);
        rest_.remove_prefix(sizeof into);
        return true;
    }
    bool text(std::string& into) {
        std::uint64_t size = 0;
        if (!number(size)) return false;
        good_ = rest_.size() >= size;
        if (!good_) return false;
        into = rest_.substr(0, static_cast<std::size_t>(size));
        rest_.remove_prefix(static_cast<std::size_t>(size));
        return true;
    }
    /// Everything was there, and nothing else.
    [[nodiscard]] bool done() const noexcept { return good_ && rest_.empty(); }

private:
    std::string_view rest_;
    bool good_ = true;
};

} // namespace postsluice::contentfilter::worker
