// SPDX-License-Identifier: Apache-2.0
// The option rows: one per scalar member of the settings, with its key, the member, the codec that holds its range, and
// one sentence of help. Reading, --print-defaults, the sample file, `postsluice config defaults` and the manual's lint
// all walk these rows, so an option exists everywhere or nowhere. To add one: the member with its default in
// settings.hpp, its row here. A key with a dot ("lock.for") is a key of a table inside the section.
#pragma once

#include "shared/config/codec.hpp"

namespace postsluice::config {

template <class Section>
struct option {
    std::string key, help, range, example; ///< `example`: what the sample shows where the default is empty
    std::function<void(const node&, Section&, const report&)> read;
    std::function<std::string(const Section&)> print;
};
template <class Section>
using options = std::vector<option<Section>>;

/// `member`: a member pointer, or a function from the section to a reference.
template <class Section, class Member, class T>
option<Section> row(std::string key, Member member, codec<T> values, std::string help, std::string example = {}) {
    return {
        std::move(key),
        std::move(help),
        values.range,
        std::move(example),
        [=, read = std::move(values.read)](const node& from, Section& into, const report& to) {
            read(from, std::invoke(member, into), to);
        },
        [=, print = std::move(values.print)](const Section& section) { return print(std::invoke(member, section)); }};
}

/// A profile before inheritance.
struct profile_entry : profile {
    std::string inherits;
};

[[nodiscard]] const options<settings>& top_options();
[[nodiscard]] const options<state_settings>& state_options();
[[nodiscard]] const options<log_settings>& log_options();
[[nodiscard]] const options<control_settings>& control_options();
[[nodiscard]] const options<policyd_settings>& policyd_options();
[[nodiscard]] const options<filter_settings>& contentfilter_options();
[[nodiscard]] const options<content_settings>& content_options();
[[nodiscard]] const options<bayes_settings>& bayes_options();
[[nodiscard]] const options<archive_settings>& archive_options();
[[nodiscard]] const options<macro_settings>& macro_options();
[[nodiscard]] const options<hash_settings>& hash_options();
[[nodiscard]] const options<fingerprint_settings>& fingerprint_options();
[[nodiscard]] const options<clamd_settings>& clamd_options();
[[nodiscard]] const options<spamd_settings>& spamd_options();
[[nodiscard]] const options<rspamd_settings>& rspamd_options();
[[nodiscard]] const options<url_list_settings>& url_list_options();
[[nodiscard]] const options<quarantine_settings>& quarantine_options();
[[nodiscard]] const options<dkim_settings>& dkim_options();
[[nodiscard]] const options<profile_entry>& profile_options();
[[nodiscard]] const options<account_entry>& account_options();
[[nodiscard]] const options<customer_entry>& customer_options();
[[nodiscard]] const options<assign_entry>& assign_options();
[[nodiscard]] const options<settings_entry>& settings_options();
[[nodiscard]] const options<dns_settings>& dns_options();
[[nodiscard]] const options<spf_settings>& spf_options();
[[nodiscard]] const options<batv_settings>& batv_options();
[[nodiscard]] const options<setup_settings>& setup_options();

/// What a profile starts from, and what every account has where the file has no [profile.default].
[[nodiscard]] profile_entry built_in_profile();

// The codecs of a profile. Limits and symbols join what is there already (the inherited ones): a limit replaces the one
// of the same unit and period, a symbol the members that are named.
[[nodiscard]] codec<std::vector<limit>> limit_lists();
[[nodiscard]] codec<std::vector<lock_trigger>> trigger_lists();
[[nodiscard]] codec<from_rule> from_rules();
[[nodiscard]] codec<std::map<std::string, symbol_setting>> symbol_tables();
[[nodiscard]] codec<limit_action> limit_actions();
/// A limit "<N> <unit> per day" without scope and consequence.
[[nodiscard]] codec<limit> trend_floors();

/// Calls visit(name, help, the section, its rows) for each plain section, in the order of the sample file.
template <class Settings, class Visit>
void for_each_section(Settings& s, Visit visit) {
    visit("state",
          "Where counters, locks, strikes and the quarantine's index are kept; one directory for both daemons.",
          s.state, state_options());
    visit("log", "One key=value line per event.", s.log, log_options());
    visit("control", "The daemons' control sockets: what the postsluice command speaks to.", s.control,
          control_options());
    visit("policyd", "postsluice-policyd: may this account send this, now?", s.policyd, policyd_options());
    visit("contentfilter", "postsluice-contentfilter: what is in the message?", s.contentfilter,
          contentfilter_options());
    visit("content", "What the filter's checks of headers, text and links read, and from where on it counts.",
          s.content, content_options());
    visit("bayes", "What the bayes check says, and what it keeps of the mail that it was taught with.", s.bayes,
          bayes_options());
    visit("archives", "What the archives check unpacks; what is beyond a bound is a finding.", s.archives,
          archive_options());
    visit("macros", "What the macros check reads of office documents.", s.macros, macro_options());
    visit("hashes", "Files that are known by their SHA-256.", s.hashes, hash_options());
    visit("fingerprints", "What counts as the same letter, and how often it may be sent.", s.fingerprints,
          fingerprint_options());
    visit("clamd", "ClamAV's daemon, for the clamd check.", s.clamd, clamd_options());
    visit("spamd", "SpamAssassin's daemon, for the spamd check.", s.spamd, spamd_options());
    visit("rspamd", "Rspamd's normal worker, for the rspamd check.", s.rspamd, rspamd_options());
    visit("url_lists", "DNS lists of the domains that links lead to.", s.url_lists, url_list_options());
    visit("quarantine", "Where stopped messages are kept.", s.quarantine, quarantine_options());
    visit("dkim", "Signing (RFC 6376, RFC 8463).", s.dkim, dkim_options());
    visit("dns", "Questions to the DNS; their answers are cached.", s.dns, dns_options());
    visit("spf", "SPF (RFC 7208) of the domains that accounts send from.", s.spf, spf_options());
    visit("batv", "Tagged reverse-paths, so that bounces of mail that never was ours are refused (BATV).", s.batv,
          batv_options());
    visit("setup", "What `postsluice setup` waits for, and how long.", s.setup, setup_options());
}

} // namespace postsluice::config
