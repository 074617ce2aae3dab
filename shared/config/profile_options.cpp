// SPDX-License-Identifier: Apache-2.0
// The rows of [profile.NAME], [[account]] and [[assign]], with the readers of the values that have a language of their own.
#include "shared/config/limit_language.hpp"
#include "shared/config/options.hpp"

#include <algorithm>
#include <array>

namespace postsluice::config {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

std::string wrong_kind(std::string_view wanted, const toml::node& node) {
    return "must be " + std::string{wanted} + ", not " + std::string{kind_of(node)};
}

// ---- limits -----------------------------------------------------------------------------------------------------

complaint read_limits(const toml::node& node, profile& p) {
    std::vector<std::string> texts;
    if (auto wrong = codec<std::vector<std::string>>::read(node, texts, {})) return wrong;
    std::vector<limit> own;
    for (const auto& text : texts) {
        const auto one = parse_limit(text);
        if (!one) return in_quotes(text) + ": " + one.error().detail;
        for (const auto& other : own)
            if (other.same_subject(*one)) return in_quotes(text) + ": " + subject(*one) + " is limited twice in this list";
        own.push_back(*one);
    }
    for (const auto& one : own) { // same unit and period: replaces the inherited one
        const auto inherited = std::find_if(p.limits.begin(), p.limits.end(), [&](const limit& l) { return l.same_subject(one); });
        if (inherited != p.limits.end())
            *inherited = one;
        else
            p.limits.push_back(one);
    }
    return {};
}
std::string print_limits(const profile& p) {
    std::vector<std::string> texts;
    for (const auto& l : p.limits) texts.push_back(to_string(l));
    return codec<std::vector<std::string>>::print(texts);
}

// ---- from -------------------------------------------------------------------------------------------------------

constexpr std::array<std::string_view, 3> from_words = {"own-address", "own-domain", "any"};

complaint read_from(const toml::node& node, profile& p) {
    std::vector<std::string> entries;
    if (auto wrong = codec<std::vector<std::string>>::read(node, entries, {})) return wrong;
    if (node.is_string()) {
        const auto word = std::find(from_words.begin(), from_words.end(), entries.front());
        if (word != from_words.end()) {
            constexpr std::array kinds = {from_rule::kind::own_address, from_rule::kind::own_domain, from_rule::kind::any};
            p.from = {kinds[static_cast<std::size_t>(word - from_words.begin())], {}};
            return {};
        }
        if (entries.front().find('@') == std::string::npos)
            return in_quotes(entries.front()) + " is not known; use \"own-address\", \"own-domain\", \"any\" or a list of addresses" +
                   suggest(entries.front(), from_words);
    }
    for (auto& entry : entries) {
        entry = to_lower(entry);
        const auto at = entry.rfind('@');
        if (at == std::string::npos || at + 1 == entry.size())
            return in_quotes(entry) + " is neither an address nor a domain; write \"user@example.org\", \"@example.org\" or \"@*.example.org\"";
    }
    p.from = {from_rule::kind::list, std::move(entries)};
    return {};
}
std::string print_from(const profile& p) {
    switch (p.from.what) {
    case from_rule::kind::own_address: return "\"own-address\"";
    case from_rule::kind::own_domain: return "\"own-domain\"";
    case from_rule::kind::any: return "\"any\"";
    case from_rule::kind::list: break;
    }
    return codec<std::vector<std::string>>::print(p.from.entries);
}

// ---- lock, scores, symbols: tables in a table -----------------------------------------------------------------------

template <class Read>
complaint each_member(const toml::node& node, std::span<const std::string_view> keys, Read read) {
    const auto* table = node.as_table();
    if (table == nullptr) return wrong_kind("a table", node);
    for (const auto& [key, value] : *table) {
        if (std::find(keys.begin(), keys.end(), key.str()) == keys.end())
            return in_quotes(key.str()) + " is not a member of it" + suggest(key.str(), keys);
        if (auto wrong = read(key.str(), value)) return std::string{key.str()} + ": " + *wrong;
    }
    return {};
}

complaint read_lock(const toml::node& node, profile& p) {
    static constexpr std::array<std::string_view, 3> keys = {"after", "for", "automatic_unlocks"};
    return each_member(node, keys, [&](std::string_view key, const toml::node& value) -> complaint {
        if (key == "for") return codec<seconds>::read(value, p.lock.duration, {60, 30 * 86400});
        if (key == "automatic_unlocks") return codec<std::uint32_t>::read(value, p.lock.automatic_unlocks, {0, 1000});
        std::vector<std::string> texts;
        if (auto wrong = codec<std::vector<std::string>>::read(value, texts, {})) return wrong;
        std::vector<lock_trigger> triggers;
        for (const auto& text : texts) {
            const auto trigger = parse_trigger(text);
            if (!trigger) return in_quotes(text) + ": " + trigger.error().detail;
            triggers.push_back(*trigger);
        }
        p.lock.after = std::move(triggers);
        return {};
    });
}
std::string print_lock(const profile& p) {
    std::vector<std::string> texts;
    for (const auto& t : p.lock.after) texts.push_back(to_string(t));
    return "{ after = " + codec<std::vector<std::string>>::print(texts) + ", for = " + in_quotes(to_string(p.lock.duration)) +
           ", automatic_unlocks = " + std::to_string(p.lock.automatic_unlocks) + " }";
}

complaint read_scores(const toml::node& node, profile& p) {
    static constexpr std::array<std::string_view, 3> keys = {"tag", "hold", "reject"};
    return each_member(node, keys, [&](std::string_view key, const toml::node& value) {
        double& out = key == "tag" ? p.tag_score : key == "hold" ? p.hold_score : p.reject_score;
        return codec<double>::read(value, out, {0, 1e6});
    });
}
std::string print_scores(const profile& p) {
    return "{ tag = " + codec<double>::print(p.tag_score) + ", hold = " + codec<double>::print(p.hold_score) +
           ", reject = " + codec<double>::print(p.reject_score) + " }";
}

complaint read_symbols(const toml::node& node, profile& p) {
    static constexpr std::array<std::string_view, 3> keys = {"score", "action", "enabled"};
    const auto* table = node.as_table();
    if (table == nullptr) return wrong_kind("a table of symbols", node);
    for (const auto& [symbol, value] : *table) {
        symbol_setting& setting = p.symbols[std::string{symbol.str()}];
        auto wrong = each_member(value, keys, [&](std::string_view key, const toml::node& member) -> complaint {
            if (key == "score") return codec<double>::read(member, setting.score.emplace(), {-1e6, 1e6});
            if (key == "action") return codec<forced_verdict>::read(member, setting.action.emplace(), {});
            return codec<bool>::read(member, setting.enabled, {});
        });
        if (wrong) return std::string{symbol.str()} + ": " + *wrong;
    }
    return {};
}
std::string print_symbols(const profile& p) {
    std::string out = "{";
    for (const auto& [symbol, s] : p.symbols) {
        out += (out.size() > 1 ? ", " : " ") + symbol + " = { ";
        if (s.score) out += "score = " + codec<double>::print(*s.score) + ", ";
        if (s.action) out += "action = " + codec<forced_verdict>::print(*s.action) + ", ";
        out += std::string{"enabled = "} + (s.enabled ? "true" : "false") + " }";
    }
    return out + (p.symbols.empty() ? "}" : " }");
}

complaint read_mode(const toml::node& node, profile& p) {
    run_mode mode{};
    if (auto wrong = codec<run_mode>::read(node, mode, {})) return wrong;
    p.observe = mode == run_mode::observe;
    return {};
}
std::string print_mode(const profile& p) { return p.observe ? "\"observe\"" : "\"enforce\""; }

} // namespace

profile built_in_profile() {
    profile p;
    p.from.what = from_rule::kind::own_domain;
    p.lock.after = {{1, strike_kind::virus, strike_memory}, {2, strike_kind::phish, seconds{86400}}, {5, strike_kind::spam, seconds{600}}};
    p.lock.duration = seconds{1800};
    p.lock.automatic_unlocks = 1;
    return p;
}

profile default_profile() {
    profile p = built_in_profile();
    p.limits = {{30, limit_unit::messages, seconds{60}}, {300, limit_unit::recipients, seconds{3600}}, {1000, limit_unit::recipients, seconds{86400}}};
    return p;
}

#define ROW(type, member, least, most, help)                                                                           \
    make_option<type>(#member, [](type& s) -> auto& { return s.member; }, bounds{least, most}, help)

const std::vector<option<profile>>& profile_options() {
    static const std::vector<option<profile>> rows = {
        {"limits", read_limits, print_limits, "a list, each \"N|unlimited messages|recipients per [K] minute|hour|day\"",
         "How much the account may send; an inherited limit of the same unit and period is replaced."},
        {"from", read_from, print_from, "\"own-address\", \"own-domain\", \"any\", or a list of addresses and domains",
         "Whom the account may name as its sender."},
        ROW(profile, header_from, 0, inf, "Whether `from` also holds for the header From."),
        {"lock", read_lock, print_lock, "{ after = [\"N kind in TIME\", ...], for = TIME, automatic_unlocks = N }",
         "Which strikes lock the account, for how long, and how often it opens by itself."},
        ROW(profile, when_locked, 0, inf, "Whether a locked account's clients are told to try later, or refused for good."),
        {"mode", read_mode, print_mode, "one of \"enforce\", \"observe\"", "Observe: decide, count and log for these accounts, refuse nothing."},
        {"scores", read_scores, print_scores, "{ tag = N, hold = N, reject = N }", "From which score a message is tagged, held or refused."},
        {"symbols", read_symbols, print_symbols, "{ SYMBOL = { score = N, action = VERDICT, enabled = BOOL }, ... }",
         "What configuration makes of single findings."},
        ROW(profile, disabled_checks, 0, inf, "Checks that do not run for these accounts."),
        ROW(profile, subject_prefix, 0, inf, "Put before the Subject of tagged mail."),
        ROW(profile, tag_header, 0, inf, "Whether tagged mail carries X-Postsluice-Score."),
        ROW(profile, remove_headers, 0, inf, "Header fields taken out before signing."),
        ROW(profile, max_message_size, 0, inf, "The largest message of these accounts; 0: contentfilter.max_message_size."),
    };
    return rows;
}

const std::vector<option<account_entry>>& account_options() {
    static const std::vector<option<account_entry>> rows = {
        ROW(account_entry, name, 0, inf, "The account's name."),
        ROW(account_entry, login, 0, inf, "SASL logins that are this account; * stands for any text."),
        ROW(account_entry, network, 0, inf, "Addresses from which unauthenticated mail is this account's."),
        ROW(account_entry, domains, 0, inf, "What own-domain means for it."),
        ROW(account_entry, aliases, 0, inf, "Addresses that own-address allows besides the login."),
    };
    return rows;
}

const std::vector<option<assign_entry>>& assign_options() {
    static const std::vector<option<assign_entry>> rows = {
        ROW(assign_entry, profile, 0, inf, "The profile that matching accounts get."),
        ROW(assign_entry, login, 0, inf, "SASL logins; * stands for any text."),
        ROW(assign_entry, account, 0, inf, "Account names; * stands for any text."),
    };
    return rows;
}
#undef ROW

} // namespace postsluice::config
