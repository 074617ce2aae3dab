// SPDX-License-Identifier: Apache-2.0
// URLs: what is found lies in the text; what has a host has one that a browser could look up, and that means itself.
#include "contentfilter/mime/urls.hpp"
#include "shared/core/text.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <string>

using namespace postsluice;
using namespace postsluice::contentfilter;

namespace {

void check(std::string_view text) {
    const auto url = mime::read_url(text);
    if (!url) return;
    fuzz::require(url->text.size() <= mime::url::max_length, "a URL is bounded");
    fuzz::require(!url->host.empty() && !url->host.ends_with('.'), "there is a host");
    fuzz::require(url->host.find_first_of(std::string_view{"\0 /\\@#?%<>^|", 12}) == std::string::npos,
                  "a host holds nothing that ends it");
    const bool six = url->address && url->host.find(':') != std::string::npos;
    const auto again = mime::read_url(six ? "http://[" + url->host + "]/" : "http://" + url->host + "/");
    fuzz::require(again && again->host == url->host && again->address == url->address, "a host means itself");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = fuzz::text_of(data, size);
    check(input);
    const char* behind = input.data();
    mime::find_urls(input, [&](std::string_view found) {
        fuzz::require(found.data() >= behind && found.data() + found.size() <= input.data() + input.size(),
                      "URLs come in the order of the text");
        behind = found.data() + found.size();
        check(found);
        return true;
    });
    mime::find_bare_urls(input, [&](const mime::url& found) {
        fuzz::require(input.find(found.text) != std::string_view::npos, "what is found stands in the text");
        check("http://" + found.text);
        return true;
    });
    return 0;
}
