// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/rspamd_protocol.hpp"

#include "shared/core/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <optional>

namespace postsluice::contentfilter::rspamd {

namespace {

constexpr std::size_t max_head = 65536, max_recipients = 100, max_value = 1000;

/// A field of the request; nothing where the value cannot stand in one.
std::string field(std::string_view name, std::string_view value) {
    const bool good = !value.empty() && value.size() <= max_value &&
                      std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c != 0x7F; });
    return good ? std::string{name} + ": " + std::string{value} + "\r\n" : std::string{};
}

std::string from_xforward(const message& about, const char* name) {
    const auto at = about.envelope.xforward.find(name);
    return at == about.envelope.xforward.end() ? std::string{} : at->second;
}

std::optional<std::size_t> content_length(std::string_view head) {
    for (const auto line : split(head, '\n')) {
        const auto colon = line.find(':');
        if (colon == std::string_view::npos || !iequals(trim(line.substr(0, colon)), "Content-Length")) continue;
        const auto value = trim(line.substr(colon + 1));
        std::size_t size = 0;
        const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), size);
        if (problem == std::errc{} && end == value.data() + value.size()) return size;
    }
    return std::nullopt;
}

/// The first options of a symbol, for operators.
std::string detail_of(const nlohmann::json& symbol) {
    std::string out;
    const auto options = symbol.find("options");
    if (options == symbol.end() || !options->is_array()) return out;
    for (const auto& one : *options)
        if (one.is_string() && out.size() < 150) out += (out.empty() ? "" : ", ") + one.get<std::string>();
    return out;
}

double number_of(const nlohmann::json& from, const char* key) {
    const auto at = from.find(key);
    return at != from.end() && at->is_number() ? at->get<double>() : 0;
}

} // namespace

std::string request_head(const message& about, std::uint64_t size) {
    std::string out =
        "POST /checkv2 HTTP/1.1\r\nHost: rspamd\r\nConnection: close\r\nContent-Length: " + std::to_string(size) +
        "\r\n";
    out += field("From", about.envelope.sender.address.to_smtp());
    const auto& recipients = about.envelope.recipients;
    for (std::size_t i = 0; i < std::min(recipients.size(), max_recipients); ++i)
        out += field("Rcpt", recipients[i].address.to_smtp());
    out += field("IP", from_xforward(about, "ADDR"));
    out += field("Helo", from_xforward(about, "HELO"));
    if (about.sender.account != "-") out += field("User", about.sender.account);
    if (about.queue_id != "-") out += field("Queue-Id", about.queue_id);
    return out + "\r\n";
}

result<http_progress> parse_http(std::string_view text, bool closed) {
    http_progress out;
    const auto end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) {
        if (closed || text.size() > max_head) return failure{errc::protocol, "rspamd's answer has no end of its head"};
        return out;
    }
    const auto head = text.substr(0, end);
    const auto status = head.substr(0, head.find("\r\n"));
    if (!status.starts_with("HTTP/1.") || status.substr(std::min<std::size_t>(8, status.size()), 5) != " 200 ")
        return failure{errc::protocol, "rspamd said \"" + printable(status, 200) + "\""};
    out.body = end + 4;
    const auto there = text.size() - out.body;
    const auto length = content_length(head);
    if (!length && !closed) return out;
    out.size = length.value_or(there);
    out.complete = there >= out.size;
    if (!out.complete && closed) return failure{errc::protocol, "rspamd's answer ends early"};
    return out;
}

result<foreign_answer> parse_answer(std::string_view text, std::size_t max_symbols) {
    const auto json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object()) return failure{errc::protocol, "rspamd's answer is no JSON object"};
    const auto symbols = json.find("symbols");
    const auto score = json.find("score");
    if (score == json.end() || !score->is_number() || symbols == json.end() || !symbols->is_object())
        return failure{errc::protocol, "rspamd's answer has no score or no symbols"};
    foreign_answer out;
    out.score = score->get<double>();
    out.threshold = number_of(json, "required_score");
    if (const auto action = json.find("action"); action != json.end() && action->is_string())
        out.action = action->get<std::string>();
    for (const auto& [name, symbol] : symbols->items()) {
        if (!symbol.is_object()) continue;
        if (out.symbols.size() >= max_symbols) {
            out.cut = true;
            break;
        }
        out.symbols.push_back({name, number_of(symbol, "score"), detail_of(symbol)});
    }
    return out;
}

} // namespace postsluice::contentfilter::rspamd
