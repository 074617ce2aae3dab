// SPDX-License-Identifier: Apache-2.0
// Whether the DNS publishes what our keys sign with (RFC 6376 section 3.6.1): comparing TXT records with a key, and
// what is known of each key of a running daemon. compare() is pure; published_keys may be used by any thread. Nothing
// here asks the DNS: who does hands in the answer.
#pragma once

#include "shared/auth/dkim.hpp"

#include <mutex>
#include <optional>

namespace postsluice::auth {

enum class publication : std::uint8_t {
    unknown,   ///< not asked yet
    good,      ///< matches
    testing,   ///< matches, and t=y tells receivers to make nothing of it (section 3.6.1)
    absent,    ///< there is no record
    revoked,   ///< p= is empty
    different, ///< another key, another kind, or a restriction that our signatures do not meet
    unreadable ///< no DKIM record, or several
};
[[nodiscard]] std::string_view to_string(publication p) noexcept;
/// Receivers can verify what the key signs.
[[nodiscard]] constexpr bool usable(publication p) noexcept {
    return p == publication::good || p == publication::testing;
}

struct publication_report {
    publication state = publication::unknown;
    std::string published;                ///< the record as it is; of several the first
    std::string expected;                 ///< dns_record()
    std::vector<std::string> differences; ///< one sentence each
};
/// `records`: the TXT records at NAME, the strings of each joined. No record: absent.
[[nodiscard]] publication_report compare(const signing_key& key, const std::vector<std::string>& records);

/// "selector._domainkey.domain"
[[nodiscard]] std::string record_name(std::string_view domain, std::string_view selector);
/// "NAME. IN TXT ( "..." "..." )" for a BIND zone: strings of at most 255 octets (RFC 1035 section 3.3), lines that
/// editors do not wrap.
[[nodiscard]] std::string zone_record(std::string_view name, std::string_view value);

/// What was found, by record name and key: of the keys that are known from the files, and of those that a wildcard
/// stands for once they are used. A failed lookup leaves what was known. Bounded: at most max_names of wildcards.
class published_keys {
public:
    static constexpr std::size_t max_names = 10'000;
    struct entry {
        signing_key key;
        key_role role = key_role::current;
        publication_report last;
        std::optional<instant> asked, answered;
        std::string trouble;  ///< of the last lookup
        bool watched = false; ///< known from the files
    };
    /// These keys are in use from now on, and the others no more. What is known of a key that was there before stays.
    void watch(const std::vector<listed_key>& keys);
    /// The state; a key that was not known before is due at once.
    publication state(const signing_key& key);
    /// Whether nothing is known of the key yet, and asking may help: not where a lookup failed within `retry`.
    [[nodiscard]] bool to_be_asked(const signing_key& key, instant now, seconds retry);
    /// Names to be asked now: never asked, or not since `interval`; since `retry` where a lookup failed, or what is
    /// published is of no use.
    [[nodiscard]] std::vector<std::string> due(instant now, seconds interval, seconds retry, std::size_t most);
    /// What a lookup of a name gave (no record is an answer); returns the entry where its state is another than before.
    std::optional<entry> learn(const std::string& name, const result<std::vector<std::string>>& records, instant now);
    [[nodiscard]] std::optional<entry> find(const std::string& name) const;
    /// Entries that came from wildcards, the names of all keys otherwise being known.
    [[nodiscard]] std::vector<entry> of_wildcards() const;

private:
    entry* of(const signing_key& key);
    entry* place(const signing_key& key, std::string record);
    mutable std::mutex mutex_;
    std::map<std::string, entry> entries_;
    std::size_t watched_ = 0;
};

} // namespace postsluice::auth
