// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/external_scanners.hpp"

#include "contentfilter/checks/clamd_client.hpp"
#include "contentfilter/checks/rspamd_client.hpp"
#include "contentfilter/checks/spamd_client.hpp"
#include "contentfilter/checks/url_list_client.hpp"
#include "shared/daemon/vital.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <thread>

namespace postsluice::contentfilter {

namespace asio = boost::asio;

struct external_scanners::impl {
    asio::io_context context{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    std::unique_ptr<clamd_client> clamd;
    std::unique_ptr<spamd_client> spamd;
    std::unique_ptr<rspamd_client> rspamd;
    std::unique_ptr<url_list_client> url_lists;
    std::thread thread;

    ~impl() {
        context.stop();
        if (thread.joinable()) thread.join();
    }
};

external_scanners::external_scanners(const config::settings& settings)
    : impl_{std::make_unique<impl>()} {
    const auto executor = impl_->context.get_executor();
    if (!settings.clamd.endpoint.empty()) impl_->clamd = std::make_unique<clamd_client>(executor, settings.clamd);
    if (!settings.spamd.endpoint.empty()) impl_->spamd = std::make_unique<spamd_client>(executor, settings.spamd);
    if (!settings.rspamd.endpoint.empty()) impl_->rspamd = std::make_unique<rspamd_client>(executor, settings.rspamd);
    if (!settings.url_lists.lists.empty())
        impl_->url_lists = std::make_unique<url_list_client>(executor, settings.url_lists, settings.dns);
    impl_->thread = std::thread{[self = impl_.get()] { daemon::run_vital(self->context); }};
}

external_scanners::~external_scanners() = default;

std::shared_ptr<external_scanners> external_scanners::start(const config::settings& settings) {
    const bool any = !settings.clamd.endpoint.empty() || !settings.spamd.endpoint.empty() ||
                     !settings.rspamd.endpoint.empty() || !settings.url_lists.lists.empty();
    return any ? std::make_shared<external_scanners>(settings) : nullptr;
}

clamd_client* external_scanners::clamd() const noexcept {
    return impl_->clamd.get();
}
spamd_client* external_scanners::spamd() const noexcept {
    return impl_->spamd.get();
}
rspamd_client* external_scanners::rspamd() const noexcept {
    return impl_->rspamd.get();
}
url_list_client* external_scanners::url_lists() const noexcept {
    return impl_->url_lists.get();
}

} // namespace postsluice::contentfilter
