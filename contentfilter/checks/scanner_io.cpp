// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/scanner_io.hpp"

#include <boost/asio/use_awaitable.hpp>

namespace postsluice::contentfilter {

namespace asio = boost::asio;

namespace {
constexpr std::size_t piece_size = 65536;
}

asio::awaitable<result<void>> write_to(scanner_pool::lease& on, std::string octets) {
    co_return co_await net::write_all(on.at().socket, asio::buffer(octets), on.left());
}

asio::awaitable<result<void>> send_message(scanner_pool::lease& on, std::string head,
                                           std::shared_ptr<const spool> message) {
    auto sent = co_await write_to(on, std::move(head));
    for (std::uint64_t at = 0; sent && at < message->size();) {
        auto piece = message->read(at, piece_size);
        if (!piece) co_return piece.error();
        if (piece->empty()) co_return failure{errc::internal, "the spool is shorter than it was"};
        at += piece->size();
        sent = co_await write_to(on, std::move(*piece));
    }
    co_return sent;
}

asio::awaitable<result<bool>> read_more(scanner_pool::lease& on, std::string& into, std::size_t most) {
    std::string piece(16384, '\0');
    const auto got = co_await net::read_some(on.at().socket, asio::buffer(piece), on.left());
    if (!got && got.error().code == errc::closed) co_return false;
    if (!got) co_return got.error();
    into.append(piece, 0, *got);
    if (into.size() > most) co_return failure{errc::too_large, "the scanner's answer"};
    co_return true;
}

} // namespace postsluice::contentfilter
