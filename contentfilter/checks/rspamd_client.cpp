// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/rspamd_client.hpp"

#include "contentfilter/checks/rspamd_protocol.hpp"
#include "contentfilter/checks/scanner_io.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <stdexcept>

namespace postsluice::contentfilter {

namespace asio = boost::asio;

namespace {
net::endpoint endpoint_of(const std::string& text) {
    auto where = net::endpoint::parse(text);
    if (!where) throw std::runtime_error{"rspamd.endpoint: " + where.error().message()};
    return *where;
}
} // namespace

rspamd_client::rspamd_client(asio::any_io_executor executor, const config::rspamd_settings& how)
    : executor_{std::move(executor)}
    , how_{how}
    , pool_{{"rspamd", endpoint_of(how.endpoint), how.connect_timeout, how.timeout, how.connections}} {}

/// The body of the response.
asio::awaitable<result<std::string>> rspamd_client::exchange(message_ptr what) {
    auto on = co_await pool_.take(true);
    if (!on) co_return on.error();
    auto head = rspamd::request_head(*what, what->content->size());
    if (auto sent = co_await send_message(*on, std::move(head), what->content); !sent) co_return sent.error();
    std::string text;
    for (bool closed = false;;) {
        const auto progress = rspamd::parse_http(text, closed);
        if (!progress) co_return progress.error();
        if (progress->complete) co_return text.substr(progress->body, progress->size);
        const auto more = co_await read_more(*on, text, how_.max_answer.value);
        if (!more) co_return more.error();
        closed = !*more;
    }
}

asio::awaitable<result<foreign_answer>> rspamd_client::serve(rspamd_client* self, message_ptr what) {
    const auto text = co_await self->exchange(std::move(what));
    auto answer = text ? rspamd::parse_answer(*text, self->how_.max_symbols) : result<foreign_answer>{text.error()};
    self->pool_.note(answer ? result<void>{} : result<void>{answer.error()});
    co_return answer;
}

asio::awaitable<result<foreign_answer>> rspamd_client::check(message_ptr what) {
    co_return co_await asio::co_spawn(executor_, serve(this, std::move(what)), asio::use_awaitable);
}

} // namespace postsluice::contentfilter
