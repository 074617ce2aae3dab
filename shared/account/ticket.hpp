// SPDX-License-Identifier: Apache-2.0
// The ticket: how the filter knows who sent a message (architecture.md, "Data flow"). policyd answers DATA with
// `PREPEND X-Postsluice-Ticket: v1 <key id> <base64url>`; the blob is nonce (12) | ciphertext | tag (16) of AES-256-GCM over
// the fields below, with "v1 <key id>" as additional data, so nobody reads a login in a bounce and nobody forges one.
// Keys lie in <state>/ticket.keys (0640, one "id created base64url-key" a line, newest first): policyd alone writes it
// (aside with O_EXCL, fsync, rename); old keys are kept for a queue's life. The filter rereads on an unknown key id.
// Not thread-safe to write; ring::open_ticket() may be called from many threads.
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/result.hpp"

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace postsluice::account {

inline constexpr std::string_view ticket_header = "X-Postsluice-Ticket";

struct ticket {
    std::string account;  ///< "-" for a client that is not ours
    std::string client;   ///< address
    std::string instance;
    std::string queue_id; ///< "-" where Postfix has none yet (before the queue)
    std::uint32_t recipients = 0;
    instant issued{};
    bool operator==(const ticket&) const = default;
};

class ticket_ring {
public:
    /// Reads the keys; none there is fine for the filter (every ticket is then unknown).
    [[nodiscard]] static result<std::unique_ptr<ticket_ring>> open(std::filesystem::path file);

    /// policyd: makes the first key or a new one where the newest is older than `rotation`; drops those older than
    /// `retention`. Returns whether the file changed.
    [[nodiscard]] result<bool> rotate(instant now, seconds rotation, seconds retention);
    /// The header value, one line without CRLF.
    [[nodiscard]] result<std::string> seal(const ticket& t) const;
    /// errc::denied where the seal is broken, errc::not_found where the key is unknown even after rereading,
    /// errc::malformed where it is no ticket.
    [[nodiscard]] result<ticket> unseal(std::string_view header_value);

private:
    struct key {
        std::string id, secret;
        instant created{};
    };
    explicit ticket_ring(std::filesystem::path file) : file_{std::move(file)} {}
    result<void> reread();
    std::filesystem::path file_;
    mutable std::mutex mutex_;
    std::vector<key> keys_;
};

} // namespace postsluice::account
