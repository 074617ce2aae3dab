// SPDX-License-Identifier: Apache-2.0
#include "policyd/control_verbs.hpp"

#include "config.h"
#include "policyd/control_json.hpp"
#include "policyd/control_pieces.hpp"
#include "policyd/service.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"

#include <unistd.h>
#include <utility>

namespace postsluice::policyd {

namespace asio = boost::asio;
namespace cj = control_json;
using nlohmann::json;

namespace {

constexpr std::size_t most_notices = 1000;

json program() {
    return {{"program", "postsluice-policyd"}, {"version", PACKAGE_VERSION}, {"pid", ::getpid()}};
}

answer ping(service&, control::request_context, arguments) {
    co_return control::success(program());
}

json tickets(const counters& of) {
    return {{"issued", of.tickets}, {"failed", of.tickets_failed}};
}

answer status(service& s, control::request_context, arguments given) {
    const auto& of = s.of();
    const auto settings = s.settings();
    const auto& counts = of.asks.counts();
    auto rows = account_rows(s, number_argument(*given, "accounts", 100), false);
    if (!rows) {
        co_return rows.error();
    }
    json locks = json::array();
    for (const auto& one : locked_now(s)) {
        locks.push_back(cj::lock(one.account, one.lock, of.time.now()));
    }
    const auto notices = of.store.notices(most_notices);
    json out = program();
    out["started"] = cj::time_or_null(s.started());
    out["uptime"] = std::chrono::duration_cast<seconds>(of.time.now() - s.started()).count();
    out["mode"] = settings->mode == config::run_mode::observe ? "observe" : "enforce";
    out["accounting"] = cj::accounting_name(settings->policyd.accounting);
    out["on_error"] = settings->policyd.on_error == config::error_policy::defer ? "defer" : "dunno";
    out["connections"] = {{"now", of.connections.connections()},
                          {"total", counts.connections},
                          {"refused", counts.turned_away},
                          {"limit", of.connections.most()}};
    out["requests"] = cj::requests(counts);
    out["decisions"] = cj::decisions(counts);
    out["observed"] = cj::observed(counts);
    out["trouble"] = counts.trouble;
    out["bounced"] = counts.bounced;
    out["tickets"] = tickets(counts);
    out["hooks"] = cj::hooks(of.asks.hooks());
    out["accounts"] = std::move(*rows);
    out["locks"] = std::move(locks);
    out["notices_waiting"] = notices ? notices->size() : 0;
    out["state"] = {{"healthy", of.healthy()}, {"counters_fill", of.counters_fill()}, {"state_fill", of.state_fill()}};
    co_return control::success(std::move(out));
}

answer traffic(service& s, control::request_context, arguments) {
    const auto& counts = s.of().asks.counts();
    co_return control::success({{"requests", cj::requests(counts)}, {"tickets", tickets(counts)}});
}

answer why(service& s, control::request_context, arguments given) {
    const auto asked = text_argument(*given, "ref", true);
    if (!asked) {
        co_return asked.error();
    }
    const std::string reference = normalise_reference(trim(*asked));
    if (reference.empty()) {
        co_return failure{errc::malformed, "a reference has eight letters and digits"};
    }
    const auto found = s.of().accounts.explain(reference);
    if (!found) {
        co_return found.error();
    }
    if (found->has_value()) {
        auto lock = lock_of(s, (*found)->what.account);
        if (!lock) {
            co_return lock.error();
        }
        const bool locked = lock->is_object() && lock->at("locked").get<bool>();
        co_return control::success(
            {{"kind", "refusal"}, {"refusal", cj::refusal(**found)}, {"lock", locked ? *lock : json(nullptr)}});
    }
    for (const auto& one : locked_now(s)) {
        if (one.lock.reference == reference) {
            co_return control::success(
                {{"kind", "lock"}, {"lock", cj::lock(one.account, one.lock, s.of().time.now())}});
        }
    }
    co_return failure{errc::not_found, "reference " + reference};
}

answer reload(service& s, control::request_context, arguments) {
    json errors = json::array();
    for (const auto& one : s.reload()) {
        errors.push_back(
            {{"file", one.file}, {"line", one.line}, {"key", one.key}, {"text", one.text}, {"message", one.message()}});
    }
    const bool done = errors.empty();
    co_return control::success({{"reloaded", done}, {"errors", std::move(errors)}});
}

} // namespace

void add_verb(control::server& to, service& what, std::string name, verb run) {
    to.on(std::move(name), [run, &what](control::request_context by, arguments given) {
        return run(what, std::move(by), std::move(given));
    });
}

void add_control_verbs(control::server& to, service& what) {
    add_verb(to, what, "ping", &ping);
    add_verb(to, what, "status", &status);
    add_verb(to, what, "traffic", &traffic);
    add_verb(to, what, "why", &why);
    add_verb(to, what, "spf check", &spf_check);
    add_verb(to, what, "bounced", &bounced);
    add_verb(to, what, "refund", &refund);
    add_verb(to, what, "reload", &reload);
    add_account_verbs(to, what);
    add_limit_verbs(to, what);
}

} // namespace postsluice::policyd
