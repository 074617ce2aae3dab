// SPDX-License-Identifier: Apache-2.0
// Private to shared/auth: the parsed key behind signing_key, and the primitives that the signer, the key loader and
// their tests share. OpenSSL's types stay behind this header. All functions may be called from any thread at once; an
// EVP_PKEY is only read after loading. A failure carries OpenSSL's own words and leaves its error queue empty.
#pragma once

#include "shared/auth/dkim.hpp"

#include <openssl/evp.h>

namespace postsluice::auth {

template <auto Free>
struct openssl_delete {
    template <class T>
    void operator()(T* p) const noexcept {
        Free(p);
    }
};
using pkey_ptr = std::unique_ptr<EVP_PKEY, openssl_delete<EVP_PKEY_free>>;
using md_ctx_ptr = std::unique_ptr<EVP_MD_CTX, openssl_delete<EVP_MD_CTX_free>>;
using pkey_ctx_ptr = std::unique_ptr<EVP_PKEY_CTX, openssl_delete<EVP_PKEY_CTX_free>>;

struct signing_key::parsed {
    pkey_ptr pkey;
};

/// SHA-256, fetched once: an implicit fetch per digest costs more than hashing a header.
[[nodiscard]] const EVP_MD* sha256();
/// A digest that has begun. Throws std::bad_alloc where there is no memory for it.
[[nodiscard]] md_ctx_ptr begin_sha256();
[[nodiscard]] failure openssl_failure(std::string what);

/// The signature over a SHA-256 digest: PKCS#1 v1.5 for RSA (RFC 8017 section 8.2), PureEdDSA over the 32 octets for
/// Ed25519 (RFC 8463 section 3). Both are deterministic.
[[nodiscard]] result<std::string> sign_digest(const signing_key& key, std::string_view digest);
/// Standard base64 with padding (RFC 4648 section 4), which DKIM uses.
[[nodiscard]] std::string base64(std::string_view bytes);
/// Signs a small message with the key by the configured signer and has libopendkim verify it against dns_record().
[[nodiscard]] result<void> self_check(const config::dkim_settings& settings, const signing_key& key);

/// The name of a raw field, as it stands; empty where the field is broken (no colon, blank or 8-bit name, name over
/// 998).
[[nodiscard]] std::string_view field_name(std::string_view raw_field) noexcept;
/// The names to sign and to oversign: From first, each once, never those that change or vanish on the way (Received,
/// Return-Path, Bcc, Content-Length, DKIM-Signature), and only letters, digits, '-' and '_'.
struct signed_names {
    std::vector<std::string> sign;
    std::vector<std::string> oversign; ///< all of them also in `sign`
};
/// For a message with these fields: of oversign_present, `oversign` has those that are there.
[[nodiscard]] signed_names names_to_sign(const config::dkim_settings& settings,
                                         std::span<const std::string_view> fields);

} // namespace postsluice::auth
