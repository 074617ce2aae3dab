// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/bayes/trainer.hpp"
#include "contentfilter/control_json.hpp"
#include "contentfilter/intake/collector.hpp"
#include "contentfilter/service.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace postsluice::contentfilter {

namespace asio = boost::asio;
using namespace control_json;

namespace {

constexpr std::size_t most_messages = 1000;

result<std::optional<state::mail_class>> class_of(const json& request) {
    const auto as = text(request, "as", true);
    if (!as) return as.error();
    if (*as == "spam") return std::optional{state::mail_class::spam};
    if (*as == "ham") return std::optional{state::mail_class::ham};
    if (*as == "nothing") return std::optional<state::mail_class>{};
    return failure{errc::malformed, "argument \"as\" is neither spam nor ham nor nothing"};
}

result<message_ptr> message_in(const json& encoded, const config::settings_ptr& settings) {
    if (!encoded.is_string()) return failure{errc::malformed, "argument \"messages\" holds something that is no text"};
    const auto content = base64(encoded.get_ref<const std::string&>());
    if (!content) return content.error();
    collector collect{settings};
    collect.add(crlf_lines(*content));
    auto made = collect.finish({});
    if (!made) return made.error();
    return message_ptr{std::move(*made)};
}

result<std::vector<message_ptr>> messages_of(const json& request, const config::settings_ptr& settings) {
    const auto given = request.find("messages");
    if (given == request.end() || !given->is_array() || given->empty() || given->size() > most_messages)
        return failure{errc::malformed, "argument \"messages\" is not a list of 1 to 1000 messages"};
    std::vector<message_ptr> out;
    for (const auto& one : *given) {
        auto made = message_in(one, settings);
        if (!made) return made.error();
        out.push_back(std::move(*made));
    }
    return out;
}

answer learn(service* s, control::request_context who, arguments given) {
    if (s->of().trainer == nullptr) co_return failure{errc::unsupported, "nothing can be learned here"};
    const auto as = class_of(*given);
    if (!as) co_return as.error();
    auto messages = messages_of(*given, s->settings());
    if (!messages) co_return messages.error();
    const auto done = co_await s->of().trainer->teach(*as, std::move(*messages));
    if (!done) co_return done.error();
    json outcomes = json::array();
    for (const auto one : *done)
        outcomes.push_back(to_string(one));
    log::info("learned")
        .kv("as", given->at("as").get_ref<const std::string&>())
        .kv("messages", done->size())
        .kv("actor", who.actor);
    co_return control::success({{"outcomes", std::move(outcomes)}});
}

answer learn_status(service* s, control::request_context, arguments) {
    json learned;
    if (const auto known = learned_so_far(*s, learned); !known) co_return known.error();
    co_return control::success(std::move(learned));
}

} // namespace

result<void> learned_so_far(service& s, json& out) {
    if (s.of().trainer == nullptr) return failure{errc::unsupported, "nothing can be learned here"};
    const auto settings = s.settings();
    const auto& how = settings->bayes;
    const auto total = s.of().trainer->total(how.half_life);
    if (!total) return total.error();
    const bool speaks = total->messages.spam >= static_cast<double>(how.min_spam) &&
                        total->messages.ham >= static_cast<double>(how.min_ham);
    out = {{"spam", total->messages.spam},
           {"ham", total->messages.ham},
           {"tokens", total->tokens},
           {"remembered", total->remembered},
           {"min_spam", how.min_spam},
           {"min_ham", how.min_ham},
           {"speaks", speaks},
           {"max_tokens", how.max_tokens},
           {"max_learned", how.max_learned},
           {"half_life", how.half_life.count()}};
    return {};
}

void add_learn_verbs(control::server& to, service& what) {
    const auto s = &what;
    to.on("learn", [s](auto who, auto given) { return learn(s, std::move(who), std::move(given)); });
    to.on("learn status", [s](auto who, auto given) { return learn_status(s, std::move(who), std::move(given)); });
}

} // namespace postsluice::contentfilter
