// SPDX-License-Identifier: Apache-2.0
#include "admin/progress.hpp"

#include <algorithm>
#include <ostream>

namespace postsluice::admin {
namespace {

constexpr std::size_t width = 30;
constexpr std::chrono::milliseconds interval{100};

} // namespace

std::string progress_line(std::size_t done, std::size_t total, const std::string& text) {
    if (total == 0) return text;
    done = std::min(done, total);
    const auto filled = width * done / total;
    auto percent = std::to_string(100 * done / total);
    percent.insert(0, 3 - percent.size(), ' ');
    return "[" + std::string(filled, '#') + std::string(width - filled, '.') + "] " + percent + " %  " + text;
}

progress::progress(std::ostream& out, std::size_t total, bool visible)
    : out_{out}
    , total_{total}
    , visible_{visible} {}

progress::~progress() {
    clear();
}

void progress::show(std::size_t done, const std::string& text) {
    if (!visible_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_ && done < total_) return;
    next_ = now + interval;
    // Carriage return, erase to the end of the line (ECMA-48, EL).
    out_ << "\r\033[K" << progress_line(done, total_, text) << std::flush;
    drawn_ = true;
}

void progress::clear() {
    if (!drawn_) return;
    out_ << "\r\033[K" << std::flush;
    drawn_ = false;
}

} // namespace postsluice::admin
