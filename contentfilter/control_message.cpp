// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/control_json.hpp"
#include "contentfilter/intake/collector.hpp"
#include "contentfilter/intake/matched_settings.hpp"
#include "contentfilter/service.hpp"
#include "shared/core/text.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace postsluice::contentfilter {

namespace asio = boost::asio;
using namespace control_json;

namespace {

constexpr std::size_t most_recipients = 1000;

result<smtp::envelope> envelope_of(const json& request) {
    auto from = text(request, "sender", false);
    if (!from) return from.error();
    std::vector<mail_address> recipients;
    if (const auto at = request.find("recipients"); at != request.end()) {
        if (!at->is_array() || at->size() > most_recipients)
            return failure{errc::malformed, "argument \"recipients\" is not a list of at most 1000 texts"};
        for (const auto& one : *at) {
            if (!one.is_string())
                return failure{errc::malformed, "argument \"recipients\" holds something that is no text"};
            recipients.push_back(mail_address::from_internal(one.get_ref<const std::string&>()));
        }
    }
    return smtp::make_envelope(mail_address::from_internal(*from), recipients);
}

/// An account as a person names it: any case, and without the domain where default_domain supplies it.
std::string account_named(const config::settings& settings, const std::string& given) {
    auto name = to_lower(trim(given));
    const bool listed = std::any_of(settings.accounts.begin(), settings.accounts.end(),
                                    [&](const auto& a) { return to_lower(a.name) == name; });
    const bool whole =
        name.empty() || name == "-" || listed || name.starts_with("uid:") || name.find('@') != std::string::npos;
    if (!whole && !settings.default_domain.empty()) name += "@" + settings.default_domain;
    return name;
}

} // namespace

result<std::shared_ptr<message>> message_of(const service& s, const json& request) {
    const auto content = request.find("content");
    if (content == request.end() || !content->is_string())
        return failure{errc::malformed, "argument \"content\" is missing"};
    const auto decoded = base64(content->get_ref<const std::string&>());
    if (!decoded) return decoded.error();
    auto envelope = envelope_of(request);
    if (!envelope) return envelope.error();
    const auto account = text(request, "account", false);
    if (!account) return account.error();
    const auto settings = s.settings();
    collector collect{settings};
    collect.add(crlf_lines(*decoded));
    auto what = collect.finish(std::move(*envelope));
    if (!what) return what.error();
    (*what)->sender = sender_of(*settings, account_named(*settings, *account));
    const auto client = text(request, "client", false);
    if (!client) return client.error();
    if (!client->empty() && !ip_address::parse(*client))
        return failure{errc::malformed, "argument \"client\" is not an address; as in 192.0.2.1"};
    (*what)->envelope.xforward["ADDR"] = *client;
    match_settings(**what);
    return what;
}

namespace {

answer test(service* s, control::request_context, arguments given) {
    const auto made = message_of(*s, *given);
    if (!made) co_return made.error();
    const message_ptr what = *made;
    const auto until = std::chrono::steady_clock::now() + what->settings->contentfilter.check_timeout * 2;
    const auto v = co_await s->flow().judge(what, until);

    const auto now = s->of().time.now();
    const auto fields = act::render_header(*what, act::normalise(*what, "", now));
    const auto body = co_await act::hash_body(what);
    if (!body) co_return body.error();
    auto plan = act::plan_signing(*what, fields, *body, *s->keys(), now);
    if (plan) *plan = co_await s->published().admit(what->settings, std::move(*plan));
    json keys = json::array();
    if (plan)
        for (const auto& one : plan->keys)
            keys.push_back(key(one));
    json findings = json::array();
    for (const auto& one : v.findings)
        findings.push_back(finding_object(one));
    json matched = json::array();
    for (const auto& one : what->matched)
        matched.push_back({{"name", one.name}, {"only_stricter", one.only_stricter}});
    const auto& profile = *what->sender.profile;
    const json thresholds = {
        {"tag", profile.tag_score}, {"hold", profile.hold_score}, {"reject", profile.reject_score}};
    co_return control::success({{"account", what->sender.account},
                                {"profile", profile.name},
                                {"settings", std::move(matched)},
                                {"verdict", to_string(v.kind)},
                                {"reason", to_string(v.why)},
                                {"score", v.score},
                                {"observed", v.observed},
                                {"findings", std::move(findings)},
                                {"thresholds", thresholds},
                                {"keys", std::move(keys)},
                                {"sign", plan ? std::string{to_string(plan->why)} : plan.error().message()},
                                {"sign_sentence", plan ? std::string{sentence(plan->why)} : std::string{}},
                                {"size", what->content->size()}});
}

} // namespace

void add_message_verbs(control::server& to, service& what) {
    to.on("message test", [s = &what](auto who, auto given) { return test(s, std::move(who), std::move(given)); });
}

} // namespace postsluice::contentfilter
