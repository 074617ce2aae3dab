// SPDX-License-Identifier: Apache-2.0
// Records of accounts in the `state` environment. What else lies in that environment: see quarantine_index.cpp (tags Q,
// Y).
//
//   K <hash of account>                              lock_record
//   S <hash of account>                              strikes_record: those remembered, oldest first
//   H <hash of account> <time, descending> <number>  history: one lock_event
//   D <time, ascending> <the history's key>          when to forget it
//   N <number, big-endian>                           notice, in the order of sending
//   P <number, big-endian>                           hook_call, in the order of the transitions
//   M                                                the next number
//   L                                                number of changes to K records: whether to read them again
#pragma once

#include "shared/state/account_store.hpp"
#include "shared/state/codec.hpp"

namespace postsluice::state {

struct lock_record {
    std::string account;
    lock_state lock;
};

[[nodiscard]] std::string encode_lock(std::string_view account, const lock_state& lock);
[[nodiscard]] std::optional<lock_record> decode_lock(std::string_view value);
[[nodiscard]] std::string encode_strikes(const std::vector<strike>& strikes);
[[nodiscard]] std::optional<std::vector<strike>> decode_strikes(std::string_view value);
[[nodiscard]] std::string encode_event(const lock_event& event);
[[nodiscard]] std::optional<lock_event> decode_event(std::string_view value);
[[nodiscard]] std::string encode_notice(const notice& n);
[[nodiscard]] std::optional<notice> decode_notice(std::uint64_t id, std::string_view value);

[[nodiscard]] std::string encode_hook_call(const hook_call& c);
[[nodiscard]] std::optional<hook_call> decode_hook_call(std::uint64_t id, std::string_view value);

[[nodiscard]] failure damaged(std::string_view what);
/// The new lock, its history, its notices and hook calls. `lock_key`: K and the account's hash.
[[nodiscard]] result<void> store_transition(write_txn& txn, const std::string& lock_key, const std::string& account,
                                            const lock_state& lock, const std::vector<lock_event>& events);
/// An event into history and notices; `id`: its number.
[[nodiscard]] result<std::uint64_t> store_event(write_txn& txn, const std::string& lock_key, const std::string& account,
                                                const lock_event& event);
/// How often K records changed.
[[nodiscard]] std::uint64_t read_changes(const read_txn& txn);
/// Leaves the strikes that are remembered.
void forget_old(std::vector<strike>& strikes, instant now);

} // namespace postsluice::state
