// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/sign.hpp"

#include "contentfilter/act/published.hpp"
#include "contentfilter/mime/fields.hpp"
#include "shared/core/text.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <charconv>

namespace postsluice::contentfilter::act {

namespace asio = boost::asio;

namespace {

constexpr std::uint64_t yield_every = std::uint64_t{1} << 20U; // octets of body that are hashed in one go

struct author {
    std::string local, domain; ///< domain in lower case
    std::size_t fields = 0;    ///< From fields
};

/// The first mailbox of the first From field; an empty domain where there is none.
author author_of(std::span<const std::string> fields) {
    author out;
    for (const auto& raw : fields) {
        const header_field field{raw};
        if (!iequals(field.name(), "From") || ++out.fields > 1) continue;
        const auto boxes = mime::parse_mailboxes(field.value());
        if (!boxes || boxes->empty()) continue;
        const auto& address = boxes->front().address;
        const auto at = address.rfind('@');
        if (at == std::string::npos) continue;
        out.local = address.substr(0, at);
        out.domain = to_lower(std::string_view{address}.substr(at + 1));
    }
    return out;
}

/// The value of a tag in a DKIM-Signature (RFC 6376 section 3.2), without white space; empty where it is not there.
std::string tag_of(std::string_view value, std::string_view name) {
    for (const auto part : split(value, ';')) {
        const auto equals = part.find('=');
        if (equals == std::string_view::npos || trim(part.substr(0, equals)) != name) continue;
        std::string out;
        for (const char c : part.substr(equals + 1))
            if (c != ' ' && c != '\t' && c != '\r' && c != '\n') out += c;
        return out;
    }
    return {};
}

/// Does the field look like a signature that somebody will accept: all it must have, From covered, not expired? Whether
/// it is true is not asked. A sender who forges one only keeps ours off his own mail.
bool looks_valid(std::string_view value, std::string_view domain, instant now) {
    if (tag_of(value, "v") != "1" || !auth::relaxed_aligned(tag_of(value, "d"), domain)) return false;
    for (const auto* name : {"a", "b", "bh", "s"})
        if (tag_of(value, name).empty()) return false;
    const auto covered = tag_of(value, "h");
    const auto names = split(covered, ':');
    if (std::none_of(names.begin(), names.end(), [](std::string_view name) { return iequals(name, "from"); }))
        return false;
    const auto expires = tag_of(value, "x");
    std::int64_t at = 0;
    if (expires.empty() || std::from_chars(expires.data(), expires.data() + expires.size(), at).ec != std::errc{})
        return expires.empty();
    return at > std::chrono::floor<seconds>(now).time_since_epoch().count();
}

/// The whole body in memory: what libopendkim's interface asks for.
result<std::string> whole_body(const message& what, const edits& changes) {
    body_reader body{what, changes};
    std::string out;
    for (;;) {
        auto piece = body.next();
        if (!piece) return piece.error();
        if (piece->empty()) return out;
        out += *piece;
    }
}

result<std::vector<std::string>> make_signatures(const rendered& what, const signing_plan& plan,
                                                 std::string_view body_sha256, instant now) {
    const auto& settings = what.source->settings->dkim;
    const std::vector<std::string_view> fields{what.fields.begin(), what.fields.end()};
    if (settings.signer == config::dkim_signer::own) return auth::sign(settings, plan.keys, fields, body_sha256, now);
    const auto body = whole_body(*what.source, what.changes);
    if (!body) return body.error();
    return auth::sign_with_libopendkim(settings, plan.keys, fields, *body, now);
}

} // namespace

result<signing_plan> plan_signing(const message& what, std::span<const std::string> fields, const auth::key_table& keys,
                                  instant now) {
    if (!what.settings->dkim.sign) return signing_plan{{}, unsigned_reason::disabled};
    if (what.header.truncated) return signing_plan{{}, unsigned_reason::header_bound};
    const auto from = author_of(fields);
    // Receivers take either of several, or refuse the message (RFC 7489 section 6.6.1): nothing to put a name under.
    if (from.fields > 1) return signing_plan{{}, unsigned_reason::several_from};
    const auto& domain = from.domain;
    if (domain.empty()) return signing_plan{{}, unsigned_reason::no_from};
    for (const auto& raw : fields) {
        const header_field field{raw};
        if (iequals(field.name(), "DKIM-Signature") && looks_valid(field.value(), domain, now))
            return signing_plan{{}, unsigned_reason::already_signed};
    }
    const auto& profile = what.sender.profile;
    auto found = keys.select(from.local, domain, profile ? std::string_view{profile->dkim_selector} : "");
    if (found.broken) return failure{errc::unavailable, "the DKIM keys of " + domain + " cannot be used"};
    if (found.keys.empty()) return signing_plan{{}, unsigned_reason::no_key};
    return signing_plan{std::move(found.keys), unsigned_reason::none};
}

asio::awaitable<result<prepared>> prepare(std::shared_ptr<const message> what, edits changes,
                                          std::shared_ptr<const auth::key_table> keys, key_publication* published,
                                          instant now) {
    auto out = std::make_shared<rendered>();
    out->source = what;
    out->changes = std::move(changes);
    out->fields = render_header(*what, out->changes);
    auto plan = plan_signing(*what, out->fields, *keys, now);
    if (!plan) co_return plan.error();
    if (published != nullptr) *plan = co_await published->admit(what->settings, std::move(*plan));

    auth::body_hash hash;
    body_reader body{*what, out->changes};
    for (std::uint64_t next_yield = yield_every;;) {
        const auto piece = body.next();
        if (!piece) co_return piece.error();
        if (piece->empty()) break;
        hash.update(*piece);
        out->body_size += piece->size();
        if (out->body_size < next_yield) continue;
        next_yield += yield_every;
        co_await asio::post(asio::use_awaitable);
    }
    auto body_hash = hash.finish();
    if (!plan->keys.empty()) {
        auto signatures = make_signatures(*out, *plan, body_hash, now);
        if (!signatures) co_return signatures.error();
        out->fields.insert(out->fields.begin(), signatures->begin(), signatures->end());
    }
    co_return prepared{std::move(out), plan->why, std::move(body_hash)};
}

asio::awaitable<result<std::string>> hash_body(std::shared_ptr<const message> what) {
    const edits nothing;
    auth::body_hash hash;
    body_reader body{*what, nothing};
    std::uint64_t read = 0;
    for (std::uint64_t next_yield = yield_every;;) {
        const auto piece = body.next();
        if (!piece) co_return piece.error();
        if (piece->empty()) break;
        hash.update(*piece);
        read += piece->size();
        if (read < next_yield) continue;
        next_yield += yield_every;
        co_await asio::post(asio::use_awaitable);
    }
    co_return hash.finish();
}

} // namespace postsluice::contentfilter::act
