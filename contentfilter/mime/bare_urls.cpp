// SPDX-License-Identifier: Apache-2.0
// Hosts with a path, without a scheme: "example.com/login". Gmail, Outlook on the web and telephones make a link of
// such a thing; the word of a person who meant none must not be one. It is taken for one where
//  - its last label is a top-level domain, as all these programs ask ("main.cpp/x" and "and/or" are none);
//  - a path follows, be it empty: a bare "example.com" is left alone, and so is "file.py", which nothing but the list
//  of
//    domains tells from it;
//  - it stands by itself, and is no piece of a path, of an address or of a longer URL ("/usr/share/x.com/y",
//  "a@x.com/y");
//  - more than digits stand before a top-level domain of two letters ("3.5.km/h" is a speed, "163.com/x" a URL).
// Where it is wrong: "ASP.NET/VB.NET" and a sentence whose blank was lost ("say.No/yes") are URLs to these programs as
// well. Of letters beyond ASCII those below U+2000 may be in a host; Chinese and the like end it, since they are
// written to a URL without a blank.
#include "contentfilter/mime/urls.hpp"
#include "shared/auth/public_suffix.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::contentfilter::mime {

namespace {

constexpr std::size_t longest = 300; // of host and port; a name has 253 octets

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_alphanumeric(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool continues_character(char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) == 0x80;
}

/// Where the character begins that ends before `end`, if a host may hold it; `end` otherwise.
std::size_t before_character(std::string_view text, std::size_t end) {
    auto at = end - 1;
    if (is_alphanumeric(text[at]) || text[at] == '-' || text[at] == '.') return at;
    while (at > 0 && end - at < 4 && continues_character(text[at]))
        --at;
    const auto lead = static_cast<unsigned char>(text[at]);
    const bool letter = end - at == 2 ? lead >= 0xc3 && lead <= 0xdf : end - at == 3 && (lead == 0xe0 || lead == 0xe1);
    return letter ? at : end;
}

/// Without ":8080".
std::size_t end_of_name(std::string_view text, std::size_t end) {
    auto at = end;
    while (at > 0 && end - at < 6 && is_digit(text[at - 1]))
        --at;
    return at < end && at > 0 && text[at - 1] == ':' ? at - 1 : end;
}

bool stands_alone(std::string_view before) {
    return before.empty() || std::string_view{"/\\@_=%&?#~+$"}.find(before.back()) == std::string_view::npos;
}

bool has_labels_of_a_host(std::string_view name) {
    std::size_t labels = 0;
    bool letters = false;
    for (const auto label : split(name, '.')) {
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
        ++labels;
        letters = letters || (label.data() + label.size() != name.data() + name.size() &&
                              !std::all_of(label.begin(), label.end(), is_digit));
    }
    const auto last = name.substr(name.rfind('.') + 1);
    return labels >= 2 && (letters || last.size() > 2);
}

bool ends_url(char c) {
    return static_cast<unsigned char>(c) <= ' ' || std::string_view{"\"'<>\\`{}"}.find(c) != std::string_view::npos;
}

/// Where what begins before `slash` ends, punctuation and all.
std::size_t end_of_path(std::string_view text, std::size_t slash) {
    const auto stop = std::find_if(text.begin() + static_cast<std::ptrdiff_t>(slash), text.end(), ends_url);
    return static_cast<std::size_t>(stop - text.begin());
}

std::string_view without_punctuation(std::string_view written, std::size_t host) {
    while (written.size() > host + 1 && std::string_view{".,;:!?)]*_|"}.find(written.back()) != std::string_view::npos)
        written.remove_suffix(1);
    return written;
}

/// `end`: of the whole, set where it is a URL.
std::optional<url> url_at(std::string_view text, std::size_t slash, std::size_t& end) {
    const auto name_end = end_of_name(text, slash);
    auto begin = name_end;
    while (begin > 0 && name_end - begin < longest) {
        const auto at = before_character(text, begin);
        if (at == begin) break;
        begin = at;
    }
    const auto name = text.substr(begin, name_end - begin);
    if (!stands_alone(text.substr(0, begin)) || !has_labels_of_a_host(name)) return std::nullopt;
    auto out = read_url("//" + std::string{name});
    if (!out || out->address || !auth::is_registrable(out->host)) return std::nullopt;
    end = end_of_path(text, slash);
    out->text = without_punctuation(text.substr(begin, end - begin), slash - begin).substr(0, url::max_length);
    return out;
}

} // namespace

void find_bare_urls(std::string_view text, const std::function<bool(url)>& visit) {
    for (auto slash = text.find('/'); slash != std::string_view::npos;) {
        auto end = slash + 1;
        auto found = slash > 0 ? url_at(text, slash, end) : std::nullopt;
        if (found && !visit(std::move(*found))) return;
        slash = text.find('/', end);
    }
}

} // namespace postsluice::contentfilter::mime
