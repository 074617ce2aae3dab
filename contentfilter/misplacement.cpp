// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/misplacement.hpp"

#include "contentfilter/intake/identity.hpp"
#include "shared/account/ticket.hpp"
#include "shared/control/control.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

namespace postsluice::contentfilter {

namespace asio = boost::asio;
using nlohmann::json;

namespace {

std::uint64_t number_in(const json& answer, const char* group, const char* name) {
    const auto at = answer.find(group);
    return at == answer.end() || !at->is_object() ? 0 : at->value(name, std::uint64_t{0});
}

asio::awaitable<std::optional<misplacement::asked>> ask_policyd(config::settings_ptr settings) {
    json request{{"verb", "traffic"}};
    auto socket = settings->control.directory / "policyd.sock";
    const std::chrono::milliseconds patience = settings->contentfilter.refund_timeout; // as for what else it is asked
    const auto answer = co_await control::ask(std::move(socket), std::move(request), patience);
    if (!answer || !answer->value("ok", false)) co_return std::nullopt;
    co_return misplacement::asked{number_in(*answer, "requests", "rcpt"), number_in(*answer, "tickets", "issued"),
                                  number_in(*answer, "tickets", "failed")};
}

/// Since then; all of it where the other daemon was started again.
std::uint64_t since(std::uint64_t before, std::uint64_t now) noexcept {
    return now >= before ? now - before : now;
}

} // namespace

void count_if_unasked(const message& what, counters& counts) {
    if (what.sender.by != sender_identity::proof::none || !came_over_the_network(what.envelope) ||
        what.header.find(account::ticket_header) != nullptr)
        return;
    const auto& known = what.envelope.xforward;
    const auto at = known.contains("ADDR") ? known.find("ADDR") : known.find("NAME");
    counts.count_unasked(at->second);
}

asio::awaitable<void> misplacement::look(instant now, config::settings_ptr settings, const counters& counts) {
    if (looked_ != instant{} && now - looked_ < (before_ ? every : again)) co_return;
    looked_ = now;
    const auto policyd = co_await ask_policyd(std::move(settings));
    compare(policyd, counts);
}

void misplacement::compare(const std::optional<asked>& policyd, const counters& counts) {
    if (!policyd) {
        before_.reset();
        return;
    }
    const auto [unasked_now, client] = counts.unasked();
    const seen now{*policyd, counts.messages.load(), unasked_now};
    const auto before = std::exchange(before_, now);
    if (!before) return;
    const auto passed = since(before->policyd.tickets, policyd->tickets);
    if (passed >= enough && now.messages == before->messages)
        log::warning("policyd passed messages in the last hour, but none of them came here: they leave neither scanned "
                     "nor signed; set content_filter for the services where users submit (postsluice doctor)")
            .kv("messages", passed);
    // Of some it was asked, and could not make a ticket.
    const auto unasked = now.unasked - before->unasked;
    const auto failed = since(before->policyd.tickets_failed, policyd->tickets_failed);
    if (unasked < failed + enough) return;
    const char* complaint =
        since(before->policyd.rcpt, policyd->rcpt) == 0
            ? "policyd was asked nothing in the last hour, but clients sent messages: nobody is limited; "
              "check_policy_service belongs into the services where users submit (postsluice doctor)"
            : "messages of the last hour came from clients that policyd was not asked about: a permit "
              "(permit_mynetworks, permit_sasl_authenticated) stands before check_policy_service, or a service does "
              "not ask it (postsluice doctor)";
    log::warning(complaint).kv("messages", unasked - failed).kv("client", client);
}

} // namespace postsluice::contentfilter
