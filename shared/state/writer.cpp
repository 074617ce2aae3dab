// SPDX-License-Identifier: Apache-2.0
// Two threads. The worker begins a transaction (and may be stuck there for as long as another process holds LMDB's
// mutex), then runs everything that is queued by then, each operation in a nested transaction, so that one that fails
// is rolled back alone, and commits once. The watchdog ends the callers' waits: all waits are equally long, so the
// queue of waiters is in order of its deadlines and the first one tells when to look again.
#include "shared/state/writer.hpp"

#include "shared/log/log.hpp"
#include "shared/state/completion.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

namespace postsluice::state {
namespace {

using steady = std::chrono::steady_clock;
namespace asio = boost::asio;

constexpr std::size_t max_queue = 10000;
constexpr std::size_t max_batch = 256;

// One caller. Whoever takes `done` out first (under the mutex of the writer) tells him.
struct pending {
    writer::operation op;
    steady::time_point deadline;
    completion done;                     // for run()
    std::optional<result<void>> outcome; // for run_blocking()
    bool blocking = false;
    bool told = false;
    bool finished = false;
};
using pending_ptr = std::shared_ptr<pending>;

result<void> guarded(const writer::operation& op, write_txn& txn) {
    try {
        return op(txn);
    } catch (const std::exception& e) {
        return failure{errc::internal, e.what()};
    }
}

result<void> run_nested(const writer::operation& op, write_txn& txn) {
    auto inner = txn.nested();
    if (!inner) return inner.error();
    if (auto done = guarded(op, *inner); !done) return done;
    return inner->commit();
}

} // namespace

struct writer::impl : std::enable_shared_from_this<impl> {
    impl(store& where, seconds wait)
        : store_{where}
        , timeout{wait} {}

    store& store_;
    const seconds timeout;
    std::mutex mutex;
    std::condition_variable work, overdue, idle;
    std::deque<pending_ptr> queue;   // not yet begun
    std::deque<pending_ptr> waiting; // in order of deadline
    bool stopping = false;
    bool abandoned = false; // the writer is gone; nothing that operations refer to may be there any more
    bool worker_ended = false;
    bool resting = false; // the watchdog has nobody to watch for
    std::thread worker, watchdog;

    void work_on();
    void watch();
    bool enqueue(const pending_ptr& p);
    void tell(const pending_ptr& p, result<void> outcome);
    std::deque<pending_ptr> take_batch();
    void run_batch(write_txn& txn, std::deque<pending_ptr>& batch);
};

// With the mutex held.
bool writer::impl::enqueue(const pending_ptr& p) {
    if (stopping || waiting.size() >= max_queue) return false;
    p->deadline = steady::now() + timeout;
    queue.push_back(p);
    waiting.push_back(p);
    work.notify_one();
    if (resting) overdue.notify_one();
    return true;
}

// With the mutex held.
void writer::impl::tell(const pending_ptr& p, result<void> outcome) {
    if (std::exchange(p->told, true)) return;
    if (p->blocking) {
        p->outcome = std::move(outcome);
        idle.notify_all();
    } else {
        p->done.post(std::move(outcome));
    }
}

std::deque<pending_ptr> writer::impl::take_batch() {
    const std::lock_guard hold{mutex};
    std::deque<pending_ptr> batch;
    if (abandoned) return batch;
    while (!queue.empty() && batch.size() < max_batch) {
        batch.push_back(std::move(queue.front()));
        queue.pop_front();
    }
    return batch;
}

void writer::impl::run_batch(write_txn& txn, std::deque<pending_ptr>& batch) {
    std::deque<std::pair<pending_ptr, result<void>>> outcomes;
    const bool alone = batch.size() == 1;
    for (auto& p : batch)
        outcomes.emplace_back(p, alone ? guarded(p->op, txn) : run_nested(p->op, txn));
    result<void> committed{};
    if (!alone || outcomes.front().second) committed = txn.commit();
    const std::lock_guard hold{mutex};
    for (auto& [p, outcome] : outcomes) {
        p->finished = true;
        tell(p, outcome && !committed ? committed : outcome);
        p->op = {};
    }
    std::erase_if(waiting, [](const pending_ptr& p) { return p->finished; });
}

void writer::impl::work_on() {
    for (;;) {
        {
            std::unique_lock hold{mutex};
            work.wait(hold, [this] { return !queue.empty() || stopping; });
            if (queue.empty() || abandoned) break;
        }
        auto txn = store_.write();
        auto batch = take_batch();
        if (batch.empty()) continue; // abandoned while we waited for the mutex
        if (txn) {
            run_batch(*txn, batch);
            continue;
        }
        const std::lock_guard hold{mutex};
        for (auto& p : batch) {
            p->finished = true;
            tell(p, txn.error());
        }
        std::erase_if(waiting, [](const pending_ptr& p) { return p->finished; });
    }
    const std::lock_guard hold{mutex};
    worker_ended = true;
    idle.notify_all();
    overdue.notify_all();
}

void writer::impl::watch() {
    std::unique_lock hold{mutex};
    while (!worker_ended && !abandoned) {
        const auto next = std::find_if(waiting.begin(), waiting.end(), [](const auto& p) { return !p->told; });
        if (next == waiting.end()) {
            resting = true;
            overdue.wait(hold);
            resting = false;
            continue;
        }
        const auto deadline = (*next)->deadline;
        if (steady::now() < deadline) {
            overdue.wait_until(hold, deadline);
            continue;
        }
        tell(*next, failure{errc::timed_out, "the state's writer is late"});
    }
}

writer::writer(store& where, seconds timeout)
    : impl_{std::make_shared<impl>(where, timeout)} {
    impl_->worker = std::thread{[i = impl_] { i->work_on(); }};
    impl_->watchdog = std::thread{[i = impl_] { i->watch(); }};
}

// A worker that is stuck in LMDB's mutex cannot be woken. It is left behind with all it needs to find out, later, that
// nobody wants its work any more; the process is about to end.
writer::~writer() {
    bool ended = false;
    {
        std::unique_lock hold{impl_->mutex};
        impl_->stopping = true;
        impl_->work.notify_all();
        ended = impl_->idle.wait_for(hold, impl_->timeout, [this] { return impl_->worker_ended; });
        if (!ended) {
            impl_->abandoned = true;
            for (auto& p : impl_->queue)
                impl_->tell(p, failure{errc::closed, "the state's writer stops"});
            impl_->queue.clear();
            impl_->overdue.notify_all();
        }
    }
    impl_->watchdog.join();
    if (ended) {
        impl_->worker.join();
    } else {
        log::error("state writer is stuck and was left behind");
        impl_->worker.detach();
    }
}

boost::asio::awaitable<result<void>> writer::run(operation op) {
    auto p = std::make_shared<pending>();
    p->op = std::move(op);
    auto i = impl_;
    auto start = [i, p](auto handler) {
        const auto executor = asio::get_associated_executor(handler);
        const std::lock_guard hold{i->mutex};
        p->done = completion{std::move(handler), executor};
        if (!i->enqueue(p)) i->tell(p, failure{errc::unavailable, "the state's writer is overloaded or stops"});
    };
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(result<void>)>(start,
                                                                                               asio::use_awaitable);
}

result<void> writer::run_blocking(operation op) {
    auto p = std::make_shared<pending>();
    p->op = std::move(op);
    p->blocking = true;
    std::unique_lock hold{impl_->mutex};
    if (!impl_->enqueue(p)) return failure{errc::unavailable, "the state's writer is overloaded or stops"};
    impl_->idle.wait(hold, [&] { return p->told; }); // the watchdog tells us at the latest
    return *p->outcome;
}

bool writer::healthy() const noexcept {
    const std::lock_guard hold{impl_->mutex};
    return impl_->waiting.empty() || steady::now() < impl_->waiting.front()->deadline;
}

} // namespace postsluice::state
