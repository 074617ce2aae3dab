// SPDX-License-Identifier: Apache-2.0
// [[settings]]: what holds for some messages, and what fingerprints are made of.
#include "shared/config/options.hpp"

namespace postsluice::config {
namespace {

using std::chrono::hours;
using s = settings_entry;

const word_rows<sender_origin> origins = {{sender_origin::authenticated, "authenticated"},
                                          {sender_origin::listed, "listed"},
                                          {sender_origin::local, "local"},
                                          {sender_origin::unknown, "unknown"}};
constexpr double max_score = 10'000;
constexpr std::uint32_t max_priority = 1000;

/// A number, or the word for none: what the profile says.
codec<std::optional<double>> thresholds() {
    const auto number = reals(-max_score, max_score);
    return {[=](const node& from, std::optional<double>& into, const report& to) {
                if (from.is(node::kind::string)) {
                    if (from.text != "profile") return to.add(from, not_one_of(from.text, {"profile"}));
                    return into.reset();
                }
                double value = 0;
                const auto before = to.count();
                number.read(from, value, to);
                if (to.count() == before) into = value;
            },
            [=](const std::optional<double>& value) { return value ? number.print(*value) : quote("profile"); },
            number.range + R"(, or "profile")"};
}

options<s> conditions() {
    return {
        row<s>("name", &s::name, texts(rules::name, "a name"),
               "What the log and `postsluice message test` call these settings.", R"("newsletter")"),
        row<s>("priority", &s::priority, integers<std::uint32_t>(0, max_priority),
               "Of those that match, the one with the highest applies; of the same priority the first in the file."),
        row<s>("account", &s::account, text_lists(rules::login, "a list of accounts"),
               "Accounts; '*' is any run of characters.", R"(["news@example.org"])"),
        row<s>("login_domain", &s::login_domain,
               text_lists(rules::domain_or_below, "a list of domains, or \"*.domain\""), "The domains of their logins.",
               R"(["example.org", "*.example.org"])"),
        row<s>("network", &s::network, network_lists(), "The addresses that their clients connect from.",
               R"(["192.0.2.0/24"])"),
        row<s>(
            "origin", &s::origin, word_lists(origins),
            "How the sender is known: by a login, as an [[account]] with a network or certificate, as a user of this "
            "machine, or not at all."),
        row<s>("sender", &s::sender, text_lists(rules::address_list_entry, "a list of addresses and domains"),
               "The envelope sender; \"<>\" is the null sender.", R"(["news@example.org", "@*.example.net"])"),
        row<s>("recipient", &s::recipient, text_lists(rules::address_list_entry, "a list of addresses and domains"),
               "The recipients. Where only some of them are listed, what applies only makes it stricter.",
               R"(["@example.com"])"),
        row<s>("header", &s::header, text_lists(rules::header_match, "a list of \"NAME: pattern\""),
               "A header field with such a value; '*' is any run of characters.", R"(["List-Id: *news.example.org*"])"),
    };
}

options<s> consequences() {
    return {
        row<s>("scores.tag", &s::tag_score, thresholds(), "From this score on such a message is tagged."),
        row<s>("scores.hold", &s::hold_score, thresholds(), "From this score on it is held."),
        row<s>("scores.reject", &s::reject_score, thresholds(), "From this score on it is refused."),
        row<s>("symbols", &s::symbols, symbol_tables(),
               "What becomes of a finding; members that are not named stay as in the profile.",
               R"({ MANY_URLS = { score = 0 } })"),
        row<s>("disabled_checks", &s::disabled_checks, text_lists(rules::check, "a list of checks"),
               "Checks that do not run.", R"(["shape"])"),
        row<s>("disabled_groups", &s::disabled_groups, text_lists(rules::check_group, "a list of groups"),
               "Groups of checks that do not run.", R"(["reputation"])"),
        row<s>("enabled_checks", &s::enabled_checks, text_lists(rules::check, "a list of checks"),
               "Checks that run though their group or the profile has them disabled.", R"(["links"])"),
        row<s>("enabled_groups", &s::enabled_groups, text_lists(rules::check_group, "a list of groups"),
               "Groups of checks that run though the profile has them disabled.", R"(["urls"])"),
    };
}

} // namespace

const options<settings_entry>& settings_options() {
    static const options<s> rows = [] {
        auto all = conditions();
        for (auto& one : consequences())
            all.push_back(std::move(one));
        return all;
    }();
    return rows;
}

const options<fingerprint_settings>& fingerprint_options() {
    using f = fingerprint_settings;
    static const options<f> rows = {
        row<f>("min_words", &f::min_words, integers<std::size_t>(10, 10'000),
               "Words of a letter's text that make a fingerprint; a shorter text has none."),
        row<f>("min_elements", &f::min_elements, integers<std::size_t>(10, 10'000),
               "Tags of an HTML part that make a fingerprint of its layout."),
        row<f>("min_file", &f::min_file, sizes({1}, {std::uint64_t{1} << 30U}),
               "Smaller attachments, such as logos and business cards, have no fingerprint."),
        row<f>("similarity", &f::similarity, reals(0.5, 1),
               "Two texts or layouts are the same where at least this share of their pieces is."),
        row<f>("window", &f::window, durations(hours{1}, hours{24 * 90}), "How long it is remembered who sent what."),
        row<f>("many_accounts", &f::many_accounts, integers<std::size_t>(2, 64),
               "CAMPAIGN_ACCOUNTS: so many accounts sent the same within the window."),
        row<f>("many_recipients", &f::many_recipients, integers<std::size_t>(2, 10'000'000),
               "CAMPAIGN_RECIPIENTS: one account sent the same to so many recipients within the window."),
        row<f>("max_campaigns", &f::max_campaigns, integers<std::size_t>(100, 1'000'000),
               "Fingerprints of sent mail that are remembered; the oldest are forgotten."),
        row<f>("max_known", &f::max_known, integers<std::size_t>(10, 100'000),
               "Messages that operators may add with `postsluice fingerprint add`."),
    };
    return rows;
}

} // namespace postsluice::config
