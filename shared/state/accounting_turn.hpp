// SPDX-License-Identifier: Apache-2.0
// Templates of accounting_lmdb, for its own source files.
#pragma once

#include "shared/state/accounting_lmdb.hpp"

namespace postsluice::state {

/// Runs `verb(ledger)` in the turn's transaction. A verb that fails after it began to write breaks the turn;
/// errc::too_large and errc::malformed are said before anything is written and leave it whole.
template <class Answer, class Verb>
result<Answer> accounting_lmdb::in_turn(Verb&& verb) {
    if (auto begun = begin_turn(); !begun) return begun.error();
    auto books = open_ledger();
    result<Answer> answer = verb(books);
    if (turn_->damaged()) answer = failure{errc::corrupt, "counters"};
    if (!answer && answer.error().code != errc::too_large && answer.error().code != errc::malformed) {
        break_turn(answer.error());
    }
    return answer;
}

/// Runs `read(transaction)`: in the turn's transaction, where there is one, so that a query sees what was answered
/// before it.
template <class Read>
auto accounting_lmdb::reading(Read&& read) -> decltype(read(std::declval<const read_txn&>())) {
    if (turn_) return read(*turn_);
    auto txn = store_.read();
    if (!txn) return txn.error();
    auto answer = read(*txn);
    if (txn->damaged()) return failure{errc::corrupt, "counters"};
    return answer;
}

} // namespace postsluice::state
