// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/known_book.hpp"
#include "contentfilter/checks/message_fingerprints.hpp"
#include "contentfilter/control_json.hpp"
#include "contentfilter/service.hpp"
#include "shared/control/times.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/use_awaitable.hpp>

namespace postsluice::contentfilter {

namespace asio = boost::asio;
using namespace control_json;

namespace {

json names_of(const std::vector<fingerprint>& all) {
    json out = json::array();
    for (const auto& one : all)
        out.push_back(one.kind == fingerprint_kind::text
                          ? std::string{"text"}
                          : std::string{to_string(one.kind)} + " " + printable(one.of, 200));
    return out;
}

/// What the state has is what the checks are to know.
result<void> reload_book(service& s) {
    auto all = s.of().bad_fingerprints->all();
    if (!all) return all.error();
    s.of().bad->use(std::move(*all));
    return {};
}

result<state::known_fingerprint> read_known(service& s, const json& request, const std::string& actor) {
    const auto why = text(request, "why", false);
    if (!why) return why.error();
    const auto what = message_of(s, request);
    if (!what) return what.error();
    const auto& settings = *(*what)->settings;
    const auto parts = mime::tree::build((*what)->content, (*what)->header, settings.contentfilter);
    if (!parts) return parts.error();
    state::known_fingerprint out;
    out.of = fingerprints_of(parts->get(), mime::content{*what, *parts}, settings.fingerprints).all;
    if (out.of.empty())
        return failure{errc::unsupported, "the message has no fingerprint: its text is shorter than " +
                                              std::to_string(settings.fingerprints.min_words) +
                                              " words (fingerprints.min_words), and it carries no file of " +
                                              to_string(settings.fingerprints.min_file)};
    out.id = new_reference();
    out.actor = actor;
    out.why = *why;
    out.added = s.of().time.now();
    if (const auto* subject = (*what)->header.find("Subject"))
        out.subject = printable(mime::decode_text(subject->unfolded()), 200);
    return out;
}

answer add(service* s, control::request_context who, arguments given) {
    const auto known = read_known(*s, *given, who.actor);
    if (!known) co_return known.error();
    const auto done = co_await s->of().bad_fingerprints->add(*known, s->settings()->fingerprints.max_known);
    if (!done) co_return done.error();
    if (const auto loaded = reload_book(*s); !loaded) co_return loaded.error();
    log::info("fingerprint added").kv("id", known->id).kv("actor", who.actor).kv("why", printable(known->why, 200));
    co_return control::success({{"id", known->id}, {"fingerprints", names_of(known->of)}});
}

answer list(service* s, control::request_context, arguments) {
    json messages = json::array();
    for (const auto& one : s->of().bad->all())
        messages.push_back({{"id", one.id},
                            {"added", to_iso8601(one.added)},
                            {"actor", printable(one.actor)},
                            {"why", printable(one.why, 1024)},
                            {"subject", printable(one.subject, 200)},
                            {"fingerprints", names_of(one.of)}});
    co_return control::success({{"messages", std::move(messages)}});
}

answer remove(service* s, control::request_context who, arguments given) {
    const auto id = text(*given, "id", true);
    if (!id) co_return id.error();
    const auto was_there = co_await s->of().bad_fingerprints->remove(*id);
    if (!was_there) co_return was_there.error();
    if (!*was_there) co_return failure{errc::not_found, "no message " + printable(*id, 64) + " was added"};
    if (const auto loaded = reload_book(*s); !loaded) co_return loaded.error();
    log::info("fingerprint deleted").kv("id", *id).kv("actor", who.actor);
    co_return control::success({{"id", *id}});
}

} // namespace

void add_fingerprint_verbs(control::server& to, service& what) {
    const auto s = &what;
    to.on("fingerprint add", [s](auto who, auto given) { return add(s, std::move(who), std::move(given)); });
    to.on("fingerprint list", [s](auto who, auto given) { return list(s, std::move(who), std::move(given)); });
    to.on("fingerprint delete", [s](auto who, auto given) { return remove(s, std::move(who), std::move(given)); });
}

} // namespace postsluice::contentfilter
