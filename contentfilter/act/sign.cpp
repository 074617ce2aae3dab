// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/sign.hpp"

#include "contentfilter/act/published.hpp"
#include "contentfilter/mime/fields.hpp"
#include "shared/core/text.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

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

result<signing_plan> plan_signing(const message& what, std::span<const std::string> fields, const hashed_body& body,
                                  const auth::key_table& keys, instant now) {
    if (!what.settings->dkim.sign) return signing_plan{{}, unsigned_reason::disabled};
    if (what.header.truncated) return signing_plan{{}, unsigned_reason::header_bound};
    const auto from = author_of(fields);
    // Receivers take either of several, or refuse the message (RFC 7489 section 6.6.1): nothing to put a name under.
    if (from.fields > 1) return signing_plan{{}, unsigned_reason::several_from};
    const auto& domain = from.domain;
    if (domain.empty()) return signing_plan{{}, unsigned_reason::no_from};
    if (leaves_signed(what.header.fields, fields, body, domain, now))
        return signing_plan{{}, unsigned_reason::already_signed};
    const auto& profile = what.sender.profile;
    auto found = keys.select(from.local, domain, profile ? std::string_view{profile->dkim_selector} : "");
    if (found.broken) return failure{errc::unavailable, "the DKIM keys of " + domain + " cannot be used"};
    if (found.keys.empty()) return signing_plan{{}, unsigned_reason::no_key};
    return signing_plan{std::move(found.keys), unsigned_reason::none};
}

asio::awaitable<result<hashed_body>> hash_body(std::shared_ptr<const message> what, edits changes) {
    auth::body_hash hash;
    body_reader body{*what, changes};
    hashed_body out;
    for (std::uint64_t next_yield = yield_every;;) {
        const auto piece = body.next();
        if (!piece) co_return piece.error();
        if (piece->empty()) break;
        hash.update(*piece);
        out.size += piece->size();
        if (out.size < next_yield) continue;
        next_yield += yield_every;
        co_await asio::post(asio::use_awaitable);
    }
    out.hash = hash.finish();
    out.changed = body.changed();
    co_return out;
}

asio::awaitable<result<hashed_body>> hash_body(std::shared_ptr<const message> what) {
    return hash_body(std::move(what), edits{});
}

asio::awaitable<result<prepared>> prepare(std::shared_ptr<const message> what, edits changes,
                                          std::shared_ptr<const auth::key_table> keys, key_publication* published,
                                          instant now) {
    auto out = std::make_shared<rendered>();
    out->source = what;
    out->changes = std::move(changes);
    out->fields = render_header(*what, out->changes);
    auto body = co_await hash_body(what, out->changes);
    if (!body) co_return body.error();
    out->body_size = body->size;
    auto plan = plan_signing(*what, out->fields, *body, *keys, now);
    if (!plan) co_return plan.error();
    if (published != nullptr) *plan = co_await published->admit(what->settings, std::move(*plan));
    if (!plan->keys.empty()) {
        auto signatures = make_signatures(*out, *plan, body->hash, now);
        if (!signatures) co_return signatures.error();
        out->fields.insert(out->fields.begin(), signatures->begin(), signatures->end());
    }
    co_return prepared{std::move(out), plan->why, std::move(body->hash)};
}

} // namespace postsluice::contentfilter::act
