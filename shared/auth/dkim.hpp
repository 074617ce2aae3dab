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
#include <optional>
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
    std::string pem;      ///< for libopendkim
    std::string identity; ///< i= (RFC 6376 section 3.5); empty: none
};

/// Loads one PEM key: refuses keys that others can read, too short ones, and kinds other than RSA and Ed25519.
[[nodiscard]] result<signing_key> load_key(const std::filesystem::path& file, std::string domain, std::string selector,
                                           std::size_t min_rsa_bits);
/// The same from PEM or base64 of DER, as it stands in OpenDKIM's KeyTable; `origin` names it in errors.
[[nodiscard]] result<signing_key> read_key(std::string text, const std::filesystem::path& origin, std::string domain,
                                           std::string selector, std::size_t min_rsa_bits);
/// The DNS TXT value for the key: "v=DKIM1; k=rsa; p=...".
[[nodiscard]] std::string dns_record(const signing_key& key);
/// The modulus of an RSA key, 256 for Ed25519.
[[nodiscard]] unsigned key_bits(const signing_key& key);

/// Where a key of the directory stands in a rotation.
enum class key_role : std::uint8_t {
    current, ///< signs
    next,    ///< is to sign once it is published
    retired  ///< signs no more; its record stays for the mail that is under way
};
std::string_view to_string(key_role r) noexcept;
/// In the directory of a domain: "" for current keys, "next", "old".
[[nodiscard]] std::string_view folder_of(key_role r) noexcept;

/// A key and what it is for, for people.
struct listed_key {
    signing_key key; ///< domain: "*.DOMAIN" or "%" where that of From becomes d=
    key_role role = key_role::current;
    std::string source;                 ///< "directory", or "KeyTable:12" with the line
    std::vector<std::string> signs_for; ///< "@example.org", "@*.example.org" (below it), the SigningTable's patterns
    std::optional<instant> since{};     ///< retired: since when
};
/// Whether d= is known before a message is: no wildcard.
[[nodiscard]] bool final_domain(const signing_key& key);

/// The domain under which a name was registered (the public suffix list); a public suffix is its own.
[[nodiscard]] std::string_view organisational_domain(std::string_view lower_case_domain);
/// DMARC's relaxed alignment (RFC 7489 section 3.1.1): the same organisational domain.
[[nodiscard]] bool relaxed_aligned(std::string_view a, std::string_view b);

struct opendkim_tables;

/// All keys: those of `directory` (DOMAIN/SELECTOR.pem, "*.DOMAIN" for every domain below DOMAIN; those in DOMAIN/next
/// and DOMAIN/old are known and do not sign), RSA before Ed25519 within a domain, and those of OpenDKIM's tables. Each
/// passes the self-check (signed by us, verified by libopendkim) or is an error. Errors name the file, or file:line; a
/// key in error is absent.
class key_table {
public:
    key_table();
    ~key_table();
    key_table(const key_table&) = delete;
    struct load_outcome {
        std::shared_ptr<const key_table> table;
        std::vector<std::string> errors;
    };
    /// Where a file of `before` cannot be used any more, though it is there, its old key stays, and is an error.
    [[nodiscard]] static load_outcome load(const config::dkim_settings& settings, const key_table* before = nullptr);

    struct selection {
        std::vector<signing_key> keys; ///< d= is final; RSA before Ed25519
        /// The domain has keys and none of them could be loaded: signing must fail (451), not go unsigned. A domain
        /// with one good key is signed with that; the error of the other was reported. An unreadable key directory
        /// breaks every domain.
        bool broken = false;
    };
    /// The keys for the address in From: what the SigningTable names, or else the directory's keys of the exact domain,
    /// of the nearest wildcard (d= is the From domain), of the nearest parent within the organisational domain. Of them
    /// only those of `selector`, where there are any.
    [[nodiscard]] selection select(std::string_view local, std::string_view from_domain,
                                   std::string_view selector = {}) const;
    /// The directory's part of select(): as loaded, a wildcard's d= still "*.DOMAIN".
    [[nodiscard]] std::span<const signing_key> find(std::string_view from_domain) const;
    [[nodiscard]] bool broken(std::string_view from_domain) const;
    [[nodiscard]] std::vector<const signing_key*> all() const; ///< those that sign
    /// Every key, also those that do not sign (yet, or any more): current, next, retired for each domain.
    [[nodiscard]] std::vector<listed_key> listed() const;
    /// Those of them that concern mail from a domain; of wildcards d= is then that domain.
    [[nodiscard]] std::vector<listed_key> listed(std::string_view from_domain) const;
    /// Whether a file or directory was added, removed or written since load(). Costs a stat for each.
    [[nodiscard]] bool changed_on_disk() const;

private:
    friend class key_loader;
    struct named_key { ///< of the KeyTable
        bool any_domain = false;
        std::map<std::string, signing_key, std::less<>> by_domain; ///< "" where the file is the same for all
        bool failed = false;
    };
    struct aside_key { ///< of next or old; since: retired
        signing_key key;
        key_role role;
        std::optional<instant> since;
    };
    [[nodiscard]] std::string known_domain(std::string_view domain) const;
    void list_directory(std::vector<listed_key>& out, const std::string& domain) const;
    void list_named(std::vector<listed_key>& out, std::string_view domain) const;
    [[nodiscard]] bool select_named(selection& out, std::string_view local, const std::string& domain) const;
    [[nodiscard]] std::uint64_t stamp() const;
    std::map<std::string, std::vector<signing_key>, std::less<>> by_domain_;
    std::map<std::string, std::vector<aside_key>, std::less<>> aside_;
    std::vector<std::string> broken_domains_;
    bool all_broken_ = false;
    std::unique_ptr<opendkim_tables> tables_; ///< null: not configured
    bool all_matches_ = false;
    std::map<std::string, named_key, std::less<>> named_;
    std::filesystem::path directory_;
    std::vector<std::filesystem::path> watched_; ///< beside the directory
    std::uint64_t stamp_ = 0;
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
