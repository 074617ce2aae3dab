// SPDX-License-Identifier: Apache-2.0
#include "shared/config/options.hpp"

namespace postsluice::config {
namespace {

using std::chrono::hours;
using s = content_settings;

constexpr byte_count kib(std::uint64_t n) {
    return {n << 10U};
}
constexpr byte_count mib(std::uint64_t n) {
    return {n << 20U};
}

options<s> bounds() {
    return {
        row<s>("max_text", &s::max_text, sizes(kib(4), mib(64)),
               "Octets of one text part that are looked at; a part with more has a finding."),
        row<s>("max_html", &s::max_html, sizes(kib(4), mib(64)),
               "Octets of one HTML part that are looked at; a part with more has a finding."),
        row<s>("max_html_elements", &s::max_html_elements, integers<std::size_t>(100, 1'000'000),
               "Tags of one HTML part that are looked at; a part with more has a finding."),
        row<s>("max_html_memory", &s::max_html_memory, sizes(mib(1), mib(4096)),
               "Memory for the elements of one HTML part; one that needs more has a finding, and its text is taken "
               "without its layout."),
        row<s>("max_anchors", &s::max_anchors, integers<std::size_t>(10, 1'000'000),
               "Links with a text of their own that are looked at; a message with more has a finding."),
        row<s>(
            "max_urls", &s::max_urls, integers<std::size_t>(10, 1'000'000),
            "Distinct URLs that are looked at, with a scheme and as many without; a message with more has a finding."),
    };
}

options<s> thresholds() {
    return {
        row<s>("many_urls", &s::many_urls, integers<std::size_t>(1, 1'000'000),
               "MANY_URLS: more distinct URLs than this in one message."),
        row<s>("max_date_skew", &s::max_date_skew, durations(hours{1}, hours{24 * 3660}),
               "DATE_FAR_OFF: a Date that is further from now than this."),
        row<s>("long_field", &s::long_field, sizes({998}, mib(1)),
               "LONG_FIELD: a header field, but one of addresses or references, with more octets than this."),
        row<s>("url_only_share", &s::url_only_share, reals(0.1, 1),
               "URL_ONLY: more than this share of the text is URLs."),
        row<s>("hidden_text", &s::hidden_text, integers<std::size_t>(1, 1'000'000),
               "HIDDEN_TEXT: more letters than this that a reader of the HTML cannot see."),
        row<s>("image_only_text", &s::image_only_text, integers<std::size_t>(0, 10'000),
               "IMAGE_ONLY: no more letters than this beside an image."),
        row<s>("random_words_share", &s::random_words_share, reals(0.05, 1),
               "RANDOM_WORDS: more than this share of the words cannot be spoken."),
        row<s>("credential_reach", &s::credential_reach, integers<std::size_t>(20, 100'000),
               "CREDENTIALS: octets on either side of the sender's own address in which the words of a password "
               "prompt are looked for."),
        row<s>("known_recipients", &s::known_recipients, integers<std::size_t>(256, 10'000'000),
               "Recipients of passed mail that are remembered for each account; older ones are forgotten."),
        row<s>("novelty_history", &s::novelty_history, integers<std::size_t>(1, 10'000'000),
               "NEW_RECIPIENTS: an account is asked only once it has written to so many."),
        row<s>("novelty_recipients", &s::novelty_recipients, integers<std::size_t>(1, 1'000'000),
               "NEW_RECIPIENTS: at least so many recipients of the message are new to the account."),
        row<s>("novelty_share", &s::novelty_share, reals(0.05, 1),
               "NEW_RECIPIENTS: those that are new are at least this share of the recipients."),
        row<s>("strike_memory", &s::strike_memory, durations(hours{0}, hours{24 * 366}),
               "RECENT_STRIKES, RECENT_VERDICTS: strikes and verdicts of the account that are younger than this; 0 s: "
               "never."),
        row<s>("recent_verdicts", &s::recent_verdicts, integers<std::size_t>(0, 1000),
               "RECENT_VERDICTS: messages of each account whose verdict is remembered; 0: none."),
        row<s>("recent_verdicts_needed", &s::recent_verdicts_needed, integers<std::size_t>(2, 1000),
               "RECENT_VERDICTS: an account is asked about only once so many of its messages are remembered."),
        row<s>("recent_verdicts_share", &s::recent_verdicts_share, reals(0.01, 1),
               "RECENT_VERDICTS: at least this share of them would have been tagged, or worse, for what is in them."),
    };
}

} // namespace

const options<content_settings>& content_options() {
    static const options<s> rows = [] {
        auto all = bounds();
        for (auto& one : thresholds())
            all.push_back(std::move(one));
        return all;
    }();
    return rows;
}

} // namespace postsluice::config
