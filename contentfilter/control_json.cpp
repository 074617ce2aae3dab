// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/control_json.hpp"

#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::contentfilter::control_json {

namespace {

constexpr std::size_t longest_text = 1024;

json texts(const std::vector<std::string>& all) {
    json out = json::array();
    for (const auto& one : all)
        out.push_back(printable(one, longest_text));
    return out;
}

std::string_view action_name(config::forced_verdict action) {
    switch (action) {
    case config::forced_verdict::none:
        return "none";
    case config::forced_verdict::tag:
        return "tag";
    case config::forced_verdict::hold:
        return "hold";
    case config::forced_verdict::quarantine:
        return "quarantine";
    case config::forced_verdict::reject:
        return "reject";
    case config::forced_verdict::discard:
        return "discard";
    }
    return "none";
}

} // namespace

result<std::string> text(const json& from, const char* key, bool required) {
    const auto at = from.find(key);
    if (at == from.end()) {
        if (!required) return std::string{};
        return failure{errc::malformed, std::string{"argument \""} + key + "\" is missing"};
    }
    if (!at->is_string() || at->get_ref<const std::string&>().size() > longest_text) {
        return failure{errc::malformed, std::string{"argument \""} + key + "\" is not a text of at most 1024 octets"};
    }
    return at->get<std::string>();
}

std::size_t number(const json& from, const char* key, std::size_t otherwise, std::size_t most) {
    const auto at = from.find(key);
    return at != from.end() && at->is_number_unsigned() ? std::min(at->get<std::size_t>(), most) : otherwise;
}

result<std::string> base64(std::string_view encoded) {
    std::string url;
    url.reserve(encoded.size());
    for (const char c : encoded)
        url += c == '+' ? '-' : c == '/' ? '_' : c;
    while (url.ends_with('='))
        url.pop_back();
    std::string out;
    if (!base64url_decode(url, out)) return failure{errc::malformed, "argument \"content\" is not base64"};
    return out;
}

std::string crlf_lines(std::string_view text) {
    std::string out;
    out.reserve(text.size() + text.size() / 32 + 2);
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool pair = text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
        if (pair) ++i;
        if (pair || text[i] == '\n')
            out += "\r\n";
        else
            out += text[i] == '\r' ? ' ' : text[i];
    }
    if (!out.empty() && !out.ends_with("\r\n")) out += "\r\n";
    return out;
}

json event(const state::verdict_event& of) {
    return {{"reference", of.reference},
            {"at", to_iso8601(of.at)},
            {"account", printable(of.account, longest_text)},
            {"sender", printable(of.sender, longest_text)},
            {"recipients", texts(of.recipients)},
            {"queue_id", printable(of.queue_id)},
            {"message_id", printable(of.message_id, longest_text)},
            {"verdict", of.verdict},
            {"reason", to_string(of.why)},
            {"sentence", sentence(of.why)},
            {"findings", texts(of.findings)},
            {"observed", of.observed}};
}

json entry(const state::quarantine_entry& of) {
    return {{"id", printable(of.id)},
            {"at", to_iso8601(of.at)},
            {"account", printable(of.account, longest_text)},
            {"sender", printable(of.sender, longest_text)},
            {"recipients", texts(of.recipients)},
            {"subject", printable(of.subject, longest_text)},
            {"reason", to_string(of.why)},
            {"sentence", sentence(of.why)},
            {"findings", texts(of.findings)},
            {"size", of.size},
            {"queue_id", printable(of.queue_id)},
            {"digest", of.digest},
            {"held", of.held},
            {"release_at", of.release_at == instant{} ? json{} : json(to_iso8601(of.release_at))},
            {"releasing", of.releasing.has_value()}};
}

json finding_object(const finding& of) {
    return {{"symbol", of.symbol},
            {"score", of.score},
            {"group", of.group},
            {"evidence", printable(of.evidence, longest_text)},
            {"action", action_name(of.action)},
            {"reason", to_string(of.why)},
            {"temperror", of.temperror}};
}

json key(const auth::signing_key& of) {
    return {{"domain", of.domain}, {"selector", of.selector}, {"algorithm", auth::to_string(of.kind)}};
}

json verdicts(const std::array<counters::number, counters::verdict_kinds>& of) {
    json out = json::object();
    for (std::size_t i = 0; i < of.size(); ++i)
        out[std::string{to_string(static_cast<verdict_kind>(i))}] = of[i].load();
    return out;
}

json reasons(const counters& of) {
    json out = json::object();
    for (const auto one : all_reasons())
        if (const auto count = of.reasons.at(static_cast<std::size_t>(one)).load())
            out[std::string{to_string(one)}] = count;
    return out;
}

} // namespace postsluice::contentfilter::control_json
