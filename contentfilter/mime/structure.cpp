// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/structure.hpp"

#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::contentfilter::mime {

namespace {

// A boundary line is at most "--", 70 characters and "--" (RFC 2046); some mailers write longer ones.
constexpr std::size_t kept_of_body_line = 2048;

bool is_message(std::string_view type) {
    return type == "message/rfc822" || type == "message/global" || type == "message/news";
}

failure bound(std::string what) {
    return {errc::too_large, "MIME structure: " + std::move(what)};
}

} // namespace

result<void> structure::scan(std::shared_ptr<const spool> content, const header_block& header, std::size_t parent) {
    source_ = std::move(content);
    stack_.clear();
    open_.clear();
    parent_ = parent;
    in_header_ = digest_ = false;
    header_.clear();
    partial_.clear();
    partial_size_ = 0;
    last_ending_ = 0;
    offset_ = header.body_offset;
    if (header.truncated) return bound("header of the message");
    if (auto begun = begin_part(header.fields, header.body_offset); !begun) return begun;
    // Nothing to find where the root is a leaf: its body need not be read.
    if (stack_.empty() && !in_header_) {
        close_parts(0, source_->size());
        return {};
    }
    result<void> outcome;
    auto read = source_->for_each(header.body_offset,
                                  [&](std::string_view piece) { return (outcome = feed(piece)).has_value(); });
    if (!read) return read;
    if (!outcome) return outcome;
    if (partial_size_ > 0) {
        const line last{partial_, offset_, offset_ + partial_size_, 0};
        if (auto done = on_line(last); !done) return done;
    }
    if (in_header_) {
        if (auto done = end_header(source_->size()); !done) return done;
        // An empty message in a message's last line begins another header; it has nothing to show.
        in_header_ = false;
    }
    close_parts(0, source_->size());
    return {};
}

result<void> structure::feed(std::string_view piece) {
    while (!piece.empty()) {
        const auto newline = piece.find('\n');
        const auto size = newline == std::string_view::npos ? piece.size() : newline + 1;
        auto text = piece.substr(0, size);
        piece.remove_prefix(size);
        if (partial_size_ > 0 || newline == std::string_view::npos) {
            const auto limit = in_header_ ? static_cast<std::size_t>(bounds_.max_header.value) + 2 : kept_of_body_line;
            if (in_header_ && partial_.size() + text.size() > limit) return bound("header line of a part");
            partial_.append(text.substr(0, limit - std::min(limit, partial_.size())));
            partial_size_ += text.size();
            if (newline == std::string_view::npos) return {};
            text = partial_;
        } else {
            partial_size_ = size;
        }
        std::size_t ending = 0;
        if (text.ends_with('\n')) text.remove_suffix(1), ++ending;
        if (text.ends_with('\r')) text.remove_suffix(1), ++ending;
        const line at{text, offset_, offset_ + partial_size_, ending};
        offset_ = at.end;
        auto done = on_line(at);
        partial_.clear();
        partial_size_ = 0;
        if (!done) return done;
    }
    return {};
}

std::size_t structure::level_of(std::string_view text, bool& closing) const {
    if (!text.starts_with("--")) return none;
    for (std::size_t level = stack_.size(); level-- > 0;) {
        if (!text.starts_with(stack_[level].boundary)) continue;
        auto rest = text.substr(stack_[level].boundary.size());
        closing = rest.starts_with("--");
        if (closing) rest.remove_prefix(2);
        if (trim(rest).empty()) return level;
    }
    return none;
}

result<void> structure::on_line(const line& at) {
    bool closing = false;
    const auto level = level_of(at.text, closing);
    if (level != none) return on_boundary(level, closing, at);
    const auto ending = at.ending;
    if (in_header_) {
        if (auto done = header_line(at); !done) return done;
    }
    last_ending_ = ending;
    return {};
}

result<void> structure::on_boundary(std::size_t level, bool closing, const line& at) {
    // The line end before a boundary belongs to the boundary.
    if (in_header_) {
        if (auto done = end_header(at.begin); !done) return done;
        in_header_ = false;
    }
    const auto& base = parts_[open_[stack_[level].open - 1]];
    const auto end = at.begin - base.begin >= last_ending_ ? at.begin - last_ending_ : at.begin;
    last_ending_ = at.ending;
    close_parts(stack_[level].open, end);
    stack_.resize(level + 1);
    if (closing) { // what follows up to the next outer boundary is an epilogue
        stack_.pop_back();
        return {};
    }
    parent_ = stack_.back().part;
    digest_ = stack_.back().digest;
    in_header_ = true;
    header_.clear();
    return {};
}

void structure::close_parts(std::size_t keep, std::uint64_t end) {
    while (open_.size() > keep) {
        const auto index = open_.back();
        auto& p = parts_[index];
        p.end = std::max(p.begin, end);
        // A multipart in which no boundary came: readers show it as text or not at all.
        if (p.container && children_[index] == 0) p.container = false;
        open_.pop_back();
    }
}

result<void> structure::header_line(const line& at) {
    if (at.text.empty()) return end_header(at.end);
    const bool continues = at.text.front() == ' ' || at.text.front() == '\t';
    if (continues ? header_.empty() : !is_field_line(at.text)) {
        if (auto done = end_header(at.begin); !done) return done;
        return in_header_ ? header_line(at) : result<void>{}; // of an embedded message that begins here
    }
    header_.append(at.text).append("\r\n");
    header_octets_ += at.end - at.begin;
    // All parts together may have as much header as the message itself, and a few lines more for each part.
    if (header_octets_ > bounds_.max_header.value * 2 ||
        ++header_lines_ > bounds_.max_header_count + 20 * bounds_.max_parts)
        return bound("headers of all parts");
    return {};
}

result<void> structure::end_header(std::uint64_t body) {
    const auto block = parse_header_text(header_, header_.size(), header_lines_ + 1);
    header_.clear();
    in_header_ = false;
    return begin_part(block.fields, body);
}

std::string structure::child_path(std::size_t parent) {
    if (parent == none) return "1";
    return parts_[parent].path + "." + std::to_string(++children_[parent]);
}

result<void> structure::begin_part(std::span<const header_field> header, std::uint64_t body) {
    if (parts_.size() >= bounds_.max_parts) return bound("number of parts");
    const unsigned depth = parent_ == none ? 0 : parts_[parent_].depth + 1;
    if (depth > bounds_.max_part_depth) return bound("depth of parts");
    auto fields = read_content_fields(header, digest_ ? "message/rfc822" : "text/plain");
    if (!fields) return fields.error();
    children_.resize(parts_.size() + 1);
    part made;
    made.path = child_path(parent_);
    made.depth = depth;
    made.fields = std::move(*fields);
    made.source = source_;
    made.begin = made.end = body;
    const auto index = parts_.size();
    const bool multipart = made.fields.type.starts_with("multipart/") && !made.fields.boundary.empty();
    const bool message = is_message(made.fields.type) && made.fields.encoding == transfer_encoding::identity;
    made.container = multipart || message;
    const auto boundary = "--" + made.fields.boundary;
    const bool digest = made.fields.type == "multipart/digest";
    parts_.push_back(std::move(made));
    children_.resize(parts_.size());
    open_.push_back(index);
    if (multipart) stack_.push_back({index, boundary, open_.size(), digest});
    if (message) {
        parent_ = index;
        digest_ = false;
        in_header_ = true;
        header_.clear();
    }
    return {};
}

} // namespace postsluice::contentfilter::mime
