// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/enclosed.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <optional>

namespace postsluice::contentfilter::mime {

namespace {

constexpr std::size_t kept_of_line =
    8192; // a line of data has 61 characters; the rest may be a name, longer than any can be
constexpr std::string_view mark = "\nbegin ";

/// A cheap look: does any line begin as such a file does?
result<bool> has_mark(const part& of) {
    constexpr auto overlap = mark.size() - 1;
    bool found = false;
    std::string border{"\n"}; // the end of what came before
    auto read = decoded(of, ~std::uint64_t{0}, [&](std::string_view piece) {
        border.append(piece.substr(0, overlap));
        found = border.find(mark) != std::string::npos || piece.find(mark) != std::string_view::npos;
        if (piece.size() > overlap) border = piece.substr(piece.size() - overlap);
        border.erase(0, border.size() - std::min(border.size(), overlap));
        return !found;
    });
    if (!read) return read.error();
    return found;
}

/// The name in "begin 644 name".
std::optional<std::string> name_of(std::string_view line) {
    if (!line.starts_with("begin ")) return std::nullopt;
    line.remove_prefix(6);
    const auto digits = std::min(line.find_first_not_of("01234567"), line.size());
    if (digits < 3 || digits > 4 || digits == line.size() || line[digits] != ' ') return std::nullopt;
    line.remove_prefix(digits);
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size())); // blanks at its end are a part of it
    if (line.empty()) return std::nullopt;
    return std::string{line};
}

/// A length, and as many characters as make it, give or take blanks that were lost and a sum that some add.
bool is_data(std::string_view line) {
    if (line.empty() || !std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c <= 0x60; }))
        return false;
    const auto octets = static_cast<std::size_t>(line.front() - 0x20) % 64;
    const auto characters = (octets + 2) / 3 * 4;
    return octets > 0 && line.size() + 2 >= characters && line.size() <= characters + 3;
}

class finder {
public:
    finder(std::vector<part>& parts, std::size_t which, std::shared_ptr<const spool> source,
           const config::filter_settings& bounds)
        : parts_{parts}
        , which_{which}
        , source_{std::move(source)}
        , bounds_{bounds} {}

    result<void> scan(std::uint64_t begin, std::uint64_t end) {
        offset_ = line_begin_ = begin;
        auto outcome = for_range(*source_, begin, end, [&](std::string_view piece) -> result<bool> {
            if (auto done = feed(piece); !done) return done.error();
            return true;
        });
        if (outcome && !line_.empty()) outcome = on_line();
        if (open_) parts_[*open_].end = end;
        return outcome;
    }

private:
    result<void> feed(std::string_view piece) {
        while (!piece.empty()) {
            const auto newline = piece.find('\n');
            const auto size = newline == std::string_view::npos ? piece.size() : newline + 1;
            line_.append(piece.substr(0, std::min(size, kept_of_line - std::min(kept_of_line, line_.size()))));
            offset_ += size;
            piece.remove_prefix(size);
            if (newline == std::string_view::npos) break;
            if (auto done = on_line(); !done) return done;
            line_.clear();
            line_begin_ = offset_;
        }
        return {};
    }

    result<void> on_line() {
        auto text = std::string_view{line_};
        while (text.ends_with('\n') || text.ends_with('\r'))
            text.remove_suffix(1);
        if (name_ && is_data(text)) {
            if (auto done = begin_file(); !done) return done;
        }
        name_ = name_of(text);
        if (name_) name_begin_ = line_begin_;
        if (open_ && trim(text) == "end") {
            parts_[*open_].end = offset_;
            open_.reset();
        }
        return {};
    }

    result<void> begin_file() {
        if (open_) parts_[*open_].end = name_begin_;
        auto made = enclosed_file(parts_, which_, ++count_, bounds_);
        if (!made) return made.error();
        made->fields.names.push_back(*name_);
        made->fields.encoding = transfer_encoding::uuencode;
        made->source = source_;
        made->begin = made->end = name_begin_;
        open_ = parts_.size();
        parts_.push_back(std::move(*made));
        return {};
    }

    std::vector<part>& parts_;
    std::size_t which_;
    std::shared_ptr<const spool> source_;
    const config::filter_settings& bounds_;
    std::uint64_t offset_ = 0, line_begin_ = 0, name_begin_ = 0;
    std::string line_;                // cut where it is longer than anything that matters
    std::optional<std::string> name_; // of a line before that may begin a file
    std::optional<std::size_t> open_; // the file whose end is not known yet
    std::size_t count_ = 0;
};

} // namespace

result<void> for_range(const spool& of, std::uint64_t begin, std::uint64_t end,
                       const std::function<result<bool>(std::string_view)>& visit) {
    result<void> outcome;
    auto read = of.for_each(begin, [&](std::string_view piece) {
        piece = piece.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), end - begin)));
        begin += piece.size();
        const auto more = visit(piece);
        if (!more) outcome = more.error();
        return more && *more && begin < end;
    });
    return read ? outcome : read;
}

result<part> enclosed_file(const std::vector<part>& parts, std::size_t which, std::size_t number,
                           const config::filter_settings& bounds) {
    const auto& around = parts[which];
    if (parts.size() >= bounds.max_parts) return failure{errc::too_large, "MIME structure: number of parts"};
    if (around.depth >= bounds.max_part_depth) return failure{errc::too_large, "MIME structure: depth of parts"};
    part made;
    made.path = around.path + "." + std::to_string(number);
    made.depth = around.depth + 1;
    made.fields.type = "application/octet-stream";
    made.fields.disposition = "attachment";
    return made;
}

result<void> find_enclosed(std::vector<part>& parts, std::size_t which, const config::filter_settings& bounds) {
    const auto& text = parts[which];
    const auto marked = has_mark(text);
    if (!marked) return marked.error();
    if (!*marked) return {};
    if (text.fields.encoding == transfer_encoding::identity)
        return finder{parts, which, text.source, bounds}.scan(text.begin, text.end);
    auto plain = unpacked(text, bounds);
    if (!plain) return plain.error();
    const auto size = (*plain)->size();
    return finder{parts, which, std::move(*plain), bounds}.scan(0, size);
}

} // namespace postsluice::contentfilter::mime
