// SPDX-License-Identifier: Apache-2.0
#include "shared/state/accounting.hpp"

namespace postsluice::state {

asio::awaitable<result<admit_answer>> accounting::admit(admit_request request) {
    const auto answer = admit_at_once(request);
    if (!answer) co_return answer.error();
    const auto safe = co_await committed();
    if (!safe) co_return safe.error();
    co_return answer;
}

asio::awaitable<result<data_answer>> accounting::data(data_request request) {
    const auto answer = data_at_once(request);
    if (!answer) co_return answer.error();
    const auto safe = co_await committed();
    if (!safe) co_return safe.error();
    co_return answer;
}

asio::awaitable<result<void>> accounting::settle(transaction_id id, std::uint64_t connection, std::string queue_id,
                                                 std::uint64_t size) {
    const auto done = settle_at_once(id, connection, queue_id, size);
    if (!done) co_return done.error();
    co_return co_await committed();
}

asio::awaitable<result<void>> accounting::abort(transaction_id id, std::uint64_t connection, bool after_data_too) {
    const auto done = abort_at_once(id, connection, after_data_too);
    if (!done) co_return done.error();
    co_return co_await committed();
}

} // namespace postsluice::state
