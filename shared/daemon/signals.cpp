// SPDX-License-Identifier: Apache-2.0
#include "shared/daemon/daemon.hpp"

#include <boost/asio/execution_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <systemd/sd-daemon.h>

#include <csignal>

namespace postsluice::daemon {
namespace {

namespace asio = boost::asio;

// Owned by the context as a service: the signal set outlives its last wait, so that signals after the first SIGTERM are
// swallowed instead of finding the default action, and yet does not keep the context running.
class signal_keeper : public asio::execution_context::service {
public:
    using key_type = signal_keeper;
    static asio::execution_context::id id;

    signal_keeper(asio::execution_context& context, std::unique_ptr<asio::signal_set> set, std::function<void()> stop,
                  std::function<void()> reload)
        : asio::execution_context::service{context}
        , set_{std::move(set)}
        , stop_{std::move(stop)}
        , reload_{std::move(reload)} {}

    void wait() {
        set_->async_wait([this](boost::system::error_code error, int signal) {
            if (error) return;
            if (signal != SIGHUP) return stop_();
            wait();
            reload_();
        });
    }

private:
    void shutdown() override {
        set_.reset();
        stop_ = nullptr;
        reload_ = nullptr;
    }

    std::unique_ptr<asio::signal_set> set_;
    std::function<void()> stop_, reload_;
};

asio::execution_context::id signal_keeper::id;

} // namespace

void notify(std::string_view state) {
    (void)::sd_notify(0, std::string{state}.c_str());
}

void handle_signals(asio::io_context& context, std::function<void()> stop, std::function<void()> reload) {
    auto set = std::make_unique<asio::signal_set>(context, SIGTERM, SIGINT, SIGHUP);
    // Made after the set, therefore shut down before the service that the set lives in.
    asio::make_service<signal_keeper>(context, std::move(set), std::move(stop), std::move(reload)).wait();
}

} // namespace postsluice::daemon
