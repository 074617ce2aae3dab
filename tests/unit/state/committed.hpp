// SPDX-License-Identifier: Apache-2.0
// The accounting's verbs, each complete after its commit: what a policy session does around them, for tests that ask
// one thing at a time.
#pragma once

#include "shared/state/accounting.hpp"

namespace postsluice::state::test {

template <class Value>
boost::asio::awaitable<result<Value>> when_committed(accounting& books, result<Value> answer) {
    if (!answer) co_return answer.error();
    const auto safe = co_await books.committed();
    if (!safe) co_return safe.error();
    co_return std::move(answer);
}

inline boost::asio::awaitable<result<admit_answer>> admit_committed(accounting& books, admit_request what) {
    auto answer = books.admit_at_once(what); // at the first resumption, as a session's does
    co_return co_await when_committed(books, std::move(answer));
}
inline boost::asio::awaitable<result<data_answer>> data_committed(accounting& books, data_request what) {
    auto answer = books.data_at_once(what);
    co_return co_await when_committed(books, std::move(answer));
}
inline boost::asio::awaitable<result<void>> settle_committed(accounting& books, transaction_id id,
                                                             std::uint64_t connection, std::string queue_id,
                                                             std::uint64_t size) {
    auto done = books.settle_at_once(id, connection, queue_id, size);
    co_return co_await when_committed(books, std::move(done));
}
inline boost::asio::awaitable<result<void>> abort_committed(accounting& books, transaction_id id,
                                                            std::uint64_t connection, bool after_data_too) {
    auto done = books.abort_at_once(id, connection, after_data_too);
    co_return co_await when_committed(books, std::move(done));
}

} // namespace postsluice::state::test
