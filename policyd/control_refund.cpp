// SPDX-License-Identifier: Apache-2.0
// The verb "refund": before the queue the filter told the client to come again, after END-OF-MESSAGE had settled.
#include "policyd/control_verbs.hpp"
#include "policyd/rules/rule.hpp"
#include "policyd/service.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <nlohmann/json.hpp>

namespace postsluice::policyd {

namespace asio = boost::asio;
using nlohmann::json;

// The seal says that the transaction was ours, and accounting that it was not given back before.
asio::awaitable<result<json>> refund(service& s, control::request_context, std::shared_ptr<const json> given) {
    const auto at = given->find("ticket");
    if (at == given->end() || !at->is_string()) {
        co_return failure{errc::malformed, "argument \"ticket\" is missing, or no text"};
    }
    const auto ticket = s.of().tickets.unseal(at->get_ref<const std::string&>());
    if (!ticket) {
        co_return ticket.error();
    }
    if (ticket->server.empty() || ticket->queue_id != "-") {
        co_return failure{errc::malformed, "the ticket is of a message that was queued"};
    }
    state::transaction_id id{ticket->server, ticket->instance};
    const auto given_back = co_await s.of().accounts.take_back(std::move(id));
    if (!given_back) {
        co_return given_back.error();
    }
    if (*given_back) {
        auto put_off = *ticket;
        if (const auto done = co_await rules::trend_taken_back(s.of().trends, std::move(put_off)); !done) {
            log::warning("trend counts what was put off")
                .kv("account", ticket->account)
                .kv("why", done.error().message());
        }
    }
    co_return control::success({{"account", printable(ticket->account, 1000)}, {"refunded", *given_back}});
}

} // namespace postsluice::policyd
