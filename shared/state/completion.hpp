// SPDX-License-Identifier: Apache-2.0
// A completion handler of unknown type, to be kept until a commit has happened: move-only, called at most once;
// destroyed uncalled it destroys the waiting coroutine. It keeps its executor's context alive while it waits.
#pragma once

#include "shared/core/result.hpp"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <memory>
#include <utility>

namespace postsluice::state {

class completion {
public:
    completion() = default;
    template <class Handler, class Executor>
    completion(Handler handler, const Executor& fallback)
        : held_{std::make_unique<holder<Handler, Executor>>(std::move(handler), fallback)} {}

    /// By whoever runs on the handler's executor: inline.
    void call(result<void> outcome) { std::exchange(held_, {})->call(std::move(outcome)); }
    /// On the handler's executor, never inline: from any thread.
    void post(result<void> outcome) { std::exchange(held_, {})->post(std::move(outcome)); }
    explicit operator bool() const noexcept { return held_ != nullptr; }

private:
    struct base {
        virtual ~base() = default;
        virtual void call(result<void> outcome) = 0;
        virtual void post(result<void> outcome) = 0;
    };
    template <class Handler, class Executor>
    struct holder final : base {
        holder(Handler h, const Executor& fallback)
            : handler{std::move(h)}
            , work{boost::asio::make_work_guard(handler, fallback)} {}
        void call(result<void> outcome) override { std::move(handler)(std::move(outcome)); }
        void post(result<void> outcome) override {
            boost::asio::post(work.get_executor(), [h = std::move(handler), o = std::move(outcome)]() mutable {
                std::move(h)(std::move(o));
            });
        }
        Handler handler;
        boost::asio::executor_work_guard<boost::asio::associated_executor_t<Handler, Executor>> work;
    };
    std::unique_ptr<base> held_;
};

} // namespace postsluice::state
