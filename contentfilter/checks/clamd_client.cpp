// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/clamd_client.hpp"

#include "shared/log/log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <stdexcept>

namespace postsluice::contentfilter {

namespace asio = boost::asio;

namespace {

constexpr std::size_t chunk_size = 65536;

net::endpoint endpoint_of(const std::string& text) {
    auto where = net::endpoint::parse(text);
    if (!where) throw std::runtime_error{"clamd.endpoint: " + where.error().message()};
    return *where;
}

asio::awaitable<result<void>> write(scanner_pool::lease& on, std::string_view octets) {
    co_return co_await net::write_all(on.at().socket, asio::buffer(octets.data(), octets.size()), on.left());
}

asio::awaitable<result<void>> send_file(scanner_pool::lease& on, std::shared_ptr<const spool> file) {
    for (std::uint64_t at = 0; at < file->size();) {
        const auto piece = file->read(at, chunk_size);
        if (!piece) co_return piece.error();
        if (piece->empty()) co_return failure{errc::internal, "the spool is shorter than it was"};
        at += piece->size();
        const auto chunk = clamd::chunk_head(static_cast<std::uint32_t>(piece->size())) + *piece;
        if (auto sent = co_await write(on, chunk); !sent) co_return sent;
    }
    const auto end = clamd::chunk_head(0);
    co_return co_await write(on, end);
}

/// Up to its NUL.
asio::awaitable<result<std::string>> read_reply(scanner_pool::lease& on) {
    std::string reply;
    while (reply.size() < clamd::max_reply) {
        std::string piece(512, '\0');
        const auto got = co_await net::read_some(on.at().socket, asio::buffer(piece), on.left());
        if (!got) co_return got.error();
        reply.append(piece, 0, *got);
        if (const auto end = reply.find('\0'); end != std::string::npos) co_return reply.substr(0, end);
    }
    co_return failure{errc::protocol, "clamd's answer has no end"};
}

} // namespace

clamd_client::clamd_client(asio::any_io_executor executor, const config::clamd_settings& how)
    : executor_{std::move(executor)}
    , how_{how}
    , pool_{{"clamd", endpoint_of(how.endpoint), how.connect_timeout, how.timeout, how.connections, how.idle}}
    , remembered_{how.cache_entries, how.cache_time} {}

asio::awaitable<result<std::string>> clamd_client::talk(scanner_pool::lease& on, std::string text,
                                                        std::shared_ptr<const spool> file) {
    if (!on.reused()) text.insert(0, clamd::begin_session);
    auto sent = co_await write(on, text);
    if (sent && file) sent = co_await send_file(on, file);
    // Over StreamMaxLength clamd says so and closes while we are still sending: its answer may be there all the same.
    auto reply = co_await read_reply(on);
    if (!reply && !sent) co_return sent.error();
    if (reply && sent) on.keep();
    co_return reply;
}

asio::awaitable<result<std::string>> clamd_client::command(std::string text, std::shared_ptr<const spool> file) {
    for (const bool fresh : {false, true}) {
        auto on = co_await pool_.take(fresh);
        if (!on) co_return on.error();
        const bool reused = on->reused();
        auto reply = co_await talk(*on, text, file);
        // What clamd says when it ends a session that was idle for its taste may come as the answer to the next
        // command.
        const bool answered = reply ? !clamd::ends_session(*reply) : reply.error().code == errc::timed_out;
        if (answered || !reused) co_return reply;
    }
    co_return failure{errc::unavailable, "clamd"};
}

asio::awaitable<result<void>> clamd_client::look_at_version() {
    const auto now = steady::now();
    if (!version_.empty() && now - version_asked_ < how_.version_interval) co_return result<void>{};
    const auto reply = co_await command(std::string{clamd::ask_version}, nullptr);
    if (!reply) co_return reply.error();
    const auto version = clamd::parse_version(*reply);
    if (!version) co_return version.error();
    if (*version != version_) {
        log::info("clamd-version").kv("version", *version).kv("forgotten", remembered_.size());
        remembered_.clear();
    }
    version_ = *version;
    version_asked_ = now;
    co_return result<void>{};
}

asio::awaitable<result<clamd::answer>> clamd_client::serve(clamd_client* self, std::shared_ptr<const spool> file,
                                                           std::string digest) {
    result<clamd::answer> out = failure{};
    if (auto known = co_await self->look_at_version(); !known) {
        self->pool_.note(known);
        co_return known.error();
    }
    if (const auto found = self->remembered_.find(digest, steady::now())) {
        ++self->counts_.remembered;
        co_return *found;
    }
    const auto version = self->version_;
    ++self->counts_.asked;
    const auto reply = co_await self->command(std::string{clamd::begin_stream}, std::move(file));
    out = reply ? clamd::parse_scan(*reply) : result<clamd::answer>{reply.error()};
    self->pool_.note(out ? result<void>{} : result<void>{out.error()});
    // An answer of the database before is not one of the new one.
    if (out && out->what != clamd::answer::kind::too_large && version == self->version_)
        self->remembered_.put(digest, *out, steady::now());
    co_return out;
}

asio::awaitable<result<clamd::answer>> clamd_client::scan(std::shared_ptr<const spool> file, std::string digest) {
    co_return co_await asio::co_spawn(executor_, serve(this, std::move(file), std::move(digest)), asio::use_awaitable);
}

} // namespace postsluice::contentfilter
