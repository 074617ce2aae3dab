// SPDX-License-Identifier: Apache-2.0
// How far a long command is: a bar in one line of a terminal, drawn anew at most ten times a second, and gone when the
// work is done. Where the stream is no terminal nothing is drawn.
#pragma once

#include <chrono>
#include <cstddef>
#include <iosfwd>
#include <string>

namespace postsluice::admin {

class progress {
public:
    /// `total`: steps; 0 where nobody knows. `visible`: the stream is a terminal.
    progress(std::ostream& out, std::size_t total, bool visible);
    /// Clears the line.
    ~progress();
    progress(const progress&) = delete;

    /// `done` steps; `text` says what was done so far: "1,024 messages".
    void show(std::size_t done, const std::string& text);
    /// Clears the line, so that something else can be written; show() draws it again.
    void clear();

private:
    std::ostream& out_;
    std::size_t total_;
    bool visible_, drawn_ = false;
    std::chrono::steady_clock::time_point next_{};
};

/// "[#########.................]  36 %  text", or the text alone where the total is 0.
[[nodiscard]] std::string progress_line(std::size_t done, std::size_t total, const std::string& text);

} // namespace postsluice::admin
