// SPDX-License-Identifier: Apache-2.0
// DKIM (RFC 6376, RFC 8463, RFC 8301): our own signer over OpenSSL keys kept parsed (the body is canonicalized and
// hashed once for all signatures of a message), and libopendkim for verifying, for the start-up self-check of each key,
// and as a selectable signer. Only files in shared/auth include <dkim.h>; no caller sees it. Immutable after loading;
// sign() and verify() run on any thread.
#pragma once

#include "shared/config/settings.hpp"
#include "shared/core/clock.hpp"
#include "shared/core/result.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::auth {

enum class algorithm : std::uint8_t { rsa_sha256, ed25519_sha256 };
std::string_view to_string(algorithm a) noexcept; ///< "rsa-sha256"

struct signing_key {
    std::string domain, selector;
    algorithm kind = algorithm::rsa_sha256;
    std::filesystem::path file;
    struct parsed; ///< EVP_PKEY
    std::shared_ptr<const parsed> key;
    std::string pem; ///< for libopendkim
};

/// Loads one PEM key: refuses keys that others can read, too short ones, and kinds other than RSA and Ed25519.
[[nodiscard]] result<signing_key> load_key(const std::filesystem::path& file, std::string domain, std::string selector,
                                           std::size_t min_rsa_bits);
/// The DNS TXT value for the key: "v=DKIM1; k=rsa; p=...".
[[nodiscard]] std::string dns_record(const signing_key& key);

/// All keys of `directory` (DOMAIN/SELECTOR.pem), RSA before Ed25519 within a domain. Each passes the self-check
/// (signed by us, verified by libopendkim) or is an error. Errors name the file; a key in error is absent.
class key_table {
public:
    struct load_outcome {
        std::shared_ptr<const key_table> table;
        std::vector<std::string> errors;
    };
    [[nodiscard]] static load_outcome load(const config::dkim_settings& settings);
    /// Keys for a From domain: exact, then the nearest parent (relaxed DMARC alignment). Empty: none.
    [[nodiscard]] std::span<const signing_key> find(std::string_view from_domain) const;
    [[nodiscard]] std::vector<const signing_key*> all() const;
    /// The domain has keys and none of them could be loaded: signing must fail (451), not go unsigned. A domain with
    /// one good key is signed with that; the error of the other was reported. An unreadable key directory breaks every
    /// domain.
    [[nodiscard]] bool broken(std::string_view from_domain) const;

private:
    bool load_domain(const config::dkim_settings& settings, const std::filesystem::path& directory,
                     const std::string& domain, std::vector<std::string>& errors);
    [[nodiscard]] std::string_view known_domain(std::string_view domain) const;
    std::map<std::string, std::vector<signing_key>, std::less<>> by_domain_;
    std::vector<std::string> broken_domains_;
    bool all_broken_ = false;
};

/// Relaxed body canonicalization (RFC 6376 section 3.4.4) and SHA-256, streaming. Takes CRLF text in any pieces.
class body_hash {
public:
    body_hash();
    ~body_hash();
    body_hash(body_hash&&) noexcept;
    void update(std::string_view crlf_text);
    [[nodiscard]] std::string finish(); ///< 32 octets
private:
    struct impl;
    std::unique_ptr<impl> impl_;
};
/// Relaxed header canonicalization (section 3.4.2) of one raw field "Name: value" without its final CRLF.
[[nodiscard]] std::string canonical_header(std::string_view raw_field);

/// `fields`: raw header fields in message order, each without its final CRLF. Returns complete "DKIM-Signature: ..."
/// fields (folded, without final CRLF), RSA first, to be put on top in this order.
[[nodiscard]] result<std::vector<std::string>> sign(const config::dkim_settings& settings,
                                                    std::span<const signing_key> keys,
                                                    std::span<const std::string_view> fields,
                                                    std::string_view body_sha256, instant now);
/// The same by libopendkim (settings.signer == libopendkim); it needs the whole body.
[[nodiscard]] result<std::vector<std::string>> sign_with_libopendkim(const config::dkim_settings& settings,
                                                                     std::span<const signing_key> keys,
                                                                     std::span<const std::string_view> fields,
                                                                     std::string_view crlf_body, instant now);

struct verification {
    std::string domain, selector, algorithm_name;
    bool valid = false;
    std::string why; ///< libopendkim's words where it is not
};
/// Verifies every signature of a whole CRLF message with libopendkim, keys from `records` ("selector._domainkey.domain"
/// in lower case -> TXT). No signature: an empty list. errc::malformed where libopendkim cannot read the header at all.
[[nodiscard]] result<std::vector<verification>> verify(std::string_view crlf_message,
                                                       const std::map<std::string, std::string>& records);

} // namespace postsluice::auth
