// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/logical_lines.hpp"

#include "shared/core/text.hpp"

namespace postsluice::admin::setup {
namespace {

constexpr std::string_view blanks = " \t\r\n\v\f"; // isspace(3)

bool is_blank(char c) noexcept {
    return blanks.find(c) != std::string_view::npos;
}

/// Calls visit(line) for each physical line, its line end with it.
template <class Visit>
void each_line(std::string_view text, Visit visit) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        const auto length = end == std::string_view::npos ? text.size() : end + 1;
        visit(text.substr(0, length));
        text.remove_prefix(length);
    }
}

} // namespace

bool is_comment(std::string_view line) noexcept {
    const auto first = line.find_first_not_of(blanks);
    return first == std::string_view::npos || line[first] == '#';
}

logical_lines::logical_lines(std::string_view text) {
    std::string between; // comments: they belong to the entry above only if that goes on after them
    const auto flush = [&] {
        if (!between.empty()) pieces.push_back({std::move(between), false});
        between.clear();
    };
    bool open = false; // an entry that may go on
    each_line(text, [&](std::string_view line) {
        if (is_comment(line) || (is_blank(line.front()) && !open)) {
            between += line;
        } else if (is_blank(line.front())) {
            pieces.back().raw += between + std::string{line};
            between.clear();
        } else {
            flush();
            pieces.push_back({std::string{line}, true});
            open = true;
        }
    });
    flush();
}

std::string logical_lines::text() const {
    std::string out;
    for (const auto& one : pieces)
        out += one.raw;
    return out;
}

void logical_lines::append(std::string_view comment, std::string_view entry) {
    if (!pieces.empty() && !pieces.back().raw.ends_with('\n')) pieces.back().raw += '\n';
    if (!comment.empty()) {
        if (pieces.empty() || pieces.back().entry) pieces.push_back({{}, false});
        pieces.back().raw += comment;
    }
    pieces.push_back({std::string{entry}, true});
}

void logical_lines::remove(std::size_t index, std::string_view comment) {
    pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(index));
    if (index == 0 || comment.empty()) return;
    auto& above = pieces[index - 1];
    if (above.entry || !above.raw.ends_with(comment)) return;
    above.raw.resize(above.raw.size() - comment.size());
    // append() ended the line above it; what follows now must not join that line
    if (!above.raw.empty() && !above.raw.ends_with('\n') && index < pieces.size()) above.raw += '\n';
    if (above.raw.empty()) pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(index) - 1);
}

std::string joined(std::string_view raw) {
    std::string out;
    each_line(raw, [&](std::string_view line) {
        if (is_comment(line)) return;
        if (line.ends_with('\n')) line.remove_suffix(1);
        out += line;
    });
    return out;
}

std::string normalized(std::string_view raw) {
    std::string out;
    for (const char c : joined(raw)) {
        if (!is_blank(c))
            out += c;
        else if (!out.empty() && out.back() != ' ')
            out += ' ';
    }
    if (out.ends_with(' ')) out.pop_back();
    return out;
}

} // namespace postsluice::admin::setup
