// SPDX-License-Identifier: Apache-2.0
// From findings to a verdict. A check reports, configuration decides: decide() is pure, and `postsluice message test`
// prints what it did. All checks run and all findings reach decide(). A check that errs yields a temperror finding,
// never absence. The order of severity: pass < tag < hold < quarantine < reject < discard; tempfail (on_error) stands
// where nothing worse than tag was found. Score thresholds come from the profile; a finding may force a verdict (a
// virus -> quarantine), which the profile may change by symbol.
#pragma once

#include "shared/config/settings.hpp"
#include "shared/core/reason.hpp"
#include "shared/core/strike.hpp"

#include <iosfwd>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace postsluice::contentfilter {

struct finding {
    std::string symbol; ///< "EXECUTABLE_FILE"
    double score = 0;
    std::string group;    ///< "attachments"
    std::string evidence; ///< for operators: a file name, a host; never body text
    config::forced_verdict action = config::forced_verdict::none; ///< what the check or rule file asks for
    reason why = reason::score;                                   ///< the reason, where this finding decides
    std::optional<strike_kind> strikes; ///< what it proves about the account, where it decides
    bool temperror = false;             ///< the check could not finish; symbol is CHECK_FAILED
    std::string check = {};             ///< of a temperror: which one could not, for on_error_of
    bool operator==(const finding&) const = default;
};
std::ostream& operator<<(std::ostream& out, const finding& f);

enum class verdict_kind : std::uint8_t { pass, tag, tempfail, hold, quarantine, reject, discard };
std::string_view to_string(verdict_kind v) noexcept;
std::ostream& operator<<(std::ostream& out, verdict_kind v);

struct verdict {
    verdict_kind kind = verdict_kind::pass;
    reason why = reason::none;
    double score = 0;
    std::vector<finding> findings;      ///< with scores and actions as configured, highest first
    std::optional<strike_kind> strikes; ///< the worst proof among deciding findings
    bool observed = false;              ///< observe mode: `kind` is what it would have been; the message passes
};

/// What decide() needs of the configuration.
struct verdict_policy {
    const config::profile& profile;
    config::filter_error_policy on_error;
    bool observe; ///< global or profile observe mode
    /// What a temperror of one check does instead of on_error, by its name; null: nothing else.
    const std::map<std::string, config::filter_error_policy>* on_error_of = nullptr;
    /// What single symbols come to at least, whatever the profile says of them; null: nothing.
    const std::map<std::string, config::symbol_setting>* at_least = nullptr;
};
/// A forced verdict of hold or worse stands whatever the score is (a virus for the quarantine is not bounced because it
/// scores high); below that the worse of the two counts. A threshold of 0 or less is off. Temperrors cannot be
/// re-scored or switched off by symbol. The reason is that of the gravest finding (verdict, then strike, then score);
/// strikes is the worst proof among all that would have stopped the message by themselves, or that added to the score
/// which did.
[[nodiscard]] verdict decide(std::vector<finding> findings, const verdict_policy& policy);
/// Would the message be tagged, or worse, without what the account's past adds (RECENT_STRIKES, RECENT_VERDICTS), and
/// without checks that failed? What an account is remembered by must not feed on the memory.
[[nodiscard]] bool is_bad_by_itself(verdict v, const config::profile& profile);
/// The findings as a table and the verdict in a last line, for people (`postsluice message test`).
[[nodiscard]] std::string describe(const verdict& v);

} // namespace postsluice::contentfilter
