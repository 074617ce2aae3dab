// SPDX-License-Identifier: Apache-2.0
// Makes a message ready to leave: edits applied, body hashed and measured in one pass, signed with every key of the
// From domain (RFC 6376, RFC 8463). The domain is that of the first mailbox of the From field as it leaves. Each
// message that is not signed says why. A domain that has keys of which none can be used is a failure (451): unsigned,
// its mail would be refused by DMARC.
#pragma once

#include "contentfilter/act/author_signature.hpp"
#include "contentfilter/act/render.hpp"
#include "contentfilter/act/unsigned.hpp"
#include "shared/auth/dkim.hpp"

#include <boost/asio/awaitable.hpp>

namespace postsluice::contentfilter::act {

struct signing_plan {
    std::vector<auth::signing_key> keys; ///< empty: not signed
    unsigned_reason why = unsigned_reason::none;
};
class key_publication;
/// Reads the whole body once, letting others run in between: as it leaves with these edits, or with none.
[[nodiscard]] boost::asio::awaitable<result<hashed_body>> hash_body(std::shared_ptr<const message> what, edits changes);
[[nodiscard]] boost::asio::awaitable<result<hashed_body>> hash_body(std::shared_ptr<const message> what);
/// Which keys sign; `fields` and `body` are those that leave. errc::unavailable where the domain's keys are broken.
[[nodiscard]] result<signing_plan> plan_signing(const message& what, std::span<const std::string> fields,
                                                const hashed_body& body, const auth::key_table& keys, instant now);

struct prepared {
    std::shared_ptr<const rendered> content;
    unsigned_reason unsigned_why = unsigned_reason::none; ///< signing_plan::why
    std::string body_hash;                                ///< hashed_body::hash
};
/// Reads the body as hash_body() does. `what` and `changes` are kept by the result. `published` may take keys out of
/// the plan; null: none.
boost::asio::awaitable<result<prepared>> prepare(std::shared_ptr<const message> what, edits changes,
                                                 std::shared_ptr<const auth::key_table> keys,
                                                 key_publication* published, instant now);

} // namespace postsluice::contentfilter::act
