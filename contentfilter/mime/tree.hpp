// SPDX-License-Identifier: Apache-2.0
// The parts of a message, read once from its spool and immutable after: all checks use one tree concurrently. No part
// is kept in memory: a leaf is a range of the spool that decoded() and text() read in pieces. Structure is found by one
// pass over the lines (structure.cpp) so that neither a long preamble nor a million parts cost memory; what header
// fields mean is GMime's work (fields.cpp). Embedded messages are descended into, also those that were sent as base64;
// files that a text encloses are parts of it (enclosed.hpp).
// Over max_parts, max_part_depth, or the header bounds there is no tree: errc::too_large (the runner's finding
// MIME_BOUND).
#pragma once

#include "contentfilter/intake/message.hpp"
#include "contentfilter/mime/fields.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postsluice::contentfilter::mime {

class decoded_content;

struct part {
    std::string
        path; ///< "1", "1.2", "1.2.1": root, its second child, the first below that (a message's content is its child)
    unsigned depth = 0;                    ///< 0 for the root
    content_fields fields;                 ///< type, charset, disposition, all file names
    bool container = false;                ///< a multipart or message/rfc822 whose content is further parts
    bool letter = false;                   ///< shown to the reader as the letter or a piece of it (letter.hpp)
    std::shared_ptr<const spool> source;   ///< where the content lies: the message, or what was decoded of it
    std::uint64_t begin = 0, end = 0;      ///< the encoded content there
    std::shared_ptr<decoded_content> kept; ///< for decoded(); null: nothing has to be decoded

    [[nodiscard]] bool is_text() const; ///< shown to a person as text, HTML too
    [[nodiscard]] bool is_html() const;
    [[nodiscard]] bool is_attachment() const; ///< has a file name or says so; may be a piece of the letter all the same
    [[nodiscard]] std::string label() const;  ///< for evidence: "1.2 (invoice.pdf)"
};

class tree {
public:
    /// Fails with errc::too_large at a bound, and where the spool cannot be read.
    [[nodiscard]] static result<std::shared_ptr<const tree>> build(const std::shared_ptr<const spool>& content,
                                                                   const header_block& header,
                                                                   const config::filter_settings& bounds);

    [[nodiscard]] const std::vector<part>& parts() const noexcept { return parts_; }

private:
    std::vector<part> parts_;
};

/// The content of a part into a spool of its own, with its transfer encoding undone.
[[nodiscard]] result<std::shared_ptr<const spool>> unpacked(const part& of, const config::filter_settings& bounds);

using piece_visitor = std::function<bool(std::string_view)>;
/// Visits up to `most` octets of the content with its transfer encoding undone, in pieces; stops where `visit` returns
/// false. Of a part of a tree the first that asks decodes it for all others, as long as decoded_memory lasts for the
/// parts of its message.
[[nodiscard]] result<void> decoded(const part& of, std::uint64_t most, const piece_visitor& visit);
/// The whole content, where it is kept in memory; it lasts as long as the tree.
[[nodiscard]] std::optional<std::string_view> kept_octets(const part& of);
/// The content, made UTF-8 from the declared charset; `most` counts octets before that.
[[nodiscard]] result<void> text(const part& of, std::uint64_t most, const piece_visitor& visit);

} // namespace postsluice::contentfilter::mime
