// SPDX-License-Identifier: Apache-2.0
#include "admin/commands/quarantine_query.hpp"

#include "admin/human.hpp"
#include "shared/control/control.hpp"
#include "shared/core/text.hpp"
#include "shared/core/units.hpp"

#include <algorithm>
#include <array>
#include <ostream>

namespace postsluice::admin {

using nlohmann::json;

namespace {

constexpr std::size_t page_size = 500;
constexpr std::array<std::pair<std::string_view, const char*>, 6> texts = {{{"--account", "account"},
                                                                            {"--reason", "reason"},
                                                                            {"--symbol", "symbol"},
                                                                            {"--sender", "sender"},
                                                                            {"--recipient", "recipient"},
                                                                            {"--subject", "subject"}}};

/// "2026-11-21T10:15:30Z", "2026-11-21" (its beginning, or its end), or how long ago: "2 days".
result<std::string> time_argument(const context& ctx, std::string_view option, const std::string& given, bool end) {
    if (parse_iso8601(given)) return given;
    if (const auto day = parse_iso8601(given + "T00:00:00Z"))
        return to_iso8601(end ? *day + std::chrono::hours{24} - milliseconds{1} : *day);
    if (const auto ago = parse_duration(given)) return to_iso8601(ctx.now() - *ago);
    return failure{errc::malformed, std::string{option} + ": \"" + printable(given, 60) +
                                        "\" is no time; as in 2026-11-21, 2026-11-21T10:15:30Z or \"2 days\" (ago)"};
}

} // namespace

std::vector<argument> quarantine_filters() {
    return {{"--account", "of this account; '*' stands for any run of characters", false, "ACCOUNT"},
            {"--reason", "for this reason (virus, spam, ...)", false, "REASON"},
            {"--symbol", "with this finding", false, "SYMBOL"},
            {"--sender", "from this address, or @domain", false, "ADDRESS"},
            {"--recipient", "to this address, or @domain", false, "ADDRESS"},
            {"--since", "not older: 2026-11-21, 2026-11-21T10:15:30Z, or \"2 days\" (ago)", false, "TIME"},
            {"--until", "not younger", false, "TIME"},
            {"--subject", "with this text in the subject", false, "TEXT"},
            {"--held", "only what is held for review", false, "FLAG"}};
}

bool has_filter(const arguments& given) {
    const auto all = quarantine_filters();
    return std::any_of(all.begin(), all.end(), [&](const argument& a) { return given.get(a.name).has_value(); });
}

result<json> quarantine_request(const context& ctx, const arguments& given) {
    json request = {{"verb", "quarantine list"}};
    for (const auto& [option, member] : texts)
        if (const auto value = given.get(option)) request[member] = *value;
    if (given.get("--held")) request["held"] = true;
    for (const auto& [option, member, end] :
         {std::tuple{"--since", "since", false}, std::tuple{"--until", "until", true}}) {
        const auto value = given.get(option);
        if (!value) continue;
        auto time = time_argument(ctx, option, *value, end);
        if (!time) return time.error();
        request[member] = std::move(*time);
    }
    return control::success(std::move(request));
}

listing list_quarantine(context& ctx, json request, std::size_t most, const std::function<void(const json&)>& page) {
    listing out;
    for (;;) {
        request["most"] = std::min(page_size, most - out.entries);
        out.last = ctx.ask(daemon::contentfilter, request);
        if (!out.last.ok()) return out;
        const json& entries = part_of(out.last.body, "entries");
        out.entries += entries.size();
        out.total = number_of(out.last.body, "total");
        if (!entries.empty()) page(entries);
        const auto next = text_of(out.last.body, "next");
        out.more = !next.empty();
        if (next.empty() || out.entries >= most) return out;
        request["after"] = next;
    }
}

json_stream::json_stream(std::ostream& out, std::string_view name)
    : out_{out} {
    out_ << "{\n  \"" << name << "\": [";
}

void json_stream::add(const json& element) {
    out_ << (first_ ? "\n    " : ",\n    ") << element.dump(-1, ' ', false, json::error_handler_t::replace);
    first_ = false;
}

void json_stream::end(const json& rest) {
    out_ << (first_ ? "]" : "\n  ]");
    for (const auto& [name, value] : rest.items())
        out_ << ",\n  " << json(name).dump() << ": " << value.dump(-1, ' ', false, json::error_handler_t::replace);
    out_ << "\n}\n";
}

} // namespace postsluice::admin
