// SPDX-License-Identifier: Apache-2.0
#include "shared/net/ready_set.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/epoll.h>

namespace postsluice::net {

namespace {

int need(int outcome, const char* what) {
    if (outcome < 0) throw std::system_error{errno, std::generic_category(), what};
    return outcome;
}

constexpr std::uint32_t to_read = EPOLLIN | EPOLLRDHUP | EPOLLET;

} // namespace

/// Shared, since a member may end with the event loop's last handlers, after the set.
struct ready_set::core : std::enable_shared_from_this<ready_set::core> {
    explicit core(const asio::any_io_executor& executor)
        : epoll{executor, need(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")} {}

    void add(member& m) {
        m.after_ = std::exchange(waiting, &m);
        if (m.after_ != nullptr) m.after_->before_ = &m;
        listen();
    }
    // A loop that has nothing else to do ends with the last one.
    void remove(member& m) {
        (m.before_ != nullptr ? m.before_->after_ : waiting) = m.after_;
        if (m.after_ != nullptr) m.after_->before_ = m.before_;
        m.before_ = m.after_ = nullptr;
        if (waiting != nullptr || !listening) return;
        boost::system::error_code ignored;
        epoll.cancel(ignored);
    }
    void listen() {
        if (listening || looking) return; // look() goes on by itself
        listening = true;
        epoll.async_wait(asio::posix::stream_descriptor::wait_read,
                         [set = weak_from_this()](const boost::system::error_code& error) {
                             if (const auto self = set.lock()) self->woken(!error);
                         });
    }
    void woken(bool ready) {
        listening = false;
        if (ready) look();
        if (waiting != nullptr) listen();
    }
    void look() {
        const int n = ::epoll_wait(epoll.native_handle(), events.data(), static_cast<int>(events.size()), 0);
        looking = true;
        under_way = std::span{events}.first(static_cast<std::size_t>(std::max(n, 0)));
        while (!under_way.empty()) {
            const auto event = under_way.front();
            under_way = under_way.subspan(1);
            if (event.data.ptr != nullptr) static_cast<member*>(event.data.ptr)->happened(event.events);
        }
        looking = false;
        for (const auto& work : std::exchange(afterwards, {}))
            work();
    }
    void forget(const member& m) {
        for (auto& event : under_way)
            if (event.data.ptr == &m) event.data.ptr = nullptr;
    }
    void drop_all() {
        while (waiting != nullptr)
            (void)waiting->end(); // with whom the member may end, too
    }

    asio::posix::stream_descriptor epoll;
    std::array<epoll_event, 256> events{};
    std::span<epoll_event> under_way; // not handed out yet
    std::vector<std::function<void()>> afterwards;
    member* waiting = nullptr;
    bool listening = false, looking = false;
};

ready_set::ready_set(const asio::any_io_executor& executor)
    : core_{std::make_shared<core>(executor)} {}

ready_set::~ready_set() {
    core_->drop_all();
}

std::function<void(std::function<void()>)> ready_set::end_of_turn() const {
    return [of = core_](std::function<void()> work) {
        if (of->looking)
            of->afterwards.push_back(std::move(work));
        else
            asio::post(of->epoll.get_executor(), std::move(work));
    };
}

ready_set::member::member(ready_set& set, int fd)
    : set_{set.core_}
    , fd_{fd} {
    epoll_event event{};
    event.events = to_read;
    event.data.ptr = this;
    need(::epoll_ctl(set_->epoll.native_handle(), EPOLL_CTL_ADD, fd_, &event), "epoll_ctl");
}

ready_set::member::~member() {
    (void)::epoll_ctl(set_->epoll.native_handle(), EPOLL_CTL_DEL, fd_, nullptr);
    set_->forget(*this);
    if (waiting_) set_->remove(*this);
}

asio::awaitable<bool> ready_set::member::wait() {
    const auto start = [this](handler given) {
        if (take())
            asio::post(set_->epoll.get_executor(), [h = std::move(given)]() mutable { std::move(h)(true); });
        else
            begin(std::move(given));
    };
    return asio::async_initiate<const asio::use_awaitable_t<>, void(bool)>(start, asio::use_awaitable);
}

// What is ready when it is asked for is an event.
void ready_set::member::ask_for(std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = const_cast<member*>(this);
    need(::epoll_ctl(set_->epoll.native_handle(), EPOLL_CTL_MOD, fd_, &event), "epoll_ctl");
}

asio::awaitable<bool> ready_set::member::wait_for_room() {
    ask_for(EPOLLOUT | EPOLLET); // not for what waits to be read: that would be an event at once, again and again
    const bool happened = co_await wait();
    ask_for(to_read);
    co_return happened;
}

void ready_set::member::cancel() {
    if (!waiting_) return;
    asio::post(set_->epoll.get_executor(), [h = end()]() mutable { std::move(h)(false); });
}

void ready_set::member::begin(handler given) {
    waiting_.emplace(std::move(given));
    set_->add(*this);
}

ready_set::member::handler ready_set::member::end() {
    auto ended = std::move(*waiting_);
    waiting_.reset();
    set_->remove(*this);
    return ended;
}

void ready_set::member::happened(std::uint32_t events) {
    hung_up_ = hung_up_ || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (waiting_)
        end()(true); // which may be the end of this member
    else
        happened_ = true;
}

} // namespace postsluice::net
