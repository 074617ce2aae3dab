// SPDX-License-Identifier: Apache-2.0
#include "policyd/notices.hpp"

#include "shared/core/mail_address.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace postsluice::policyd {

namespace {

// RFC 5322 section 3.3. strftime would follow the locale.
std::string mail_date(instant t) {
    constexpr std::array days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto seconds_since = static_cast<std::time_t>(std::chrono::floor<seconds>(t).time_since_epoch().count());
    std::tm at{};
    ::gmtime_r(&seconds_since, &at);
    std::array<char, 64> out{};
    const int size = std::snprintf(out.data(), out.size(), "%s, %02d %s %d %02d:%02d:%02d +0000",
                                   days.at(static_cast<std::size_t>(at.tm_wday)), at.tm_mday,
                                   months.at(static_cast<std::size_t>(at.tm_mon)), at.tm_year + 1900, at.tm_hour,
                                   at.tm_min, at.tm_sec);
    return {out.data(), static_cast<std::size_t>(size)};
}

bool is_ascii(std::string_view text) noexcept {
    return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 128; });
}

// A header has no room for an encoded word's fuss: what is not ASCII is a '?'; the body says it in full.
std::string ascii(std::string_view text) {
    std::string out = printable(text, 300);
    std::ranges::replace_if(
        out, [](char c) { return static_cast<unsigned char>(c) > 127; }, '?');
    return out;
}

// RFC 2045 section 6.7, for a body of CRLF lines.
std::string quoted_printable(std::string_view text) {
    constexpr std::string_view hex = "0123456789ABCDEF";
    std::string out;
    std::size_t column = 0;
    for (const char c : text) {
        const auto octet = static_cast<unsigned char>(c);
        if (c == '\r' || c == '\n') {
            out += c;
            column = 0;
            continue;
        }
        if (column >= 72) {
            out += "=\r\n";
            column = 0;
        }
        if (octet > 126 || c == '=') {
            out += {'=', hex[octet >> 4U], hex[octet & 15U]};
            column += 3;
        } else {
            out += c;
            ++column;
        }
    }
    return out;
}

std::string_view what_happened(lock_event_kind kind) noexcept {
    switch (kind) {
    case lock_event_kind::locked:
        return "locked";
    case lock_event_kind::made_permanent:
        return "locked for good";
    case lock_event_kind::unlocked_by_time:
        return "unlocked: its time is over";
    case lock_event_kind::unlocked_by_person:
        return "unlocked by hand";
    case lock_event_kind::locked_by_person:
        return "locked by hand";
    case lock_event_kind::reset:
        break;
    }
    return "reset by hand";
}

std::string body(const state::notice& what) {
    const lock_event& event = what.event;
    const std::string account = printable(what.account);
    const bool locked = event.after.kind != lock_kind::open;
    std::string out = "The account " + account + " was " + std::string{what_happened(event.kind)} + ".\r\n\r\n";
    const auto row = [&out](std::string_view name, std::string_view value) {
        if (!value.empty()) {
            out.append("  ").append(name).append(12 - name.size(), ' ').append(printable(value)).append("\r\n");
        }
    };
    row("When:", to_iso8601(event.at));
    row("Cause:", event.cause);
    row("By:", event.actor);
    if (locked) {
        row("Until:", event.after.kind == lock_kind::timed
                          ? to_iso8601(event.after.until) + "; it then unlocks by itself"
                          : std::string{"a person unlocks it"});
    }
    row("Reference:", event.reference);
    out += "\r\n";
    if (locked) {
        out += "While it is locked, its mail is refused, except to this address, and what it still\r\n"
               "had in the queue is quarantined.\r\n\r\n";
    }
    if (!event.reference.empty()) {
        out += "  postsluice why " + printable(event.reference) + "\r\n      explains what led to it\r\n";
    }
    out += "  postsluice account show " + account + "\r\n      shows its use, its strikes and its history\r\n";
    if (locked) {
        out += "  postsluice unlock " + account + "\r\n      opens it\r\n";
    }
    return out;
}

} // namespace

std::string render_notice(const state::notice& what, const config::settings& settings, instant now,
                          std::string_view token) {
    const std::string host =
        ascii(settings.hostname.empty() ? std::string_view{"localhost"} : std::string_view{settings.hostname});
    const std::string text = body(what);
    const bool plain = is_ascii(text);
    std::string out;
    out += "From: Postsluice <postmaster@" + host + ">\r\n";
    out += "To: <" + mail_address::from_internal(settings.abuse_address).to_smtp() + ">\r\n";
    out += "Subject: Postsluice: account " + ascii(what.account) + ' ' + std::string{what_happened(what.event.kind)} +
           "\r\n";
    out += "Date: " + mail_date(now) + "\r\n";
    out += "Message-ID: <notice." + std::to_string(what.id) + '.' + std::string{token} + '@' + host + ">\r\n";
    out += "Auto-Submitted: auto-generated\r\n"
           "MIME-Version: 1.0\r\n"
           "Content-Type: text/plain; charset=utf-8\r\n";
    out += plain ? "Content-Transfer-Encoding: 7bit\r\n\r\n" : "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
    out += plain ? text : quoted_printable(text);
    return out;
}

} // namespace postsluice::policyd
