// SPDX-License-Identifier: Apache-2.0
// Whom an account wrote to: its known recipients, for limits on new ones, in the `counters` environment.
//
// An account has 256 buckets; a recipient's keyed 64-bit hash chooses one and leaves 32 bits in it, the newest last. A
// bucket holds 1/256 of policyd.known_recipients, rounded up; when it is full the oldest goes, and one in its older
// half that is written to again moves to the end. So with K recipients kept
//  - a new recipient passes for a known one with a probability under K / 256 / 2^32 (5e-8 for the default of 50,000);
//  - a known one is forgotten at the earliest when its bucket is full: with K' of K in use none of them is, while K' is
//    well under K (buckets fill unevenly: the first one is full at about 0.8 K).
// Four octets a recipient, at most 4 * (K + 256) an account. Functions work inside the caller's transaction.
#pragma once

#include "shared/state/accounting_records.hpp"
#include "shared/state/store.hpp"

namespace postsluice::state {

[[nodiscard]] bool knows_recipient(const read_txn& txn, const record_key& account, std::uint64_t hash);
/// `most`: recipients that one account keeps.
[[nodiscard]] result<void> learn_recipient(write_txn& txn, const record_key& account, std::uint64_t hash,
                                           std::size_t most);
/// Nothing where it is not known.
[[nodiscard]] result<void> unlearn_recipient(write_txn& txn, const record_key& account, std::uint64_t hash);
[[nodiscard]] result<void> forget_recipients(write_txn& txn, const record_key& account);
/// How many are kept.
[[nodiscard]] std::size_t count_recipients(const read_txn& txn, const record_key& account);

} // namespace postsluice::state
