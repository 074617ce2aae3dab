// SPDX-License-Identifier: Apache-2.0
#include "policyd/notices.hpp"

#include "shared/account/locks.hpp"
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
    case lock_event_kind::hook_failed:
        return "changed, and a program of on_lock failed";
    case lock_event_kind::reset:
        break;
    }
    return "reset by hand";
}

// "The account alice@example.org was locked.", "The domain example.org was unlocked by hand."
std::string headline(const state::notice& what) {
    std::string subject = account::describe_subject(printable(what.account));
    if (what.event.kind == lock_event_kind::hook_failed) {
        return "A program of on_lock failed for " + subject + ".\r\n\r\n";
    }
    subject.front() = 'T';
    return subject + " was " + std::string{what_happened(what.event.kind)} + ".\r\n\r\n";
}

std::string facts(const lock_event& event) {
    std::string out;
    const auto row = [&out](std::string_view name, std::string_view value) {
        if (!value.empty()) {
            out.append("  ").append(name).append(12 - name.size(), ' ').append(printable(value)).append("\r\n");
        }
    };
    row("When:", to_iso8601(event.at));
    row("Cause:", event.cause);
    row("By:", event.actor);
    if (event.after.kind != lock_kind::open) {
        row("Until:", times_out(event.after) ? to_iso8601(event.after.until) + "; it then unlocks by itself"
                                             : std::string{"a person unlocks it"});
    }
    row("Reference:", event.reference);
    return out + "\r\n";
}

std::string body(const state::notice& what) {
    const lock_event& event = what.event;
    const std::string key = printable(what.account);
    const bool failed = event.kind == lock_event_kind::hook_failed;
    const bool account = account::scope_of(key) == limit_scope::account;
    const bool locked = event.after.kind != lock_kind::open;
    std::string out = headline(what) + facts(event);
    if (failed) {
        out += "It is not tried again. What it said is in the log of postsluice-policyd (\"hook failed\").\r\n\r\n";
    } else if (locked) {
        out += account ? "While it is locked, its mail is refused, except to this address, and what it still\r\n"
                         "had in the queue is quarantined.\r\n\r\n"
                       : "While it is locked, mail of all accounts that belong to it is refused, except to this\r\n"
                         "address, and what they still had in the queue is quarantined.\r\n\r\n";
    }
    if (!event.reference.empty()) {
        out += "  postsluice why " + printable(event.reference) + "\r\n      explains what led to it\r\n";
    }
    out += account ? "  postsluice account show " + key + "\r\n      shows its use, its strikes and its history\r\n"
                   : "  postsluice account history " + key + "\r\n      shows its strikes and its history\r\n";
    if (locked) {
        out += "  postsluice unlock " + key + "\r\n      opens it\r\n";
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
    const std::string subject = ascii(account::describe_subject(what.account)).substr(4); // without "the "
    out += "Subject: Postsluice: " + subject + ' ' + std::string{what_happened(what.event.kind)} + "\r\n";
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
