// SPDX-License-Identifier: Apache-2.0
// The verb "bounced": delivery feedback of the content filter.
#include "policyd/control_verbs.hpp"
#include "policyd/service.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace postsluice::policyd {

namespace asio = boost::asio;
using nlohmann::json;

namespace {

result<std::vector<std::string>> recipients_argument(const json& from) {
    const auto at = from.find("recipients");
    if (at == from.end() || !at->is_array()) return failure{errc::malformed, "argument \"recipients\" is no list"};
    std::vector<std::string> out;
    for (const auto& one : *at) {
        if (!one.is_string()) return failure{errc::malformed, "argument \"recipients\" has what is no text"};
        out.push_back(one.get<std::string>());
    }
    return out;
}

} // namespace

// The content filter knows the account by the ticket that it was sent with: it is taken as it stands.
answer bounced(service& s, control::request_context, arguments given) {
    bounced_mail mail;
    for (const auto& [key, into] : {std::pair{"queue_id", &mail.queue_id}, {"account", &mail.account}}) {
        auto text = text_argument(*given, key, true);
        if (!text) co_return text.error();
        *into = std::move(*text);
    }
    for (const auto& [key, into] :
         {std::pair{"login", &mail.login}, {"client", &mail.client}, {"sender", &mail.sender}}) {
        auto text = text_argument(*given, key, false);
        if (!text) co_return text.error();
        *into = std::move(*text);
    }
    auto recipients = recipients_argument(*given);
    if (!recipients) co_return recipients.error();
    mail.recipients = std::move(*recipients);
    const auto n = mail.recipients.size();
    const auto done = co_await s.of().asks.count_bounced(std::move(mail));
    if (!done) co_return done.error();
    co_return control::success({{"counted", n}});
}

} // namespace postsluice::policyd
