// SPDX-License-Identifier: Apache-2.0
// The client's end for daemons: one request, one answer, one deadline over both.
#include "shared/control/control.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace postsluice::control {

namespace asio = boost::asio;
using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t max_short_answer = 65536;

milliseconds left_until(steady_clock::time_point deadline) {
    return std::max(milliseconds{1}, std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now()));
}

asio::awaitable<result<std::string>> exchange(std::filesystem::path socket, std::string line,
                                              steady_clock::time_point deadline) {
    net::endpoint where; // named: g++ 12 destroys a temporary in a co_await expression twice
    where.path = socket.string();
    auto connected = co_await net::connect(std::move(where), left_until(deadline));
    if (!connected) co_return connected.error();
    const auto sent = co_await net::write_all(*connected, asio::buffer(line), left_until(deadline));
    if (!sent) co_return sent.error();
    std::string answer;
    std::array<char, 4096> room{};
    for (;;) {
        const auto got = co_await net::read_some(*connected, asio::buffer(room), left_until(deadline));
        if (!got) co_return got.error();
        const std::string_view part{room.data(), *got};
        const auto end = part.find('\n');
        answer.append(part.substr(0, end));
        if (answer.size() > max_short_answer) co_return failure{errc::too_large, "the answer"};
        if (end != std::string_view::npos) co_return answer;
    }
}

} // namespace

asio::awaitable<result<json>> ask(std::filesystem::path socket, json request, milliseconds timeout) {
    const auto deadline = steady_clock::now() + timeout;
    std::string line = request.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    auto path = socket;
    const auto text = co_await exchange(std::move(path), std::move(line), deadline);
    if (!text) co_return text.error();
    json answer = json::parse(*text, nullptr, false);
    const bool whole = answer.is_object() && answer.contains("ok") && answer["ok"].is_boolean();
    if (!whole) co_return failure{errc::protocol, socket.string() + " does not speak the control protocol"};
    co_return success(std::move(answer));
}

} // namespace postsluice::control
