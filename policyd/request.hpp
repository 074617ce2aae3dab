// SPDX-License-Identifier: Apache-2.0
// A policy request as the rules see it: attributes with their meaning. Still views into the connection's buffer: a
// request is used by the coroutine that owns that buffer and waits for the answer before it reads on, and by nothing
// that outlives this. Which attribute is known at which stage: SMTPD_POLICY_README; recipient_count is 0 before DATA,
// recipient is empty at DATA and END-OF-MESSAGE with several recipients, instance is empty at VRFY and ETRN.
#pragma once

#include "policyd/protocol.hpp"

#include <iosfwd>

namespace postsluice::policyd {

enum class stage : std::uint8_t { rcpt, data, end_of_message, other };
[[nodiscard]] std::string_view to_string(stage at) noexcept;
std::ostream& operator<<(std::ostream& out, stage at);

struct request {
    stage at = stage::other; ///< `other`: CONNECT, EHLO, MAIL, VRFY, ETRN and whatever a later Postfix invents
    std::string_view client_address, server_address, server_port, sender, recipient, queue_id, instance, sasl_username,
        policy_context;
    /// Of the TLS client certificate and of its public key; empty: the client presented none.
    std::string_view ccert_fingerprint, ccert_pubkey_fingerprint;
    std::uint32_t recipient_count = 0;
    std::uint64_t size = 0; ///< octets; 0: not known
};

/// errc::malformed: another kind of request than smtpd_access_policy, or a number that is none.
[[nodiscard]] result<request> read_request(const attributes& raw);

} // namespace postsluice::policyd
