// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/render.hpp"

#include <algorithm>
#include <utility>

namespace postsluice::contentfilter::act {

namespace {
constexpr std::size_t piece_size = 65536;
}

void line_breaker::run(std::string_view text, std::string& out) {
    while (column_ + text.size() > longest_line) {
        const auto fits = longest_line - column_;
        out.append(text.substr(0, fits)).append("\r\n ");
        changed_ = true;
        text.remove_prefix(fits);
        column_ = 1;
    }
    out.append(text);
    column_ += text.size();
}

void line_breaker::replace(std::string& out) {
    changed_ = true;
    run(" ", out);
}

void line_breaker::feed(std::string_view text, std::string& out) {
    if (cr_ && !text.empty()) {
        cr_ = false;
        if (text.front() == '\n') {
            out.append("\r\n");
            column_ = 0;
            text.remove_prefix(1);
        } else {
            replace(out);
        }
    }
    // Where the next CR is, is found once for all the octets before it: a run of bare LFs would be searched through
    // again for each.
    for (std::size_t begin = 0, cr = 0; begin < text.size();) {
        if (cr <= begin) cr = std::min(text.find('\r', begin), text.size());
        const auto end = std::min(text.substr(0, cr).find('\n', begin), cr);
        run(text.substr(begin, end - begin), out);
        begin = end + 1;
        if (end == text.size()) break;
        if (text[end] == '\r' && begin == text.size()) {
            cr_ = true;
        } else if (text[end] == '\r' && text[begin] == '\n') {
            out.append("\r\n");
            column_ = 0;
            ++begin;
        } else {
            replace(out);
        }
        if (cr < begin) cr = 0;
    }
}

void line_breaker::finish(std::string& out) {
    if (cr_) replace(out);
    if (column_ > 0) out.append("\r\n");
    cr_ = false;
    column_ = 0;
}

std::string break_field(std::string_view field) {
    line_breaker breaker;
    std::string out;
    breaker.feed(field, out);
    return out;
}

std::vector<std::string> render_header(const message& what, const edits& changes) {
    std::vector<std::string> out;
    out.reserve(changes.prepend.size() + what.header.fields.size() + changes.append.size());
    for (const auto& field : changes.prepend)
        out.push_back(break_field(field));
    for (std::size_t i = 0; i < what.header.fields.size(); ++i) {
        if (changes.remove.contains(i)) continue;
        const auto other = changes.replace.find(i);
        out.push_back(break_field(other == changes.replace.end() ? what.header.fields[i].raw : other->second));
    }
    for (const auto& field : changes.append)
        out.push_back(break_field(field));
    return out;
}

body_reader::body_reader(const message& what, const edits& changes)
    : from_{changes.body ? changes.body : what.content}
    , offset_{changes.body ? 0 : what.header.body_offset}
    , replaced_{changes.body != nullptr} {}

bool body_reader::changed() const noexcept {
    return replaced_ || breaker_.changed();
}

result<std::string> body_reader::next() {
    std::string out;
    while (out.empty() && !ended_) {
        const auto piece = from_->read(offset_, piece_size);
        if (!piece) return piece.error();
        offset_ += piece->size();
        if (piece->empty()) {
            ended_ = true;
            breaker_.finish(out);
        } else {
            breaker_.feed(*piece, out);
        }
    }
    return out;
}

std::string rendered::head() const {
    std::string out;
    for (const auto& field : fields)
        out.append(field).append("\r\n");
    // A header that is over the bounds goes on in what we took for the body: an empty line would cut it in two.
    if (!source->header.truncated) out.append("\r\n");
    return out;
}

std::uint64_t rendered::size() const {
    std::uint64_t size = body_size + (source->header.truncated ? 0 : 2);
    for (const auto& field : fields)
        size += field.size() + 2;
    return size;
}

std::function<result<std::string>()> stream_of(std::shared_ptr<const rendered> what) {
    struct state {
        std::shared_ptr<const rendered> what;
        body_reader body;
        bool head_sent = false;
    };
    auto at = std::make_shared<state>(state{what, body_reader{*what->source, what->changes}});
    return [at]() -> result<std::string> {
        if (std::exchange(at->head_sent, true)) return at->body.next();
        auto head = at->what->head();
        return head.empty() ? at->body.next() : result<std::string>{std::move(head)};
    };
}

} // namespace postsluice::contentfilter::act
