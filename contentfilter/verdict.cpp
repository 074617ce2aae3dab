// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/verdict.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ostream>

namespace postsluice::contentfilter {

namespace {

using config::forced_verdict;

verdict_kind kind_of(forced_verdict action) noexcept {
    switch (action) {
    case forced_verdict::none:
        return verdict_kind::pass;
    case forced_verdict::tag:
        return verdict_kind::tag;
    case forced_verdict::hold:
        return verdict_kind::hold;
    case forced_verdict::quarantine:
        return verdict_kind::quarantine;
    case forced_verdict::reject:
        return verdict_kind::reject;
    case forced_verdict::discard:
        return verdict_kind::discard;
    }
    return verdict_kind::pass;
}

std::string_view action_name(forced_verdict action) noexcept {
    return action == forced_verdict::none ? std::string_view{"none"} : to_string(kind_of(action));
}

verdict_kind by_score(double score, const config::profile& profile) noexcept {
    const auto reached = [&](double threshold) { return threshold > 0 && score >= threshold; };
    if (reached(profile.reject_score)) return verdict_kind::reject;
    if (reached(profile.hold_score)) return verdict_kind::hold;
    if (reached(profile.tag_score)) return verdict_kind::tag;
    return verdict_kind::pass;
}

/// How bad a proof is: malware before phishing before spam.
int weight(const std::optional<strike_kind>& kind) noexcept {
    if (!kind) return 0;
    switch (*kind) {
    case strike_kind::virus:
        return 4;
    case strike_kind::phish:
        return 3;
    case strike_kind::spam:
        return 2;
    case strike_kind::limit:
    case strike_kind::manual:
    case strike_kind::invalid_recipients:
    case strike_kind::stolen_password:
    case strike_kind::complaint:
        return 1;
    }
    return 0;
}

/// Findings as the profile wants them. A temperror cannot be switched off or re-scored: that is on_error's business.
void configure(std::vector<finding>& findings, const verdict_policy& policy) {
    static const std::map<std::string, config::symbol_setting> none;
    const auto& symbols = policy.profile.symbols;
    const auto& at_least = policy.at_least ? *policy.at_least : none;
    std::erase_if(findings, [&](finding& f) {
        if (f.temperror) return false;
        bool counts = true;
        if (const auto setting = symbols.find(f.symbol); setting != symbols.end()) {
            f.score = setting->second.score.value_or(f.score);
            f.action = setting->second.action.value_or(f.action);
            counts = setting->second.counts();
        }
        if (const auto least = at_least.find(f.symbol); least != at_least.end()) {
            f.score = std::max(f.score, least->second.score.value_or(f.score));
            const auto action = least->second.action.value_or(f.action);
            if (kind_of(action) > kind_of(f.action)) f.action = action;
            counts = true;
        }
        return !counts;
    });
    std::stable_sort(findings.begin(), findings.end(), [](const finding& a, const finding& b) {
        return a.score != b.score ? a.score > b.score : kind_of(a.action) > kind_of(b.action);
    });
}

/// The worse proof of two, for the reason: the graver verdict, then the graver strike; the earlier (higher score) stays
/// on a tie.
bool outweighs(const finding& a, const finding& b) noexcept {
    if (a.action != b.action) return kind_of(a.action) > kind_of(b.action);
    return weight(a.strikes) > weight(b.strikes);
}

void apply_forced(verdict& v) {
    const finding* worst = nullptr;
    for (const auto& f : v.findings) {
        const auto kind = kind_of(f.action);
        if (kind == verdict_kind::pass) continue;
        if (!worst || outweighs(f, *worst)) worst = &f;
        // Whatever would have stopped the message by itself proves what it proves, also beside something worse.
        if (kind >= verdict_kind::hold && weight(f.strikes) > weight(v.strikes)) v.strikes = f.strikes;
    }
    if (!worst) return;
    v.kind = kind_of(worst->action);
    v.why = worst->why;
}

void apply_score(verdict& v, const config::profile& profile) {
    // A forced verdict that stops the message stands: a virus for the quarantine is not bounced because its score is
    // high as well.
    if (v.kind >= verdict_kind::hold) return;
    const auto kind = by_score(v.score, profile);
    if (kind <= v.kind) return;
    v.kind = kind;
    // One finding that is enough by itself names the reason; otherwise it is the sum.
    const bool alone = !v.findings.empty() && by_score(v.findings.front().score, profile) == kind;
    v.why = alone ? v.findings.front().why : reason::score;
    if (kind < verdict_kind::hold) return;
    for (const auto& f : v.findings)
        if (f.score > 0 && weight(f.strikes) > weight(v.strikes)) v.strikes = f.strikes;
}

/// The worst of what the checks that failed are to do.
void apply_errors(verdict& v, const verdict_policy& policy) {
    if (v.kind > verdict_kind::tag) return;
    auto kind = verdict_kind::pass;
    for (const auto& f : v.findings) {
        if (!f.temperror) continue;
        auto what = policy.on_error;
        if (policy.on_error_of)
            if (const auto at = policy.on_error_of->find(f.check); at != policy.on_error_of->end()) what = at->second;
        if (what == config::filter_error_policy::hold) kind = verdict_kind::hold;
        if (what == config::filter_error_policy::tempfail) kind = std::max(kind, verdict_kind::tempfail);
    }
    if (kind == verdict_kind::pass) return;
    v.kind = kind;
    v.why = reason::check_failed;
}

} // namespace

verdict decide(std::vector<finding> findings, const verdict_policy& policy) {
    verdict v;
    configure(findings, policy);
    v.findings = std::move(findings);
    for (const auto& f : v.findings)
        v.score += f.score;
    apply_forced(v);
    apply_score(v, policy.profile);
    apply_errors(v, policy);
    v.observed = policy.observe;
    return v;
}

bool is_bad_by_itself(verdict v, const config::profile& profile) {
    std::erase_if(v.findings, [](const finding& f) { return f.temperror || f.symbol.starts_with("RECENT_"); });
    v.kind = verdict_kind::pass;
    v.score = 0;
    for (const auto& f : v.findings)
        v.score += f.score;
    apply_forced(v);
    apply_score(v, profile);
    return v.kind != verdict_kind::pass;
}

std::string_view to_string(verdict_kind v) noexcept {
    switch (v) {
    case verdict_kind::pass:
        return "pass";
    case verdict_kind::tag:
        return "tag";
    case verdict_kind::tempfail:
        return "tempfail";
    case verdict_kind::hold:
        return "hold";
    case verdict_kind::quarantine:
        return "quarantine";
    case verdict_kind::reject:
        return "reject";
    case verdict_kind::discard:
        return "discard";
    }
    return "pass";
}

std::ostream& operator<<(std::ostream& out, verdict_kind v) {
    return out << to_string(v);
}

std::ostream& operator<<(std::ostream& out, const finding& f) {
    out << f.symbol << " score=" << f.score << " group=" << f.group << " action=" << action_name(f.action)
        << " reason=" << to_string(f.why);
    if (f.strikes) out << " strike=" << to_string(*f.strikes);
    if (f.temperror) out << " temperror";
    return out << " evidence=\"" << f.evidence << '"';
}

std::string describe(const verdict& v) {
    std::size_t width = 6;
    for (const auto& f : v.findings)
        width = std::max(width, f.symbol.size());
    const auto number = [](double score) {
        std::array<char, 32> text{};
        std::snprintf(text.data(), text.size(), "%7.1f", score);
        return std::string{text.data()};
    };
    std::string text;
    for (const auto& f : v.findings) {
        text += number(f.score) + "  " + f.symbol + std::string(width - f.symbol.size(), ' ');
        const auto action = action_name(f.action);
        text += "  " + (f.action == forced_verdict::none ? std::string(10, ' ')
                                                         : std::string{action} + std::string(10 - action.size(), ' '));
        text += "  " + f.group + ": " + printable(f.evidence) + "\n";
    }
    if (v.findings.empty()) text += "nothing was found\n";
    text += number(v.score) + "  verdict: " + std::string{to_string(v.kind)};
    if (v.why != reason::none) text += " (" + std::string{to_string(v.why)} + ")";
    if (v.strikes) text += ", strike: " + std::string{to_string(*v.strikes)};
    if (v.observed && v.kind != verdict_kind::pass) text += ", observed only: the message passes";
    return text + "\n";
}

} // namespace postsluice::contentfilter
