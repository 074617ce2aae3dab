// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/intake/received.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

namespace postsluice::contentfilter {

namespace {

constexpr std::size_t longest_name = 255; // of a host: a HELO may be of any length

/// A word that fits into a Received field whatever a client called itself.
std::string word(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, longest_name)) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           std::string_view{".-_:[]"}.find(c) != std::string_view::npos;
        out += plain ? c : '?';
    }
    return out.empty() ? "unknown" : out;
}

/// Takes `expected` off the front of `text`.
bool take(std::string_view& text, std::string_view expected) {
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(expected.size());
    return true;
}

/// Takes everything before `end` off the front, and `end` too; nothing where there is no such text or it is not one
/// word. `into`: the word.
bool take_word(std::string_view& text, std::string_view end, std::string* into = nullptr) {
    const auto at = text.find(end);
    if (at == 0 || at == std::string_view::npos) return false;
    const auto found = text.substr(0, at);
    if (std::any_of(found.begin(), found.end(),
                    [](char c) { return c <= ' ' || c > '~' || c == '(' || c == ')' || c == ';'; }))
        return false;
    text.remove_prefix(at + end.size());
    if (into != nullptr) *into = found;
    return true;
}

} // namespace

std::string rfc5322_date(instant t) {
    // Not strftime's %a and %b, which speak the locale's language.
    constexpr std::array<const char*, 7> days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<const char*, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const std::time_t whole = std::chrono::floor<seconds>(t).time_since_epoch().count();
    std::tm parts{};
    ::gmtime_r(&whole, &parts);
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d +0000",
                  days[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                  months[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                  parts.tm_sec);
    return text.data();
}

std::string make_received(std::string_view helo, std::string_view hostname, smtp::protocol speaks, std::string_view id,
                          instant now) {
    return "Received: from " + word(helo) + "\r\n\tby " + word(hostname) + " (Postsluice) with " +
           (speaks == smtp::protocol::lmtp ? "LMTP" : "ESMTP") + " id " + word(id) + ";\r\n\t" + rfc5322_date(now);
}

std::size_t count_passes(const header_block& header, std::string_view hostname) {
    const auto ours = " by " + word(hostname) + " (Postsluice) with ";
    return static_cast<std::size_t>(
        std::count_if(header.fields.begin(), header.fields.end(), [&](const header_field& field) {
            return iequals(field.name(), "Received") && field.unfolded().find(ours) != std::string::npos;
        }));
}

namespace {

std::optional<pickup_trace> pickup_trace_in(const header_field& field) {
    std::string_view rest = field.raw;
    pickup_trace out;
    if (!take(rest, "Received: by ") || !take_word(rest, " (Postfix, from userid ")) return std::nullopt;
    const auto [end, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), out.uid);
    if (problem != std::errc{} || end == rest.data()) return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (!take(rest, ")\r\n\tid ") || !take_word(rest, "; ", &out.queue_id) ||
        rest.find_first_of("\r\n") != std::string_view::npos)
        return std::nullopt;
    return out;
}

// No client's word (HELO, the name in a certificate, the recipient) has a line end in it: the first line that begins
// with "by" is smtpd's.
std::optional<std::string> smtpd_id_in(const header_field& field) {
    constexpr std::string_view by = "\r\n\tby ";
    std::string_view rest = field.raw;
    if (!take(rest, "Received: from ")) return std::nullopt;
    const auto at = rest.find(by);
    if (at == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(at + by.size());
    rest = rest.substr(0, rest.find("\r\n"));
    if (!take_word(rest, " (Postfix) with ") || !take_word(rest, " id ")) return std::nullopt;
    if (rest.ends_with(';')) rest.remove_suffix(1);
    const bool one_word = !rest.empty() && rest.find_first_of(" \t;()") == std::string_view::npos;
    return one_word ? std::optional{std::string{rest}} : std::nullopt;
}

} // namespace

std::optional<pickup_trace> find_pickup(const header_block& header, std::optional<uid_t> mail_owner) {
    std::optional<pickup_trace> requeued;
    for (const auto* field : header.all("Received")) {
        auto trace = pickup_trace_in(*field);
        if (!trace) break;
        if (trace->uid != mail_owner) return trace;
        if (!requeued) requeued = std::move(trace);
    }
    return requeued;
}

std::optional<std::string> queue_id_before_requeue(const header_block& header, uid_t mail_owner) {
    bool queued_again = false;
    for (const auto* field : header.all("Received")) {
        if (const auto trace = pickup_trace_in(*field); !trace || trace->uid != mail_owner)
            return queued_again ? smtpd_id_in(*field) : std::nullopt;
        queued_again = true;
    }
    return std::nullopt;
}

} // namespace postsluice::contentfilter
