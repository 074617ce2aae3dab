// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/control_json.hpp"
#include "contentfilter/service.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/use_awaitable.hpp>

namespace postsluice::contentfilter {

namespace asio = boost::asio;
using namespace control_json;

namespace {

constexpr std::size_t most_listed = 10000, shown_header = 16384;
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

answer list(service* s, control::request_context, arguments given) {
    const auto account = text(*given, "account", false);
    if (!account) co_return account.error();
    const auto found = s->of().kept.list(to_lower(trim(*account)), number(*given, "most", 100, most_listed));
    if (!found) co_return found.error();
    json entries = json::array();
    for (const auto& one : *found)
        entries.push_back(entry(one));
    co_return control::success({{"entries", std::move(entries)}, {"total", s->of().kept.total().entries}});
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

asio::awaitable<std::vector<smtp::reply>> send_released(service* s, message_ptr what) {
    co_return co_await s->flow().hand_on(std::move(what),
                                         std::chrono::steady_clock::now() + release_time + s->hop()->dot_timeout());
}

answer release(service* s, control::request_context who, arguments given) {
    const auto id = id_argument(*given);
    if (!id) co_return id.error();
    act::quarantine::sender send = [s](message_ptr what) { return send_released(s, std::move(what)); };
    const auto report = co_await s->of().kept.release(*id, s->settings(), std::move(send));
    if (!report) co_return report.error();
    log::info("quarantine: release")
        .kv("id", *id)
        .kv("actor", who.actor)
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
    co_return control::success({{"id", *id},
                                {"delivered", std::move(delivered)},
                                {"remaining", std::move(remaining)},
                                {"complete", complete}});
}

answer remove(service* s, control::request_context who, arguments given) {
    const auto id = id_argument(*given);
    if (!id) co_return id.error();
    const auto removed = co_await s->of().kept.remove(*id);
    if (!removed) co_return removed.error();
    log::info("quarantine: deleted").kv("id", *id).kv("actor", who.actor);
    co_return control::success({{"id", *id}});
}

} // namespace

void add_quarantine_verbs(control::server& to, service& what) {
    const auto s = &what;
    to.on("quarantine list", [s](auto who, auto given) { return list(s, std::move(who), std::move(given)); });
    to.on("quarantine show", [s](auto who, auto given) { return show(s, std::move(who), std::move(given)); });
    to.on("quarantine release", [s](auto who, auto given) { return release(s, std::move(who), std::move(given)); });
    to.on("quarantine delete", [s](auto who, auto given) { return remove(s, std::move(who), std::move(given)); });
}

} // namespace postsluice::contentfilter
