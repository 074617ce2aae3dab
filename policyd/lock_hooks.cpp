// SPDX-License-Identifier: Apache-2.0
#include "policyd/lock_hooks.hpp"

#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace postsluice::policyd {

namespace asio = boost::asio;

namespace {

constexpr std::size_t logged_output = 1000; // octets of a log line

void log_escaped(std::exception_ptr error) noexcept {
    if (!error) {
        return;
    }
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        log::error("a hook was left").kv("why", e.what());
    } catch (...) {
        log::error("a hook was left");
    }
}

void log_run(std::string_view program, const state::hook_call& what, std::string_view failed, std::string_view output) {
    log::line line{failed.empty() ? log::level::info : log::level::error, failed.empty() ? "hook ran" : "hook failed"};
    const auto more = [&line](std::string_view key, std::string_view value) {
        if (!value.empty()) {
            std::move(line).kv(key, value);
        }
    };
    more("program", program);
    more("account", what.account);
    more("event", to_string(what.event.kind));
    more("ref", what.event.reference);
    more("why", failed);
    more("output", printable(trim(output), logged_output));
}

/// Takes a slot and an account while it lives, so that an exception gives them back.
class occupation {
public:
    occupation(std::shared_ptr<lock_hooks::occupancy> of, std::string account)
        : of_{std::move(of)}
        , account_{std::move(account)} {}
    occupation(const occupation&) = delete;
    occupation& operator=(const occupation&) = delete;
    ~occupation() {
        --of_->running;
        of_->busy.erase(account_);
    }

private:
    std::shared_ptr<lock_hooks::occupancy> of_;
    std::string account_;
};

} // namespace

lock_hooks::lock_hooks(asio::any_io_executor executor, hook_outbox& from,
                       std::function<config::settings_ptr()> settings)
    : executor_{std::move(executor)}
    , from_{from}
    , settings_{std::move(settings)}
    , under_way_{std::make_shared<occupancy>()} {}

asio::awaitable<void> lock_hooks::run() {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (;;) {
        co_await round();
        timer.expires_after(look_every);
        const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
        if (error) {
            co_return;
        }
    }
}

asio::awaitable<void> lock_hooks::round() {
    const auto settings = settings_();
    const auto all = from_.waiting(at_once);
    if (!all) {
        log::warning("hooks cannot be read").kv("why", all.error().message());
        co_return;
    }
    std::vector<std::uint64_t> nothing_to_do(over_.begin(), over_.end());
    auto taken = under_way_->busy; // accounts whose earlier transition is not over
    for (const auto& call : *all) {
        if (over_.contains(call.id) || !taken.insert(call.account).second) {
            continue;
        }
        auto commands = hook_commands(*settings, call.account, call.event);
        if (call.done >= commands.size()) {
            nothing_to_do.push_back(call.id);
            taken.erase(call.account);
        } else if (under_way_->running < settings->policyd.max_hooks) {
            ++under_way_->running;
            under_way_->busy.insert(call.account);
            asio::co_spawn(executor_, work(call, std::move(commands), settings->policyd.hook_timeout), &log_escaped);
        }
    }
    if (!nothing_to_do.empty()) {
        co_await clear(std::move(nothing_to_do));
    }
}

asio::awaitable<void> lock_hooks::work(state::hook_call what, std::vector<std::string> commands, milliseconds timeout) {
    const occupation here{under_way_, what.account};
    ++what.begun;
    while (what.done < commands.size()) {
        const auto noted = co_await from_.now(what);
        if (!noted) { // better twice than never
            log::warning("hook not written down").kv("account", what.account).kv("why", noted.error().message());
        }
        state::hook_call call = what;
        std::string command = commands[what.done];
        co_await run_one(std::move(call), std::move(command), timeout);
        ++what.done;
    }
    std::vector<std::uint64_t> finished(1, what.id);
    co_await clear(std::move(finished));
}

asio::awaitable<void> lock_hooks::run_one(state::hook_call what, std::string command, milliseconds timeout) {
    program_outcome outcome;
    std::string failed;
    auto argv = hook_arguments(command, what);
    if (argv) {
        program_call call;
        call.argv = std::move(*argv);
        call.environment = hook_environment(what);
        call.timeout = timeout;
        outcome = co_await run_program(std::move(call));
        failed = outcome.well() ? std::string{} : describe(outcome, timeout);
    } else {
        failed = argv.error().detail;
    }
    const std::string program = command.substr(0, command.find(' '));
    log_run(program, what, failed, outcome.output);
    if (failed.empty()) {
        co_return;
    }
    std::string words = program;
    words.append(" ").append(failed).append(" (for: ").append(to_string(what.event.kind)).append(")");
    const auto told = co_await from_.failed(what.account, std::move(words), what.event.reference);
    if (!told) {
        log::warning("hook's failure not told").kv("account", what.account).kv("why", told.error().message());
    }
}

asio::awaitable<void> lock_hooks::clear(std::vector<std::uint64_t> ids) {
    over_.insert(ids.begin(), ids.end());
    const std::vector<std::uint64_t> gone = ids;
    const auto done = co_await from_.over(std::move(ids));
    if (!done) {
        log::warning("hooks stay in the outbox").kv("why", done.error().message());
        co_return;
    }
    for (const auto id : gone) {
        over_.erase(id);
    }
}

} // namespace postsluice::policyd
