// SPDX-License-Identifier: Apache-2.0
// Finds URLs in text and in HTML source, fed in pieces: what begins with a scheme of the web or "www." and goes on to a
// blank, a quote or a bracket. HTML's "&amp;" is undone. Bounded in number and length; distinct.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace postsluice::contentfilter::mime {

class url_finder {
public:
    static constexpr std::size_t max_urls = 2000, max_length = 2048;
    void feed(std::string_view utf8);
    /// Ends an input: a URL that reaches to its end is complete.
    void finish();
    [[nodiscard]] const std::set<std::string>& urls() const noexcept { return urls_; }

private:
    void take(std::string_view text, bool last);
    std::set<std::string> urls_;
    std::string rest_; // the end of the last piece, where a URL may have begun
};

} // namespace postsluice::contentfilter::mime
