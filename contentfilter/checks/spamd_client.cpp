// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/spamd_client.hpp"

#include "contentfilter/checks/scanner_io.hpp"
#include "contentfilter/checks/spamd_protocol.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <stdexcept>

namespace postsluice::contentfilter {

namespace asio = boost::asio;

namespace {
net::endpoint endpoint_of(const std::string& text) {
    auto where = net::endpoint::parse(text);
    if (!where) throw std::runtime_error{"spamd.endpoint: " + where.error().message()};
    return *where;
}
} // namespace

spamd_client::spamd_client(asio::any_io_executor executor, const config::spamd_settings& how)
    : executor_{std::move(executor)}
    , how_{how}
    , pool_{{"spamd", endpoint_of(how.endpoint), how.connect_timeout, how.timeout, how.connections}} {}

asio::awaitable<result<std::string>> spamd_client::exchange(std::shared_ptr<const spool> message) {
    auto on = co_await pool_.take(true);
    if (!on) co_return on.error();
    auto head = spamd::request_head(message->size(), how_.user);
    if (auto sent = co_await send_message(*on, std::move(head), std::move(message)); !sent) co_return sent.error();
    std::string text;
    for (;;) {
        const auto more = co_await read_more(*on, text, spamd::max_response);
        if (!more) co_return more.error();
        if (!*more) co_return text;
    }
}

asio::awaitable<result<foreign_answer>> spamd_client::serve(spamd_client* self, std::shared_ptr<const spool> message) {
    const auto text = co_await self->exchange(std::move(message));
    auto answer = text ? spamd::parse_response(*text, self->how_.max_symbols) : result<foreign_answer>{text.error()};
    self->pool_.note(answer ? result<void>{} : result<void>{answer.error()});
    co_return answer;
}

asio::awaitable<result<foreign_answer>> spamd_client::report(std::shared_ptr<const spool> message) {
    co_return co_await asio::co_spawn(executor_, serve(this, std::move(message)), asio::use_awaitable);
}

} // namespace postsluice::contentfilter
