// SPDX-License-Identifier: Apache-2.0
// Takes a message in: spools the content, hashes it (SHA-256) and counts boundary-like lines on the way, then makes a
// `message` of it. Knows nothing of SMTP: the session, a release from quarantine and `message test` fill it alike.
// Content comes in CRLF lines. A spool that fails (no room, no descriptor) is remembered and told at the end; the rest
// of the content is dropped. One thread at a time.
#pragma once

#include "contentfilter/intake/digest.hpp"
#include "contentfilter/intake/identity.hpp"

#include <memory>

namespace postsluice::contentfilter {

class collector {
public:
    explicit collector(config::settings_ptr settings);

    void add(std::string_view content);
    /// What went wrong, where something did: the spool's own failure.
    [[nodiscard]] const std::optional<failure>& problem() const noexcept { return problem_; }
    [[nodiscard]] std::uint64_t size() const noexcept { return spool_->size(); }

    /// The whole message, without its sender (identify_sender() says who that is). Once, after the last add().
    [[nodiscard]] result<std::shared_ptr<message>> finish(smtp::envelope envelope);
    /// The same in two halves. The first looks at no octet: its header is empty, and all of it is body.
    [[nodiscard]] result<std::shared_ptr<message>> close(smtp::envelope envelope);
    [[nodiscard]] static result<void> read_header(message& into);
    /// Of a message with a problem: the header as far as it stands in its first `beginning` octets, spooled or not. Who
    /// sent it may be known all the same: what Postfix put above the message is in there.
    [[nodiscard]] header_block header_so_far() const;
    static constexpr std::size_t beginning = 16384;

private:
    void count_boundaries(std::string_view content);
    void keep_beginning(std::string_view content);

    config::settings_ptr settings_;
    std::shared_ptr<spool> spool_;
    sha256 hash_;
    std::optional<failure> problem_;
    std::string unspooled_; ///< what came after the problem, of the first `beginning` octets
    std::size_t boundary_lines_ = 0;
    char last_ = '\n';  // the octet before the content that comes: at first a line begins
    bool dash_ = false; // the line at hand is "-" so far
};

} // namespace postsluice::contentfilter
