// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/urls.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <array>

namespace postsluice::contentfilter::mime {

namespace {

constexpr std::array<std::string_view, 4> beginnings{"http://", "https://", "ftp://", "www."};
constexpr std::size_t longest_beginning = 8;

bool ends_url(char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '\\' ||
           c == '`' || c == '{' || c == '}';
}

/// Where a URL begins at or after `from`.
std::size_t next_beginning(std::string_view text, std::size_t from) {
    for (std::size_t i = from; i < text.size(); ++i) {
        const char c = ascii_lower(text[i]);
        if (c != 'h' && c != 'f' && c != 'w') continue;
        for (const auto word : beginnings)
            if (istarts_with(text.substr(i), word)) return i;
    }
    return std::string_view::npos;
}

std::string cleaned(std::string_view url) {
    while (!url.empty() && std::string_view{".,;:!?)]"}.find(url.back()) != std::string_view::npos)
        url.remove_suffix(1);
    std::string text{url.substr(0, url_finder::max_length)};
    for (auto at = text.find("&amp;"); at != std::string::npos; at = text.find("&amp;", at + 1))
        text.erase(at + 1, 4);
    return text;
}

} // namespace

void url_finder::feed(std::string_view utf8) {
    if (rest_.empty()) return take(utf8, false);
    auto text = std::move(rest_);
    rest_.clear();
    text += utf8;
    take(text, false);
}

void url_finder::finish() {
    auto text = std::move(rest_);
    rest_.clear();
    take(text, true);
}

void url_finder::take(std::string_view text, bool last) {
    std::size_t position = 0;
    while (urls_.size() < max_urls) {
        const auto begin = next_beginning(text, position);
        if (begin == std::string_view::npos) {
            // A beginning may be cut by the end of the piece.
            const auto kept = std::min(text.size() - position, longest_beginning - 1);
            if (!last) rest_ = text.substr(text.size() - kept);
            return;
        }
        const auto stop = std::find_if(text.begin() + static_cast<std::ptrdiff_t>(begin), text.end(), ends_url);
        const auto end = static_cast<std::size_t>(stop - text.begin());
        if (end == text.size() && !last && end - begin < max_length) {
            rest_ = text.substr(begin);
            return;
        }
        urls_.insert(cleaned(text.substr(begin, end - begin)));
        position = end;
    }
}

} // namespace postsluice::contentfilter::mime
