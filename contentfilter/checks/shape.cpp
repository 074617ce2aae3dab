// SPDX-License-Identifier: Apache-2.0
// shape (content): what a letter is made of, whatever it says. Files that only go with it are not looked at.
// docs/checks/shape.md.
//   HIDDEN_TEXT   letters in HTML that the reader cannot see: 1 to 3, by their share
//   IMAGE_ONLY    HTML of images and next to no text
//   URL_ONLY      a text that is URLs: 0 to 1.5, from content.url_only_share on
//   URL_ONE_LINE  one line, with a URL in it, and nothing else
//   RANDOM_WORDS  words that cannot be spoken
//   CHARSET_UNKNOWN  in a charset that is none: what a reader makes of it nobody knows
//   CHARSET_INVALID  octets that are no characters of the declared charset: 0.3, or 0.8 where it is a text of them
//   TEXT_BOUND    a text with more octets, elements or rules of style than are looked at
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/code_points.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/mime/content.hpp"

#include <cmath>

namespace postsluice::contentfilter::checks {

namespace {

constexpr std::size_t least_words = 20;                     // fewer say nothing about a text
constexpr std::size_t shortest_word = 6, longest_word = 24; // digests and keys are longer
constexpr std::size_t most_consonants = 5;                  // at a stretch; "Angstschweiss" has more, and is one word
// Of a text's octets: a letter with a wrong label has a few in a hundred, where its language has accents. What is less
// is a slip, and more is no text of such a language.
constexpr double noticed_invalid = 0.005, many_invalid = 0.2;
constexpr std::size_t short_of_many = 50; // octets: a short letter may have any share

bool is_invisible(char32_t c) {
    return (c >= 0x200b && c <= 0x200f) || (c >= 0x2000 && c <= 0x200a) || c == 0xa0 || c == 0xad || c == 0x34f ||
           c == 0xfeff || c == 0x2060 || c == 0xfffd || c == 0x3000;
}

bool is_letter(char32_t c) {
    if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return !is_invisible(c);
}

std::size_t letters_in(std::string_view text) {
    std::size_t letters = 0;
    for_each_code_point(text, [&](char32_t c) { letters += is_letter(c) ? 1U : 0U; });
    return letters;
}

bool is_ascii_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Letters and digits in turn, or more consonants in a row than any mouth can say. Only for words of ASCII.
bool is_random(std::string_view word) {
    std::size_t consonants = 0, worst = 0, changes = 0;
    for (std::size_t i = 0; i < word.size(); ++i) {
        const char c = ascii_lower(word[i]);
        const bool letter = is_ascii_letter(c);
        const bool vowel = !letter || std::string_view{"aeiouy"}.find(c) != std::string_view::npos;
        consonants = vowel ? 0 : consonants + 1;
        worst = std::max(worst, consonants);
        if (i > 0 && letter != is_ascii_letter(word[i - 1])) ++changes;
    }
    return worst > most_consonants || changes >= 3;
}

/// The share of words that are random; 0 where there are too few to say.
double random_share(std::string_view text) {
    std::size_t words = 0, random = 0;
    for (std::size_t at = 0; at < text.size();) {
        const auto begin = at;
        bool ascii = true;
        while (at < text.size() && static_cast<unsigned char>(text[at]) > ' ') {
            ascii = ascii && (is_ascii_letter(text[at]) || (text[at] >= '0' && text[at] <= '9'));
            ++at;
        }
        const auto word = text.substr(begin, at - begin);
        if (!word.empty()) ++words;
        if (ascii && word.size() >= shortest_word && word.size() <= longest_word && is_random(word)) ++random;
        if (word.empty()) ++at;
    }
    return words < least_words ? 0 : static_cast<double>(random) / static_cast<double>(words);
}

struct url_weight {
    std::size_t octets = 0, urls = 0;
};
url_weight urls_of(std::string_view text) {
    url_weight out;
    mime::find_urls(text, [&](std::string_view url) {
        out.octets += url.size();
        ++out.urls;
        return true;
    });
    return out;
}

/// What is said before the signature's mark (RFC 3676 section 4.3), and not quoted.
std::string_view without_signature(std::string_view text) {
    for (const std::string_view mark : {"\n-- \n", "\n-- \r\n"})
        text = text.substr(0, text.find(mark));
    return trim(text);
}

void judge_page(const mime::html_text& page, const std::string& where, const config::content_settings& bounds,
                finding_list& out) {
    const auto shown = letters_in(page.shown), hidden = letters_in(page.hidden);
    if (hidden > bounds.hidden_text) {
        const double share = static_cast<double>(hidden) / static_cast<double>(hidden + shown);
        out.add("HIDDEN_TEXT", 1 + std::round(share * 20) / 10,
                std::to_string(hidden) + " letters hidden, " + std::to_string(shown) + " shown in " + where);
    }
    if (page.images > 0 && shown <= bounds.image_only_text)
        out.add("IMAGE_ONLY", 1, std::to_string(page.images) + " images in " + where);
}

void judge_text(std::string_view text, const std::string& where, const config::content_settings& bounds,
                finding_list& out) {
    const auto said = without_signature(text);
    const auto weight = urls_of(said);
    if (weight.urls > 0 && !said.empty()) {
        const auto share = static_cast<double>(weight.octets) / static_cast<double>(said.size());
        if (share > bounds.url_only_share) {
            const auto excess =
                bounds.url_only_share < 1 ? (share - bounds.url_only_share) / (1 - bounds.url_only_share) : 1;
            out.add("URL_ONLY", std::round(15 * excess) / 10, where);
            if (said.find('\n') == std::string_view::npos) out.add("URL_ONE_LINE", 0.5, where);
        }
    }
    if (const auto share = random_share(said); share > bounds.random_words_share)
        out.add("RANDOM_WORDS", 1.5, std::to_string(std::lround(share * 100)) + " % of the words in " + where);
}

void judge_charset(const mime::body& body, const std::string& where, finding_list& out) {
    const auto& faults = body.faults();
    if (faults.unknown) out.add("CHARSET_UNKNOWN", 0.5, where + ": " + printable(body.of().fields.charset, 60));
    if (faults.invalid == 0) return;
    const auto share = static_cast<double>(faults.invalid) / static_cast<double>(faults.octets);
    if (share < noticed_invalid) return;
    const bool many = share > many_invalid && faults.invalid > short_of_many;
    out.add("CHARSET_INVALID", many ? 0.8 : 0.3,
            std::to_string(faults.invalid) + " octets of " + std::to_string(faults.octets) + " in " + where);
}

} // namespace

boost::asio::awaitable<std::vector<finding>> shape(check_context context) {
    finding_list out{"content"};
    const auto& bounds = context.message->settings->content;
    for (const auto& body : context.content->bodies()) {
        if (!body.in_letter()) continue;
        const auto where = "part " + body.of().path;
        if (body.page()) judge_page(*body.page(), where, bounds, out);
        judge_text(body.text(), where, bounds, out);
        judge_charset(body, where, out);
    }
    for (const auto& bound : context.content->texts_beyond())
        out.add("TEXT_BOUND", 1, bound);
    co_return out.take();
}

} // namespace postsluice::contentfilter::checks
