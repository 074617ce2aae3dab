// SPDX-License-Identifier: Apache-2.0
// HTML: any octets have a text, within the bounds, that is UTF-8; twice the same. A tight memory makes no difference
// but in what is read.
#include "contentfilter/mime/html_text.hpp"
#include "shared/core/text.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <string>

using namespace postsluice;
using namespace postsluice::contentfilter;

namespace {

// The longest text that an entity stands for has 6 octets ("&nGt;"), a foreign octet becomes one of 3.
constexpr std::size_t growth = 3;

std::string tell(std::string_view input, const config::content_settings& bounds) {
    const auto page = mime::read_html(input, bounds);
    fuzz::require(page.anchors.size() <= bounds.max_anchors, "links are bounded");
    fuzz::require(page.links.size() <= bounds.max_urls, "URLs are bounded");
    std::string out = page.shown + "\n--\n" + page.hidden + "\n--\n" + page.beyond;
    for (const auto& link : page.anchors) {
        fuzz::require(link.text.size() <= 1024 && link.href.size() <= 4100, "a link is bounded");
        out += "\n" + link.href + " " + link.text;
    }
    for (const auto& link : page.links)
        out += "\n" + link;
    if (!page.beyond.starts_with("HTML that costs")) {
        fuzz::require(is_valid_utf8(page.shown) && is_valid_utf8(page.hidden), "what is read is UTF-8");
        // A piece of a broken link may be shown twice, never its text.
        fuzz::require(page.shown.size() + page.hidden.size() <= growth * input.size() * 4 + 1000, "a text is bounded");
    }
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = fuzz::text_of(data, size);
    config::content_settings bounds;
    fuzz::require(tell(input, bounds) == tell(input, bounds), "twice the same");
    bounds.max_html_elements = 100;
    bounds.max_html_memory = {128U << 10U};
    bounds.max_anchors = bounds.max_urls = 3;
    (void)tell(input, bounds);
    (void)mime::without_tags(input);
    return 0;
}
