// SPDX-License-Identifier: Apache-2.0
// What the policy daemon's tests stand on: an accounting that keeps every charge in an exact log, a lock book in
// memory, and a pipeline between them whose settings, time and failures the test decides.
#pragma once

#include "policyd/pipeline.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

namespace postsluice::policyd::test {

namespace asio = boost::asio;

/// Removed at the end.
class scratch_directory {
public:
    scratch_directory() {
        std::string name = (std::filesystem::temp_directory_path() / "postsluice-test-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    ~scratch_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

/// The verbs of state/accounting.hpp as their header tells them, over an exact log. Not for speed.
class exact_accounting final : public state::accounting {
public:
    explicit exact_accounting(const clock& time)
        : time_{time} {}

    std::optional<failure> broken, record_broken; ///< set: verbs fail with it
    std::optional<failure> lost;                  ///< set: what they changed is not committed
    std::vector<std::string> calls;               ///< "admit a@x", in order
    std::vector<state::refusal> recorded;

    result<state::admit_answer> admit_at_once(const state::admit_request& ask) override {
        calls.push_back("admit " + ask.recipient);
        if (broken) {
            return *broken;
        }
        auto& t = begin(ask.id, ask.connection, ask.account, true);
        state::admit_answer out;
        if (t.admitted.contains(ask.recipient)) {
            out.repeated = true;
            ++t.repeats;
            return out;
        }
        out.breach = charge(t, ask.limits, 1, ask.observe);
        if (!out.breach || ask.observe || !state::refuses(out.breach->what.then)) {
            t.admitted.insert(ask.recipient);
            t.final_at_once = ask.final_at_once;
        } else if (t.admitted.empty()) {
            open.erase(name(ask.id));
        }
        return out;
    }

    result<state::data_answer> data_at_once(const state::data_request& ask) override {
        calls.push_back("data " + std::to_string(ask.recipient_count));
        if (broken) {
            return *broken;
        }
        auto& t = begin(ask.id, ask.connection, ask.account, !ask.queue_id.empty());
        state::data_answer out;
        const auto admitted = static_cast<std::uint32_t>(t.charges.size());
        if (ask.recipient_count > admitted + t.repeats) {
            out.breach = charge(t, ask.limits, ask.recipient_count - admitted - t.repeats, ask.observe);
            if (out.breach && !ask.observe) {
                return out;
            }
        } else if (ask.recipient_count < admitted) {
            out.refunded = admitted - ask.recipient_count;
            give_back(t, out.refunded);
        }
        t.data = true;
        t.settled = ask.settles;
        out.charged = static_cast<std::uint32_t>(t.charges.size());
        return out;
    }

    asio::awaitable<result<void>> committed() override {
        if (lost) {
            co_return *lost;
        }
        co_return result<void>{};
    }

    asio::awaitable<result<void>> count_invalid(state::invalid_request ask) override {
        calls.push_back("invalid " + ask.recipient);
        if (broken) {
            co_return *broken;
        }
        for (const auto& counted : ask.limits) {
            log.push_back({++last, counted.key, limit_unit::invalid_recipients, time_.now()});
        }
        co_return result<void>{};
    }

    result<void> settle_at_once(const state::transaction_id& id, std::uint64_t, std::string_view,
                                std::uint64_t size) override {
        calls.push_back("settle " + std::to_string(size));
        if (broken) {
            return *broken;
        }
        if (const auto at = open.find(name(id)); at != open.end()) {
            at->second.settled = true;
        }
        return {};
    }

    result<void> abort_at_once(const state::transaction_id& id, std::uint64_t connection,
                               bool after_data_too) override {
        calls.push_back("abort " + id.instance + (after_data_too ? " after data too" : ""));
        if (broken) {
            return *broken;
        }
        const auto at = open.find(name(id));
        if (at == open.end() || at->second.connection != connection || at->second.settled || at->second.final_at_once ||
            (at->second.data && !after_data_too)) {
            return {};
        }
        give_back(at->second, static_cast<std::uint32_t>(at->second.charges.size()));
        open.erase(at);
        return {};
    }

    asio::awaitable<result<bool>> take_back(state::transaction_id id) override {
        calls.push_back("take back " + id.server + " " + id.instance);
        if (broken) {
            co_return *broken;
        }
        const auto at = open.find(name(id));
        if (at == open.end() || !at->second.data) {
            co_return false;
        }
        give_back(at->second, static_cast<std::uint32_t>(at->second.charges.size()));
        open.erase(at);
        co_return true;
    }

    asio::awaitable<result<std::string>> record(state::refusal what, seconds) override {
        if (broken || record_broken) {
            co_return broken ? *broken : *record_broken;
        }
        recorded.push_back(what);
        auto& ref = references[what.account + '|' + std::string{to_string(what.why)} + '|' + what.subject];
        if (ref.empty()) {
            ref = "REF" + std::to_string(10000 + references.size());
        }
        co_return ref;
    }

    asio::awaitable<result<std::size_t>> sweep(std::size_t) override {
        calls.emplace_back("sweep");
        co_return std::size_t{0};
    }
    result<std::vector<limit_use>> usage(const state::counted_limits& limits) override {
        std::vector<limit_use> out;
        for (const auto& l : limits.limits) {
            out.push_back({l, used(limits.key, l), time_.now()});
        }
        return out;
    }
    result<std::optional<state::refusal_event>> explain(std::string_view) override {
        return std::optional<state::refusal_event>{};
    }
    result<std::vector<state::account_summary>> accounts(std::size_t) override {
        return std::vector<state::account_summary>{};
    }
    result<std::vector<state::refusal_event>> refusals(std::string_view, std::size_t) override {
        return std::vector<state::refusal_event>{};
    }
    asio::awaitable<result<void>> reset(std::string) override { co_return result<void>{}; }

    /// Units in the log within the limit's period.
    [[nodiscard]] std::uint64_t used(const std::string& key, const limit& l) const {
        return static_cast<std::uint64_t>(std::ranges::count_if(
            log, [&](const entry& e) { return e.key == key && e.unit == l.unit && e.at > time_.now() - l.period; }));
    }

private:
    struct entry {
        std::uint64_t number = 0;
        std::string key;
        limit_unit unit{};
        instant at{};
    };
    struct one {
        std::uint64_t connection = 0;
        std::string account;
        std::set<std::string> admitted;
        std::uint32_t repeats = 0;
        std::vector<std::vector<std::uint64_t>> charges; // of each recipient: numbers of log entries
        std::vector<std::uint64_t> message;
        bool data = false, settled = false, final_at_once = false;
    };
    static std::string name(const state::transaction_id& id) { return id.server + ' ' + id.instance; }

    one& begin(const state::transaction_id& id, std::uint64_t connection, const std::string& account, bool) {
        auto& t = open[name(id)];
        if (t.settled) { // a new generation
            t = {};
        }
        t.connection = connection;
        t.account = account;
        return t;
    }

    std::optional<state::limit_breach> charge(one& t, const std::vector<state::counted_limits>& all,
                                              std::uint32_t recipients, bool anyway) {
        std::optional<state::limit_breach> breach;
        const bool new_message = t.charges.empty();
        for (const auto& counted : all) {
            for (const auto& l : counted.limits) {
                const std::uint64_t cost = l.unit == limit_unit::messages ? (new_message ? 1 : 0) : recipients;
                if (cost != 0 && l.count != limit::unlimited && used(counted.key, l) + cost > l.count && !breach) {
                    breach = {counted.key, l, used(counted.key, l), frees(counted.key, l, cost)};
                }
            }
        }
        if (breach && !anyway && state::refuses(breach->what.then)) {
            return breach;
        }
        for (const auto& counted : all) {
            if (new_message) {
                log.push_back({++last, counted.key, limit_unit::messages, time_.now()});
                t.message.push_back(last);
            }
            for (std::uint32_t i = 0; i < recipients; ++i) {
                log.push_back({++last, counted.key, limit_unit::recipients, time_.now()});
                t.charges.push_back({last});
            }
        }
        return breach;
    }

    instant frees(const std::string& key, const limit& l, std::uint64_t cost) const {
        std::vector<instant> times;
        for (const auto& e : log) {
            if (e.key == key && e.unit == l.unit && e.at > time_.now() - l.period) {
                times.push_back(e.at);
            }
        }
        std::ranges::sort(times);
        const auto over = times.size() + cost - std::min<std::uint64_t>(l.count, times.size() + cost);
        return times.empty() || over == 0 ? time_.now() : times[std::min(over, times.size()) - 1] + l.period;
    }

    void give_back(one& t, std::uint32_t recipients) {
        const auto erase = [this](const std::vector<std::uint64_t>& numbers) {
            std::erase_if(log, [&](const entry& e) { return std::ranges::find(numbers, e.number) != numbers.end(); });
        };
        for (; recipients > 0 && !t.charges.empty(); --recipients) {
            erase(t.charges.back());
            t.charges.pop_back();
        }
        if (t.charges.empty()) {
            erase(t.message);
            t.message.clear();
        }
    }

    const clock& time_;
    std::vector<entry> log;
    std::uint64_t last = 0;
    std::map<std::string, one> open;
    std::map<std::string, std::string> references;
};

class memory_locks final : public lock_book {
public:
    std::map<std::string, lock_state, std::less<>> book;
    std::vector<std::pair<std::string, strike>> strikes;
    std::vector<lock_policy> policies; // of the strikes
    std::optional<failure> broken;

    result<std::shared_ptr<const state::lock_set>> locks() override {
        if (broken) {
            return *broken;
        }
        std::vector<state::locked_account> all;
        for (const auto& [key, lock] : book) {
            all.push_back({key, lock});
        }
        return std::make_shared<const state::lock_set>(std::move(all));
    }
    asio::awaitable<result<state::strike_outcome>> add(std::string account, strike what, lock_policy policy) override {
        strikes.emplace_back(std::move(account), std::move(what));
        policies.push_back(std::move(policy));
        co_return state::strike_outcome{};
    }
};

/// Views must outlive the question: tests use literals.
inline request rcpt(std::string_view instance, std::string_view recipient) {
    request r;
    r.at = stage::rcpt;
    r.client_address = "192.0.2.7";
    r.server_address = "192.0.2.1";
    r.server_port = "587";
    r.sender = "alice@example.org";
    r.recipient = recipient;
    r.instance = instance;
    r.sasl_username = "alice@example.org";
    return r;
}
inline request data(std::string_view instance, std::uint32_t recipients, std::string_view queue_id = "4AbCdE") {
    request r = rcpt(instance, "");
    r.at = stage::data;
    r.recipient_count = recipients;
    r.queue_id = queue_id;
    return r;
}
inline request end_of_message(std::string_view instance, std::uint32_t recipients,
                              std::string_view queue_id = "4AbCdE") {
    request r = data(instance, recipients, queue_id);
    r.at = stage::end_of_message;
    r.size = 1234;
    return r;
}

/// Settings with one profile of 3 recipients and 2 messages per hour, own-domain, contact and abuse address.
inline std::shared_ptr<config::settings> make_settings() {
    auto s = std::make_shared<config::settings>();
    config::profile p;
    p.limits = {{3, limit_unit::recipients, seconds{3600}}, {2, limit_unit::messages, seconds{3600}}};
    p.from.what = config::from_rule::kind::own_domain;
    s->profiles["default"] = std::make_shared<const config::profile>(p);
    s->hostname = "mail.example.org";
    s->contact = "https://example.org/policy";
    s->abuse_address = "abuse@example.org";
    return s;
}

struct rig {
    asio::io_context context{1};
    scratch_directory directory;
    manual_clock time;
    exact_accounting accounts{time};
    memory_locks locks;
    std::unique_ptr<account::ticket_ring> tickets = make_tickets(directory.path(), time);
    pipeline asks{context.get_executor(), {accounts, locks, *tickets, time}, make_settings()};
    std::vector<std::string> log_lines;
    speaker first{101, {}}, second{102, {}};

    rig() {
        log::capture([this](log::level, const std::string& line) { log_lines.push_back(line); });
    }
    rig(const rig&) = delete;
    rig& operator=(const rig&) = delete;
    ~rig() { log::capture({}); }

    static std::unique_ptr<account::ticket_ring> make_tickets(const std::filesystem::path& in, const clock& time) {
        auto ring = account::ticket_ring::open(in / "ticket.keys");
        BOOST_REQUIRE(ring);
        BOOST_REQUIRE((*ring)->rotate(time.now(), seconds{86400}, seconds{14 * 86400}));
        return std::move(*ring);
    }
    template <class Value>
    Value run(asio::awaitable<Value> what) {
        std::optional<Value> out;
        asio::co_spawn(context, std::move(what), [&out](std::exception_ptr e, Value v) {
            BOOST_REQUIRE(!e);
            out = std::move(v);
        });
        context.restart();
        context.run();
        BOOST_REQUIRE(out);
        return std::move(*out);
    }
    void run(asio::awaitable<void> what) {
        asio::co_spawn(context, std::move(what), [](std::exception_ptr e) { BOOST_REQUIRE(!e); });
        context.restart();
        context.run();
    }
    decision ask(const request& what, speaker& from) { return run(asks.answer(what, from)); }
    decision ask(const request& what) { return ask(what, first); }
    std::string wire(const request& what, speaker& from) { return to_wire(ask(what, from)); }
    std::string wire(const request& what) { return wire(what, first); }
    void close(speaker& by_postfix) { run(asks.abandon(by_postfix)); }

    /// Changes the settings as a reload would.
    void configure(const std::function<void(config::settings&, config::profile&)>& change) {
        auto s = std::make_shared<config::settings>(*asks.settings());
        auto p = *s->profiles.at("default");
        change(*s, p);
        s->profiles["default"] = std::make_shared<const config::profile>(std::move(p));
        asks.use(s);
    }
    [[nodiscard]] std::uint64_t used(limit_unit unit) const {
        return accounts.used("account:alice@example.org", {limit::unlimited, unit, seconds{3600}});
    }
    [[nodiscard]] std::uint64_t recipients() const { return used(limit_unit::recipients); }
    [[nodiscard]] std::uint64_t messages() const { return used(limit_unit::messages); }
    [[nodiscard]] std::ptrdiff_t logged(std::string_view part) const {
        return std::ranges::count_if(log_lines, [&](const auto& l) { return l.find(part) != std::string::npos; });
    }
};

inline constexpr std::string_view dunno = dunno_on_wire;

} // namespace postsluice::policyd::test
