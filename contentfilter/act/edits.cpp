// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/edits.hpp"

#include "contentfilter/intake/received.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace postsluice::contentfilter::act {

namespace {

constexpr std::array<std::string_view, 5> dropped = {account::ticket_header, "Bcc", "Resent-Bcc", "Return-Path",
                                                     "Content-Length"};
constexpr std::string_view score_header = "X-Postsluice-Score";

bool matches_any(std::string_view name, const std::vector<std::string>& names) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& one) { return iequals(one, name); });
}

std::string make_message_id(const message& what, instant now) {
    return "Message-ID: <" + std::to_string(now.time_since_epoch().count()) + "." + to_lower(new_reference()) +
           to_lower(new_reference()) + "@" + what.settings->hostname + ">";
}

/// The value of a From field with the domain put to an address that has none, or nothing where there is nothing to do.
/// Only the plain forms are touched, `bob` and `Bob <bob>`: of anything else it is not certain what it means.
std::optional<std::string> qualified(const header_field& from, const std::string& domain) {
    const auto plain = [](std::string_view local) {
        return !local.empty() && std::all_of(local.begin(), local.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                   std::string_view{".-_+="}.find(c) != std::string_view::npos;
        });
    };
    const auto value = from.unfolded();
    if (plain(value)) return value + "@" + domain;
    const auto open = value.rfind('<');
    if (open == std::string::npos || !value.ends_with('>') || value.find_first_of(",;:") != std::string::npos)
        return std::nullopt;
    const auto local = std::string_view{value}.substr(open + 1, value.size() - open - 2);
    if (!plain(local)) return std::nullopt;
    return value.substr(0, open + 1) + std::string{local} + "@" + domain + ">";
}

void complete_from(edits& out, const message& what) {
    const auto& fields = what.header.fields;
    const auto at =
        std::find_if(fields.begin(), fields.end(), [](const header_field& f) { return iequals(f.name(), "From"); });
    if (at == fields.end()) {
        const auto& sender = what.envelope.sender.address;
        if (!sender.is_null() && !sender.domain.empty()) out.append.push_back("From: " + sender.to_smtp());
        return;
    }
    const auto& domain =
        what.settings->default_domain.empty() ? what.settings->hostname : what.settings->default_domain;
    if (auto value = qualified(*at, domain))
        out.replace[static_cast<std::size_t>(at - fields.begin())] = "From: " + std::move(*value);
}

void close_up_names(edits& out, const message& what) {
    const auto& fields = what.header.fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const auto name = fields[i].name();
        if (out.remove.contains(i) || fields[i].raw.size() <= name.size() || fields[i].raw[name.size()] == ':')
            continue;
        out.replace[i] = std::string{name} + ":" + std::string{fields[i].value()};
    }
}

} // namespace

edits normalise(const message& what, std::string received, instant now) {
    edits out;
    if (!received.empty()) out.prepend.push_back(std::move(received));
    const auto& fields = what.header.fields;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const auto name = fields[i].name();
        const bool drop =
            std::any_of(dropped.begin(), dropped.end(), [&](std::string_view one) { return iequals(one, name); });
        if (drop || (what.sender.profile && matches_any(name, what.sender.profile->remove_headers)))
            out.remove.insert(i);
    }
    // "Subject : x", as cleanup(8) would do it, for mail that it has not seen yet.
    if (what.in == way::before_queue) close_up_names(out, what);
    // A header that is over the bounds goes on below what we know of it: nothing can be said to be missing.
    if (what.header.truncated) return out;
    complete_from(out, what);
    if (!what.header.find("Date")) out.append.push_back("Date: " + rfc5322_date(now));
    if (!what.header.find("Message-ID")) out.append.push_back(make_message_id(what, now));
    return out;
}

void tag(edits& to, const message& what, const verdict& v) {
    const auto& fields = what.header.fields;
    const auto& profile = *what.sender.profile;
    if (profile.tag_header) {
        for (std::size_t i = 0; i < fields.size(); ++i)
            if (iequals(fields[i].name(), score_header)) to.remove.insert(i);
        std::array<char, 64> text{};
        std::snprintf(text.data(), text.size(), "%.1f", v.score);
        to.prepend.push_back(std::string{score_header} + ": " + text.data());
    }
    if (profile.subject_prefix.empty()) return;
    const auto prefix = encode_words(trim(profile.subject_prefix));
    const auto at =
        std::find_if(fields.begin(), fields.end(), [](const header_field& f) { return iequals(f.name(), "Subject"); });
    if (at == fields.end()) {
        if (!what.header.truncated) to.append.push_back("Subject: " + prefix);
        return;
    }
    const auto value = trim(at->value());
    if (!value.starts_with(prefix))
        to.replace[static_cast<std::size_t>(at - fields.begin())] = "Subject: " + prefix + " " + std::string{value};
}

std::string encode_words(std::string_view text) {
    const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (ascii) return std::string{text};
    const auto clean = printable(text, 45); // 75 octets of encoded word hold no more
    std::array<unsigned char, 64> out{};
    EVP_EncodeBlock(out.data(), reinterpret_cast<const unsigned char*>(clean.data()), static_cast<int>(clean.size()));
    return "=?utf-8?B?" + std::string{reinterpret_cast<const char*>(out.data())} + "?=";
}

} // namespace postsluice::contentfilter::act
