// SPDX-License-Identifier: Apache-2.0
#include "shared/smtp/dot_stream.hpp"

#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::smtp {

namespace {

constexpr std::size_t tail_length = 8; // CRLF QUIT CRLF

// Where the next CR or LF is. The next LF is remembered, or a run of bare CRs would be searched through again for each
// of them.
class line_ends {
public:
    explicit line_ends(std::string_view in)
        : in_{in} {}
    std::size_t after(std::size_t i) {
        if (lf_ < i || !searched_) {
            lf_ = std::min(in_.find('\n', i), in_.size());
            searched_ = true;
        }
        return std::min(in_.substr(0, lf_).find('\r', i), lf_);
    }

private:
    std::string_view in_;
    std::size_t lf_ = 0;
    bool searched_ = false;
};

} // namespace

dot_reader::progress dot_reader::feed(std::string_view in, std::string& out) {
    const auto done = read(in, out);
    const auto used = in.substr(0, done.consumed);
    if (used.size() >= tail_length) {
        tail_.assign(used.substr(used.size() - tail_length));
    } else {
        tail_.append(used);
        if (tail_.size() > tail_length) tail_.erase(0, tail_.size() - tail_length);
    }
    return done;
}

dot_reader::progress dot_reader::read(std::string_view in, std::string& out) {
    line_ends ends{in};
    std::size_t i = 0, run = 0; // [run, i) goes out unchanged and has not been copied yet
    const auto flush = [&] { out.append(in.substr(run, i - run)); };
    while (i < in.size()) {
        switch (at_) {
        case at::line_start:
            at_ = at::text;
            if (in[i] == '.') { // never goes out itself: it is stuffing, or the end
                flush();
                run = ++i;
                at_ = at::dot;
            }
            break;
        case at::text:
            i = ends.after(i);
            if (i == in.size()) break;
            if (in[i] == '\r' && i + 1 < in.size() && in[i + 1] == '\n') {
                i += 2;
                at_ = at::line_start;
                break;
            }
            flush();
            if (in[i] == '\n')
                out.push_back(' ');
            else
                at_ = at::cr;
            run = ++i;
            break;
        case at::cr:
            if (in[i] == '\n') {
                out.append("\r\n");
                run = ++i;
                at_ = at::line_start;
            } else {
                out.push_back(' ');
                at_ = at::text;
            }
            break;
        case at::dot:
            at_ = in[i] == '\r' ? at::dot_cr : at::text;
            if (at_ == at::dot_cr) run = ++i;
            break;
        case at::dot_cr:
            if (in[i] == '\n') {
                at_ = at::line_start;
                return {i + 1, true};
            }
            out.push_back(' ');
            at_ = at::text;
            break;
        }
    }
    flush();
    return {i, false};
}

bool dot_reader::last_line_is_quit() const noexcept {
    return tail_.size() == tail_length && iequals(tail_, "\r\nQUIT\r\n");
}

void dot_stuffer::feed(std::string_view crlf_text, std::string& out) {
    const auto in = crlf_text;
    line_ends ends{in};
    std::size_t i = 0, run = 0;
    const auto flush = [&] { out.append(in.substr(run, i - run)); };
    while (i < in.size()) {
        if (cr_) {
            cr_ = false;
            line_start_ = in[i] == '\n';
            out.append(line_start_ ? "\r\n" : " ");
            if (line_start_) run = ++i;
            continue;
        }
        if (line_start_) {
            line_start_ = false;
            if (in[i] == '.') out.append(in.substr(run, i - run)).push_back('.');
            if (in[i] == '.') run = i;
        }
        i = ends.after(i);
        if (i == in.size()) break;
        if (in[i] == '\r' && i + 1 < in.size() && in[i + 1] == '\n') {
            i += 2;
            line_start_ = true;
            continue;
        }
        flush();
        cr_ = in[i] == '\r';
        if (!cr_) out.push_back(' ');
        run = ++i;
    }
    flush();
}

void dot_stuffer::finish(std::string& out) {
    if (cr_) out.push_back(' '); // it stood alone
    if (!line_start_) out.append("\r\n");
    out.append(".\r\n");
    *this = dot_stuffer{};
}

} // namespace postsluice::smtp
