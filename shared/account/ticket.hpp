// SPDX-License-Identifier: Apache-2.0
// The ticket: how the filter knows who sent a message (HACKING.md, "How data flows"). policyd answers DATA with
// `PREPEND X-Postsluice-Ticket: v1 <key id> <base64url>`; the blob is nonce (12) | ciphertext | tag (16) of AES-256-GCM
// over the fields below, with "v1 <key id>" as additional data, so nobody reads a login in a bounce and nobody forges
// one. Keys lie in <state>/ticket.keys (0640, one "id created base64url-key" a line, newest first): policyd alone
// writes it (aside with O_EXCL, fsync, rename); old keys are kept for a queue's life. The filter rereads on an unknown
// key id, where the file has changed since it was read; after a read that failed, once a second. Not thread-safe to
// write; unseal() and seal() may be called from many threads.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/result.hpp"

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace postsluice::account {

inline constexpr std::string_view ticket_header = "X-Postsluice-Ticket";

struct ticket {
    std::string account; ///< "-" for a client that is not ours
    std::string client;  ///< address
    std::string instance;
    std::string queue_id; ///< "-" where Postfix has none yet (before the queue)
    std::uint32_t recipients = 0;
    instant issued{};
    std::string login; ///< identity::login; empty for networks and unknown clients
    /// Before the queue only, where the filter may ask for the charge back: transaction_id::server of the transaction.
    std::string server = {};
    /// There, too, and where the account's trend counts the message: how many of its recipients were new to it.
    std::optional<std::uint32_t> new_recipients = {};
    bool operator==(const ticket&) const = default;
};

class ticket_ring {
public:
    /// Reads the keys; none there is fine for the filter (every ticket is then unknown). errc::denied or unavailable
    /// where the file cannot be read, errc::corrupt where a line is no key.
    [[nodiscard]] static result<std::unique_ptr<ticket_ring>> open(std::filesystem::path file);

    ~ticket_ring();

    /// policyd: makes the first key or a new one where the newest is older than `rotation`; drops those that were
    /// replaced more than `retention` ago (a key that was in use until now, for whatever reason, is kept for a queue's
    /// life from now). Returns whether the file changed. On failure the keys in memory are as before; the next call
    /// tries again.
    [[nodiscard]] result<bool> rotate(instant now, seconds rotation, seconds retention);
    /// The header value, one line without CRLF, under 900 octets. errc::too_large where the texts together are over 600
    /// octets, errc::unavailable before the first rotate().
    [[nodiscard]] result<std::string> seal(const ticket& t) const;
    /// errc::denied where the seal is broken, errc::not_found where the key is unknown even after rereading,
    /// errc::malformed where it is no ticket.
    [[nodiscard]] result<ticket> unseal(std::string_view header_value);

private:
    struct key {
        std::string id, secret;
        instant created{};
    };
    explicit ticket_ring(std::filesystem::path file);
    /// What tells one version of the file from another; all zero: no file.
    struct version {
        std::uint64_t device = 0, inode = 0;
        std::int64_t size = 0, modified = 0, changed = 0;
        bool operator==(const version&) const = default;
    };
    struct sealer; // the newest key, ready for use: a key is set up once, not for each ticket
    static result<std::vector<key>> read(const std::filesystem::path& file, version& seen);
    static result<std::vector<key>> parse(std::string_view text);
    static version version_of(const std::filesystem::path& file);
    result<void> write(const std::vector<key>& keys) const;
    result<void> reread();
    [[nodiscard]] const key* find(std::string_view id) const;

    std::filesystem::path file_;
    mutable std::mutex mutex_;
    std::vector<key> keys_; ///< newest first
    mutable std::unique_ptr<sealer> sealer_;
    version seen_;
    std::chrono::steady_clock::time_point failed_{}; ///< the last read that failed
};

} // namespace postsluice::account
