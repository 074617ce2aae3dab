// SPDX-License-Identifier: Apache-2.0
// HTML as a reader of mail shows it: the text that is seen and the text that is not, links with their texts, the URLs
// of all elements. Parsed as browsers parse (the HTML standard's tree construction, by Gumbo). Of styles those count
// that stand at the element, and rules of a <style> sheet for one class, id or kind of element; not those for other
// screens (@media). Pure; any octets are HTML.
//
// Hidden is: display:none, visibility:hidden, opacity under 0.1, letters of 2 pixels or less, no height or width with
// overflow:hidden, letters in the colour of what is behind them, the `hidden` attribute. Over a background that cannot
// be known (an image, a gradient) no colour hides.
#pragma once

#include "shared/config/settings.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace postsluice::contentfilter::mime {

struct html_anchor {
    std::string href; ///< as a browser would follow it: entities undone, a <base> before it where it is relative
    std::string text; ///< what is seen of it
};

struct html_text {
    std::string shown;  ///< UTF-8; blanks as a browser sets them, a line for each block
    std::string hidden; ///< what the reader cannot see
    std::vector<html_anchor> anchors;
    std::vector<std::string> links; ///< of all elements: href, src, action, background, refresh
    std::string layout;             ///< its elements in order, an octet each
    std::size_t images = 0;         ///< but those of one pixel
    std::string beyond;             ///< the bound of the text that was hit; empty: none
    std::string links_beyond;       ///< the same of anchors and links
};

[[nodiscard]] html_text read_html(std::string_view utf8, const config::content_settings& bounds);
/// What is between the tags, blanks joined: for HTML that has no tree within the bounds.
[[nodiscard]] std::string without_tags(std::string_view html);

} // namespace postsluice::contentfilter::mime
