// SPDX-License-Identifier: Apache-2.0
// What the checks see of a message beyond its structure: the text of each part as UTF-8, HTML as a reader of mail shows
// it, links with their texts, URLs of all kinds. Made by the first check that asks, once, and immutable after: checks
// run concurrently, and those that come while it is made wait. A text that lies in memory as it is to be read is not
// copied. All bounds are those of config::content_settings; what lies beyond one is not read, and beyond() names it.
//
// Throws std::runtime_error where the spool cannot be read: the temporary error of the check that asks.
#pragma once

#include "contentfilter/mime/charset.hpp"
#include "contentfilter/mime/html_text.hpp"
#include "contentfilter/mime/tree.hpp"
#include "contentfilter/mime/urls.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::contentfilter::mime {

/// The text of one part.
class body {
public:
    body(const part& of, std::string_view borrowed)
        : of_{&of}
        , text_{borrowed} {}
    body(const part& of, std::string owned)
        : of_{&of}
        , owned_{std::make_unique<const std::string>(std::move(owned))}
        , text_{*owned_} {}
    body(const part& of, html_text shown)
        : of_{&of}
        , page_{std::make_unique<const html_text>(std::move(shown))}
        , text_{page_->shown} {}

    [[nodiscard]] const part& of() const noexcept { return *of_; }
    /// What a reader sees, UTF-8 (where it was sent as UTF-8, invalid octets are still there).
    [[nodiscard]] std::string_view text() const noexcept { return text_; }
    /// What was found beside the text of HTML; null for other texts.
    [[nodiscard]] const html_text* page() const noexcept { return page_.get(); }
    /// Is it a part of the letter, and not only a file that goes with it?
    [[nodiscard]] bool in_letter() const noexcept { return of_->letter; }
    /// Where it is not what its charset says.
    [[nodiscard]] const charset_faults& faults() const noexcept { return faults_; }
    void note(const charset_faults& faults) noexcept { faults_ = faults; }

private:
    const part* of_;
    charset_faults faults_;
    std::unique_ptr<const std::string> owned_;
    std::unique_ptr<const html_text> page_;
    std::string_view text_;
};

enum class url_place : std::uint8_t { text, html, header, file_name };

struct found_url {
    url to;
    url_place place = url_place::text;
    std::string where; ///< for evidence: "part 1.2", "Subject"
};

struct found_anchor {
    url to;
    std::string text;  ///< what the reader sees of it
    std::string where; ///< for evidence
};

class content {
public:
    /// `parts` may be null (MIME_BOUND): then only the header's URLs are there.
    content(message_ptr of, std::shared_ptr<const tree> parts)
        : message_{std::move(of)}
        , tree_{std::move(parts)} {}

    /// Texts in the order of the parts.
    [[nodiscard]] const std::vector<body>& bodies() const { return made().bodies; }
    /// Links of the web that have a text, in the order of the parts.
    [[nodiscard]] const std::vector<found_anchor>& anchors() const { return made().anchors; }
    /// Distinct URLs.
    [[nodiscard]] const std::vector<found_url>& urls() const { return made().urls; }
    /// What stands in the texts without a scheme, and many readers of mail make a link of it all the same
    /// ("example.com/login"); distinct, and none of urls(). Apart, since some of it is no link for whom wrote it: it is
    /// not to be counted.
    [[nodiscard]] const std::vector<found_url>& bare_urls() const { return made().bare_urls; }
    /// Bounds of texts that were hit, for evidence; bounds of links and URLs.
    [[nodiscard]] const std::vector<std::string>& texts_beyond() const { return made().texts_beyond; }
    [[nodiscard]] const std::vector<std::string>& links_beyond() const { return made().links_beyond; }

private:
    friend class content_maker;
    struct facts {
        std::vector<body> bodies;
        std::vector<found_anchor> anchors;
        std::vector<found_url> urls;
        std::vector<std::string> texts_beyond, links_beyond;
        std::vector<found_url> bare_urls;
    };
    [[nodiscard]] const facts& made() const;
    message_ptr message_;
    std::shared_ptr<const tree> tree_;
    mutable std::once_flag once_;
    mutable facts facts_;
};

} // namespace postsluice::contentfilter::mime
