// SPDX-License-Identifier: Apache-2.0
// A rule: one question the policy daemon asks of a recipient (RCPT TO) of one of our accounts; it answers with a
// decision, or passes with decision_kind::dunno. One source file, one line in rules.def, one test file, one section of
// the manual. Rules keep no state of their own and decide as if the mode were "enforce": observe mode, abuse_address
// (always reachable), what a failure does (on_error), references, events and counters are the pipeline's, in one place.
// A failure of a rule is an error value, never a pass. What a rule charges without a wait is not committed yet
// (transaction::uncommitted): the pipeline sees to it before anybody is told.
#pragma once

#include "policyd/decision.hpp"
#include "policyd/lock_book.hpp"
#include "policyd/request.hpp"
#include "shared/account/identify.hpp"
#include "shared/account/ticket.hpp"
#include "shared/config/settings.hpp"
#include "shared/state/accounting.hpp"
#include "shared/state/trend_store.hpp"

#include <span>

namespace postsluice::maps {
class map_set;
}
namespace postsluice::dns {
class resolver;
}
namespace postsluice::auth {
class spf_checker;
class batv_keys;
} // namespace postsluice::auth

namespace postsluice::policyd {

class limit_book;

/// What rules may ask besides the state. The daemon has all of them; a test gives what its rule needs.
struct rule_helpers {
    maps::map_set* maps = nullptr;
    dns::resolver* resolver = nullptr;
    auth::spf_checker* spf = nullptr;
    auth::batv_keys* batv = nullptr;
    state::trend_store* trends = nullptr;
    limit_book* limits = nullptr; ///< the pipeline gives its own
};

/// What `trend` noted of the recipients of a message, until DATA tells that it is one.
struct trend_notes {
    static constexpr std::size_t most = 1000; ///< more are counted, but not known again
    std::vector<std::uint64_t> recipients;    ///< keyed hashes, each once
    std::uint32_t fresh = 0;                  ///< those of them that were new to the account
    bool observed = false;                    ///< DATA was there
};

/// What `limits` asks of the accounting; kept for its memory, filled in anew each time.
struct charge_requests {
    state::admit_request admit;
    state::data_request data;
};

/// What a connection knows of the transaction it last spoke for.
struct transaction {
    state::transaction_id id;
    struct hook* seen_by = nullptr; ///< the place in Postfix's configuration it comes from (pipeline)
    bool held = false;              ///< RCPT was answered with HOLD
    bool reserved = false; ///< accounting holds something for it through this connection, which an abort would release
    bool counted = false;  ///< a recipient was counted
    std::uint32_t exempt = 0;            ///< recipients that passed though a rule refused: abuse_address
    std::uint32_t refused_by_others = 0; ///< recipients that passed here and that DATA lacks
    bool rcpt = false, data = false, ended = false;
    bool uncommitted = false; ///< the request under way charged something that is not committed yet
    trend_notes trend;
    charge_requests asks;
};

/// Everything a rule may look at. Lives in the frame of the coroutine that asks.
struct rule_context {
    const request& what;
    const config::settings& settings;
    const config::profile& profile;
    const account::identity& who;
    instant now;
    std::uint64_t connection;
    bool observe; ///< of the rule that is asked: charge even what is refused, since nobody will refuse it
    transaction& current;
    lock_book& locks;
    state::accounting& accounts;
    rule_helpers helpers = {};
};

using rule_answer = result<decision>;

struct rule {
    std::string_view name;
    rule_answer (*judge)(const rule_context&) = nullptr; ///< one of the two is set, or both and `waits`
    boost::asio::awaitable<rule_answer> (*wait)(const rule_context&) = nullptr;
    bool (*waits)(const rule_context&) noexcept = nullptr; ///< which of the two to ask
    bool (*asks)(const rule_context&) noexcept = nullptr;  ///< false: it passes, without a wait to begin; null: it asks
    [[nodiscard]] bool at_once(const rule_context& c) const {
        return judge != nullptr && (waits == nullptr || !waits(c));
    }
};

/// All rules, in the order of rules.def.
[[nodiscard]] std::span<const rule> all_rules() noexcept;
/// Those that are asked of clients that are no account of ours, in the order of inbound.def. Their context has the
/// account "-", the profile "default" and nothing to charge.
[[nodiscard]] std::span<const rule> inbound_rules() noexcept;

namespace rules {

#define POSTSLUICE_RULE(name) rule_answer name(const rule_context&);
#define POSTSLUICE_WAITING_RULE(name)                                                                                  \
    bool name##_asks(const rule_context&) noexcept;                                                                    \
    boost::asio::awaitable<rule_answer> name(const rule_context&);
#define POSTSLUICE_MAP_RULE(name)                                                                                      \
    bool name##_waits(const rule_context&) noexcept;                                                                   \
    rule_answer name(const rule_context&);                                                                             \
    boost::asio::awaitable<rule_answer> name##_waiting(const rule_context&);
#include "shared/core/inbound.def"
#include "shared/core/rules.def"
#undef POSTSLUICE_RULE
#undef POSTSLUICE_WAITING_RULE
#undef POSTSLUICE_MAP_RULE

/// The other half of `limits`, at DATA: recipients that RCPT never asked about are charged, those that others refused
/// refunded.
rule_answer limits_at_data(const rule_context& context);
/// Counts the recipient of the request under the limits on invalid recipients; for the rule that refuses it. A failure
/// is the rule's trouble.
boost::asio::awaitable<result<void>> count_invalid_recipient(const rule_context& context);
/// The other half of `trend`, at DATA: takes note of the message, without delay for its reply. nullopt: nothing to
/// note.
std::optional<boost::asio::awaitable<result<void>>> trend_at_data(const rule_context& context);
/// How many new recipients that note has, for the ticket; nullopt: there is none.
std::optional<std::uint32_t> new_recipients_for_trend(const rule_context& context);
/// Takes the note back of a message that the filter put off. Nothing, where there was none.
boost::asio::awaitable<result<void>> trend_taken_back(state::trend_store* trends, account::ticket put_off);

} // namespace rules

} // namespace postsluice::policyd
