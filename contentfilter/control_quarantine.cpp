// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/bayes/trainer.hpp"
#include "contentfilter/control_json.hpp"
#include "contentfilter/service.hpp"
#include "shared/config/codec.hpp"
#include "shared/control/times.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/use_awaitable.hpp>

// g++ 12 takes Asio's own operator new and delete of coroutine frames for a mismatched pair once they are inlined (GCC
// PR 109224).
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

namespace postsluice::contentfilter {

namespace asio = boost::asio;
using namespace control_json;

namespace {

constexpr std::size_t most_listed = 1000, shown_header = 16384, most_recipients = 1000;
// A control request ends after 30 s; the operator is to hear of the outcome within that.
constexpr seconds release_time{25};

/// An id as a person types it.
result<std::string> id_argument(const json& request) {
    auto given = text(request, "id", true);
    if (!given) return given.error();
    auto id = normalise_reference(trim(*given));
    if (id.empty()) return failure{errc::not_found, "there is no message " + printable(*given, 64) + " in quarantine"};
    return id;
}

result<state::quarantine_entry> find_entry(service& s, const std::string& id) {
    auto found = s.of().kept.find(id);
    if (!found) return found.error();
    if (!*found) return failure{errc::not_found, "there is no message " + id + " in quarantine"};
    return std::move(**found);
}

/// errc::malformed where it is there and no time.
result<void> read_time(const json& request, const char* key, std::optional<instant>& into) {
    const auto given = text(request, key, false);
    if (!given) return given.error();
    if (given->empty()) return {};
    into = control::parse_iso8601(*given);
    if (into) return {};
    return failure{errc::malformed, std::string{"argument \""} + key + "\" is no time; as in 2026-11-21T10:15:30Z"};
}

result<void> read_text(const json& request, const char* key, std::string& into) {
    const auto given = text(request, key, false);
    if (!given) return given.error();
    into = trim(*given);
    return {};
}

result<state::quarantine_query> query_of(const json& request) {
    state::quarantine_query out;
    std::string why;
    for (const auto& [key, into] : {std::pair{"account", &out.account},
                                    {"sender", &out.sender},
                                    {"recipient", &out.recipient},
                                    {"subject", &out.subject},
                                    {"symbol", &out.symbol},
                                    {"reason", &why}})
        if (const auto read = read_text(request, key, *into); !read) return read.error();
    for (auto* const name : {&out.account, &out.sender, &out.recipient})
        *name = to_lower(*name);
    for (auto& c : out.symbol)
        c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    if (!why.empty()) {
        out.why = parse_reason(why);
        if (!out.why) return failure{errc::malformed, "there is no reason \"" + printable(why, 80) + "\""};
    }
    if (const auto held = request.find("held"); held != request.end()) {
        if (!held->is_boolean()) return failure{errc::malformed, "argument \"held\" is not true or false"};
        out.held = held->get<bool>();
    }
    if (const auto read = read_time(request, "since", out.since); !read) return read.error();
    if (const auto read = read_time(request, "until", out.until); !read) return read.error();
    return out;
}

answer list(service* s, control::request_context, arguments given) {
    const auto wanted = query_of(*given);
    if (!wanted) co_return wanted.error();
    const auto after = text(*given, "after", false);
    if (!after) co_return after.error();
    const auto found = s->of().kept.search(*wanted, *after, number(*given, "most", 100, most_listed));
    if (!found) co_return found.error();
    json entries = json::array();
    for (const auto& one : found->entries)
        entries.push_back(entry(one));
    co_return control::success(
        {{"entries", std::move(entries)}, {"next", found->next}, {"total", s->of().kept.total().entries}});
}

answer show(service* s, control::request_context, arguments given) {
    const auto id = id_argument(*given);
    if (!id) co_return id.error();
    const auto found = find_entry(*s, *id);
    if (!found) co_return found.error();
    const auto head = s->of().kept.head(*id, shown_header);
    if (!head) co_return head.error();
    const auto end = std::min(head->find("\r\n\r\n"), head->size());
    std::string header;
    for (const auto line : split(std::string_view{*head}.substr(0, end), '\n'))
        header += printable(line.ends_with('\r') ? line.substr(0, line.size() - 1) : line, 1000) + "\n";
    co_return control::success(
        {{"entry", entry(*found)}, {"header", std::move(header)}, {"file", s->of().kept.path(*id).string()}});
}

bool flag(const json& request, const char* key) {
    const auto at = request.find(key);
    return at != request.end() && at->is_boolean() && at->get<bool>();
}

asio::awaitable<std::vector<smtp::reply>> send_released(service* s, message_ptr what, std::string token) {
    const auto hop = s->hops()->of(what->sender.profile->next_hop);
    co_return co_await s->flow().hand_on(std::move(what), std::move(token),
                                         std::chrono::steady_clock::now() + release_time + hop->dot_timeout());
}

result<act::quarantine::release_request> release_of(const json& request, std::string id) {
    act::quarantine::release_request out;
    out.id = std::move(id);
    if (const auto at = request.find("recipients"); at != request.end()) {
        if (!at->is_array() || at->size() > most_recipients)
            return failure{errc::malformed, "argument \"recipients\" is not a list of at most 1000 texts"};
        for (const auto& one : *at) {
            if (!one.is_string())
                return failure{errc::malformed, "argument \"recipients\" holds something that is no text"};
            out.recipients.push_back(to_lower(trim(one.get_ref<const std::string&>())));
        }
    }
    const auto redirect = text(request, "redirect", false);
    if (!redirect) return redirect.error();
    if (!redirect->empty()) {
        if (const auto wrong = config::rules::address(*redirect); !wrong.empty())
            return failure{errc::malformed, wrong};
        out.redirect = mail_address::from_internal(*redirect);
    }
    out.keep = flag(request, "keep");
    out.forced = flag(request, "force");
    return out;
}

/// What is to be learned of a message, "spam" or "ham": what the request says.
result<std::optional<state::mail_class>> lesson_of(const json& request, state::mail_class allowed) {
    const auto given = text(request, "learn", false);
    if (!given) return given.error();
    if (given->empty()) return std::optional<state::mail_class>{};
    if (*given == (allowed == state::mail_class::spam ? "spam" : "ham")) return std::optional{allowed};
    return failure{errc::malformed, "argument \"learn\" cannot be " + printable(*given, 40) + " here"};
}

asio::awaitable<result<std::string>> teach(service* s, state::mail_class as, message_ptr what) {
    if (s->of().trainer == nullptr) co_return failure{errc::unsupported, "nothing can be learned here"};
    std::vector<message_ptr> all;
    all.push_back(std::move(what));
    const auto done = co_await s->of().trainer->teach(as, std::move(all));
    if (!done) co_return done.error();
    co_return std::string{to_string(done->front())};
}

/// What is delivered to whom it was for, because a person said so, is ham where bayes.learn_released says so. What was
/// kept for a virus never is: whoever forces it out has his reasons, but that it is honest mail is none of them.
result<bool> teaches_ham(const json& request, const state::quarantine_entry& entry, const config::settings& settings) {
    const auto asked = lesson_of(request, state::mail_class::ham);
    if (!asked) return asked.error();
    if (entry.why != reason::virus) return *asked || (settings.bayes.learn_released && !request.contains("redirect"));
    if (*asked) return failure{errc::denied, entry.id + " is kept for a virus, and is not learned as honest mail"};
    return false;
}

/// The message that a release may teach, read before it is gone; null where nothing is to be learned.
result<message_ptr> lesson_before_release(service& s, const json& request, const std::string& id) {
    const auto entry = find_entry(s, id);
    if (!entry) return entry.error();
    const auto wanted = teaches_ham(request, *entry, *s.settings());
    if (!wanted) return wanted.error();
    if (!*wanted) return message_ptr{};
    return s.of().kept.read(*entry, s.settings());
}

/// The mail is on its way whatever becomes of the lesson.
asio::awaitable<std::string> teach_released(service* s, message_ptr what, std::string id) {
    if (!what) co_return std::string{};
    const auto learned = co_await teach(s, state::mail_class::ham, std::move(what));
    if (learned) co_return *learned;
    log::warning("quarantine: a released message was not learned").kv("id", id).kv("why", learned.error().message());
    co_return std::string{"failed"};
}

answer release(service* s, control::request_context who, arguments given) {
    const auto id = id_argument(*given);
    if (!id) co_return id.error();
    auto wanted = release_of(*given, *id);
    if (!wanted) co_return wanted.error();
    auto lesson = lesson_before_release(*s, *given, *id);
    if (!lesson) co_return lesson.error();
    act::quarantine::sender send = [s](message_ptr what, std::string token) {
        return send_released(s, std::move(what), std::move(token));
    };
    const bool forced = wanted->forced;
    const auto report = co_await s->of().kept.release(std::move(*wanted), s->settings(), std::move(send));
    if (!report) co_return report.error();
    log::info("quarantine: release")
        .kv("id", *id)
        .kv("actor", who.actor)
        .kv("forced", forced)
        .kv("delivered", report->delivered.size())
        .kv("remaining", report->remaining.size());
    if (report->delivered.empty()) {
        const auto said = report->remaining.empty() ? std::string{} : report->remaining.front().second.text();
        co_return failure{errc::unavailable, "not delivered, it stays in quarantine: " + printable(said)};
    }
    json delivered = json::array(), remaining = json::array();
    for (const auto& one : report->delivered)
        delivered.push_back(printable(one));
    for (const auto& [recipient, reply] : report->remaining)
        remaining.push_back({{"recipient", printable(recipient)}, {"reply", printable(reply.text())}});
    const bool complete = report->remaining.empty();
    auto learned = co_await teach_released(s, std::move(*lesson), *id);
    co_return control::success({{"id", *id},
                                {"learned", std::move(learned)},
                                {"delivered", std::move(delivered)},
                                {"remaining", std::move(remaining)},
                                {"kept", report->kept},
                                {"complete", complete}});
}

answer remove(service* s, control::request_context who, arguments given) {
    const auto id = id_argument(*given);
    if (!id) co_return id.error();
    const auto lesson = lesson_of(*given, state::mail_class::spam);
    if (!lesson) co_return lesson.error();
    std::string learned;
    if (*lesson) {
        const auto entry = find_entry(*s, *id);
        if (!entry) co_return entry.error();
        auto what = s->of().kept.read(*entry, s->settings());
        if (!what) co_return what.error();
        auto done = co_await teach(s, **lesson, std::move(*what));
        if (!done) co_return done.error();
        learned = std::move(*done);
    }
    const auto removed = co_await s->of().kept.remove(*id);
    if (!removed) co_return removed.error();
    log::info("quarantine: deleted").kv("id", *id).kv("actor", who.actor);
    co_return control::success({{"id", *id}, {"learned", std::move(learned)}});
}

answer keep(service* s, control::request_context who, arguments given) {
    const auto id = id_argument(*given);
    if (!id) co_return id.error();
    const auto stopped = co_await s->of().kept.stop_timer(*id);
    if (!stopped) co_return stopped.error();
    log::info("quarantine: kept until a person releases it").kv("id", *id).kv("actor", who.actor);
    co_return control::success({{"id", *id}});
}

} // namespace

void add_quarantine_verbs(control::server& to, service& what) {
    const auto s = &what;
    to.on("quarantine list", [s](auto who, auto given) { return list(s, std::move(who), std::move(given)); });
    to.on("quarantine show", [s](auto who, auto given) { return show(s, std::move(who), std::move(given)); });
    to.on("quarantine release", [s](auto who, auto given) { return release(s, std::move(who), std::move(given)); });
    to.on("quarantine keep", [s](auto who, auto given) { return keep(s, std::move(who), std::move(given)); });
    to.on("quarantine delete", [s](auto who, auto given) { return remove(s, std::move(who), std::move(given)); });
}

} // namespace postsluice::contentfilter
