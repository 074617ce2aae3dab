// SPDX-License-Identifier: Apache-2.0
// Bounce Address Tag Validation (draft-levine-smtp-batv-01, section 4: "prvs"). The reverse-path of outgoing mail
// becomes prvs=KDDDSSSSSS=local@domain: K names the key, DDD is the day the tag expires (days since 1970, modulo 1000),
// SSSSSS are the first three octets, in hex, of the HMAC-SHA1 under that key of K, DDD and the untagged address. A
// bounce to an address without such a tag answers no mail of ours.
//
// What the draft leaves open, and what is done here:
// - Case: the address is signed in lower case and without quotes, since bounces come back in any case. A tag over the
//   local part as it stands is good too: other implementations (Exim) sign that.
// - An address that is tagged already keeps its tag. SRS0= and SRS1= local parts are left alone: they carry a seal of
//   their own, which whoever rewrote them checks. So are local parts that a tag would bring over 64 octets (RFC 5321
//   section 4.5.3.1.1). Bounces to any of these are therefore not asked for a tag.
// - VERP (postconf(5), default_verp_delimiters) appends "+user=host" after the tag was made: the tag is also checked
//   without what follows the last '+'.
// - A tag is good through its last day. DDD comes round every 1000 days: a tag that expired (1000 - lifetime) days ago
//   would be good again; keys older than that belong out of the file.
// Six hex digits are 24 bits: a guess passes once in 16 million, and a bounce is all it gets.
//
// Keys: a file with one "N secret" a line, N from 0 to 9, the newest first: it signs, the others still verify. policyd
// makes the file where there is none. A file that others may read, or the group may write, is refused. A change is
// noticed with the next message; one that cannot be used is logged, and the old keys stay. May be called from many
// threads.
#pragma once

#include "shared/auth/secret_file.hpp"
#include "shared/config/settings.hpp"
#include "shared/core/mail_address.hpp"
#include "shared/core/result.hpp"

#include <iosfwd>
#include <memory>
#include <mutex>

namespace postsluice::auth {

struct batv_tag {
    unsigned key = 0, day = 0;
    std::string signature; ///< six hex digits as they stood
    std::string local;     ///< what follows the tag
};
/// nullopt: no tag of this form. "prvs" and the digits in any case.
[[nodiscard]] std::optional<batv_tag> read_batv_tag(std::string_view local);
/// The six digits, in lower case, for an address as it is.
[[nodiscard]] std::string batv_signature(std::string_view secret, unsigned key, unsigned day, std::string_view address);
/// Days since 1970 modulo 1000.
[[nodiscard]] unsigned batv_day(instant at) noexcept;

enum class batv_verdict {
    not_asked, ///< not a domain of ours, exempt, or an address that we would not have tagged
    valid,
    untagged,
    expired,
    forged, ///< the digits are wrong, or the key is none of ours
};
[[nodiscard]] std::string_view to_string(batv_verdict verdict) noexcept;
std::ostream& operator<<(std::ostream& out, batv_verdict verdict);

class batv_keys {
public:
    /// `makes`: policyd, which makes a key file where there is none; the filter waits for it. Without domains the file
    /// is not touched. errc::denied, corrupt, unavailable: the keys cannot be used as they are.
    [[nodiscard]] static result<std::unique_ptr<batv_keys>> open(const config::batv_settings& settings, bool makes);
    /// New settings after a reload. On an error the old ones stay.
    [[nodiscard]] result<void> use(const config::batv_settings& settings);

    /// Would tag() change this reverse-path?
    [[nodiscard]] bool tags(const mail_address& reverse_path) const;
    /// The reverse-path to send with: tagged, or as it was where it is the null sender, of another domain or one of the
    /// kinds above. errc::unavailable: there is no key.
    [[nodiscard]] result<mail_address> tag(const mail_address& reverse_path, instant now);
    /// Of the recipient of a bounce. errc::unavailable: there is no key.
    [[nodiscard]] result<batv_verdict> check(const mail_address& recipient, instant now);

private:
    struct key {
        unsigned number = 0;
        std::string secret;
    };
    explicit batv_keys(bool makes)
        : makes_{makes} {}
    static result<std::vector<key>> read(const std::filesystem::path& file, file_version& seen);
    static result<std::vector<key>> parse(std::string_view text);
    static result<void> make(const std::filesystem::path& file);
    [[nodiscard]] bool is_ours(const mail_address& address) const;
    [[nodiscard]] bool signs(const mail_address& address) const;
    [[nodiscard]] bool is_signed_by_us(const batv_tag& tag, const std::string& domain) const;
    void reread();

    bool makes_;
    mutable std::mutex mutex_;
    config::batv_settings settings_;
    std::vector<key> keys_; ///< newest first
    file_version seen_;
    std::optional<file_version> refused_; ///< could not be used
};

} // namespace postsluice::auth
