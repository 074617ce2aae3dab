// SPDX-License-Identifier: Apache-2.0
// Finds the parts of a message in one pass over its lines (RFC 2046 section 5.1), with a stack of the multiparts that
// are open. Memory is that of one part's header and of the parts found; both are bounded. Where readers of mail differ
// it takes the view that shows more: a boundary of an outer multipart ends the inner ones; a multipart without a
// boundary, or in which none occurs, is one part of text; a boundary line inside a part's header ends the part. Used by
// tree.cpp alone.
#pragma once

#include "contentfilter/mime/tree.hpp"

namespace postsluice::contentfilter::mime {

class structure {
public:
    /// `parts` collects all parts, over nested messages too; the header octets of all of them share one budget.
    structure(const config::filter_settings& bounds, std::vector<part>& parts)
        : bounds_{bounds}
        , parts_{parts} {}

    /// Scans `content` from the end of `header` on; the root becomes a child of `parent` (an index of parts, or none).
    [[nodiscard]] result<void> scan(std::shared_ptr<const spool> content, const header_block& header,
                                    std::size_t parent);
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

private:
    struct frame {
        std::size_t part;     // the multipart
        std::string boundary; // with the leading "--"
        std::size_t open;     // how many parts were open when it began, itself among them
        bool digest;          // its parts are messages by default
    };
    struct line {
        std::string_view text;    // without its end; cut where it is longer than anything that matters
        std::uint64_t begin, end; // in the spool; end is after the line end
        std::size_t ending;       // octets of the line end
    };

    [[nodiscard]] result<void> feed(std::string_view piece);
    [[nodiscard]] result<void> on_line(const line& at);
    [[nodiscard]] result<void> on_boundary(std::size_t level, bool closing, const line& at);
    [[nodiscard]] result<void> header_line(const line& at);
    [[nodiscard]] result<void> end_header(std::uint64_t body);
    [[nodiscard]] result<void> begin_part(std::span<const header_field> header, std::uint64_t body);
    [[nodiscard]] std::string child_path(std::size_t parent);
    void close_parts(std::size_t keep, std::uint64_t end);
    [[nodiscard]] std::size_t level_of(std::string_view text, bool& closing) const;

    const config::filter_settings& bounds_;
    std::vector<part>& parts_;
    std::vector<std::size_t> children_; // of each part, for paths
    std::uint64_t header_octets_ = 0;
    std::size_t header_lines_ = 0;

    // the scan at hand
    std::shared_ptr<const spool> source_;
    std::vector<frame> stack_;
    std::vector<std::size_t> open_; // parts whose end is not known yet, outermost first
    std::size_t parent_ = none;     // of the part whose header is read
    bool in_header_ = false, digest_ = false;
    std::string header_;             // of the part at hand
    std::string partial_;            // a line that began in an earlier piece
    std::uint64_t partial_size_ = 0; // its true length so far
    std::uint64_t offset_ = 0;
    std::size_t last_ending_ = 0; // of the line before: it belongs to the boundary that follows
};

} // namespace postsluice::contentfilter::mime
