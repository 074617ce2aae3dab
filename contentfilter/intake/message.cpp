// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/intake/message.hpp"

#include "contentfilter/intake/message_notes.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::contentfilter {

namespace {

bool blank(char c) noexcept {
    return c == ' ' || c == '\t';
}

std::string_view without_line_end(std::string_view line) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

/// Walks over the lines of a header. `text` is the message as far as it was read, `whole` says that it is all of it.
class header_scan {
public:
    header_scan(std::string_view text, bool whole, std::size_t max_octets, std::size_t max_fields)
        : text_{text}
        , whole_{whole}
        , max_octets_{max_octets}
        , max_fields_{max_fields} {}

    /// False where `text` ends before the header does and there is more to read.
    bool run() {
        while (position_ < text_.size()) {
            auto next = text_.find('\n', position_);
            if (next == std::string_view::npos && !whole_) return text_.size() > max_octets_ && bound(line_begin());
            next = next == std::string_view::npos ? text_.size() : next + 1;
            const auto line = without_line_end(text_.substr(position_, next - position_));
            if (!open_ || line.empty() || !blank(line.front())) {
                close_field();
                if (line.empty()) return body(next);
                if (!is_field_line(line)) return body(position_);
                if (block_.fields.size() == max_fields_) return bound(position_);
                begin_ = position_;
                open_ = true;
            }
            if (next > max_octets_) return bound(begin_);
            end_ = position_ + line.size();
            position_ = next;
        }
        if (!whole_) return false;
        close_field();
        return body(text_.size());
    }
    header_block take() && { return std::move(block_); }

private:
    std::size_t line_begin() const { return open_ ? begin_ : position_; }
    void close_field() {
        if (open_) block_.fields.push_back({std::string{text_.substr(begin_, end_ - begin_)}});
        open_ = false;
    }
    bool body(std::size_t offset) {
        block_.body_offset = offset;
        return true;
    }
    bool bound(std::size_t offset) {
        block_.truncated = true;
        return body(offset);
    }

    std::string_view text_;
    bool whole_;
    std::size_t max_octets_, max_fields_;
    header_block block_;
    std::size_t position_ = 0;        // of the line at hand
    std::size_t begin_ = 0, end_ = 0; // of the field at hand, without its final line end
    bool open_ = false;
};

} // namespace

bool is_field_line(std::string_view line) noexcept {
    constexpr std::ptrdiff_t longest_name = 997; // with its colon on one line, wherever lines are broken on their way
    const auto end = std::find_if(line.begin(), line.end(), [](char c) { return c <= ' ' || c > '~' || c == ':'; });
    if (end == line.begin() || end - line.begin() > longest_name) return false;
    const auto colon = std::find_if_not(end, line.end(), blank);
    return colon != line.end() && *colon == ':';
}

std::string_view header_field::name() const {
    auto name = std::string_view{raw}.substr(0, raw.find(':'));
    while (!name.empty() && blank(name.back()))
        name.remove_suffix(1);
    return name;
}

std::string_view header_field::value() const {
    const auto colon = raw.find(':');
    return colon == std::string::npos ? std::string_view{} : std::string_view{raw}.substr(colon + 1);
}

std::string header_field::unfolded() const {
    std::string text;
    const auto from = trim(value());
    text.reserve(from.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
        const bool line_end = from[i] == '\n' || (from[i] == '\r' && i + 1 < from.size() && from[i + 1] == '\n');
        if (!line_end) {
            text += from[i];
            continue;
        }
        while (!text.empty() && blank(text.back()))
            text.pop_back();
        while (i + 1 < from.size() && (blank(from[i + 1]) || from[i + 1] == '\n' || from[i + 1] == '\r'))
            ++i;
        text += ' ';
    }
    return text;
}

const header_field* header_block::find(std::string_view name) const {
    const auto at = std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return iequals(f.name(), name); });
    return at == fields.end() ? nullptr : &*at;
}

std::vector<const header_field*> header_block::all(std::string_view name) const {
    std::vector<const header_field*> found;
    for (const auto& field : fields)
        if (iequals(field.name(), name)) found.push_back(&field);
    return found;
}

header_block parse_header_text(std::string_view text, std::size_t max_octets, std::size_t max_fields) {
    header_scan scan{text, true, max_octets, max_fields};
    (void)scan.run(); // the whole text is there: it cannot ask for more
    return std::move(scan).take();
}

std::shared_ptr<message_notes> new_notes() {
    return std::make_shared<message_notes>();
}

result<header_block> parse_header(const spool& from, const config::filter_settings& bounds) {
    const auto most = static_cast<std::size_t>(bounds.max_header.value);
    if (from.descriptor() < 0) return parse_header_text(from.memory(), most, bounds.max_header_count);
    // Headers are short: a little is read first, and four times as much whenever that was not enough.
    for (std::size_t size = 16384;; size *= 4) {
        const auto text = from.read(0, size);
        if (!text) return text.error();
        header_scan scan{*text, text->size() == from.size(), most, bounds.max_header_count};
        if (scan.run()) return std::move(scan).take();
    }
}

} // namespace postsluice::contentfilter
