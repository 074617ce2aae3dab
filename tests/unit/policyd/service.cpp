// SPDX-License-Identifier: Apache-2.0
// The whole daemon but its main(): real state in a temporary directory, the control socket, reload and the periodic
// work.
#define BOOST_TEST_DYN_LINK
#include "policyd/service.hpp"
#include "policyd/control_verbs.hpp"
#include "rig.hpp"
#include "shared/state/environments.hpp"

#include <nlohmann/json.hpp>

#include <fstream>
#include <future>
#include <thread>

using namespace postsluice;
using namespace postsluice::policyd;
using namespace postsluice::policyd::test;
using nlohmann::json;

namespace {

constexpr std::string_view sample = R"(
hostname = "mail.example.org"
contact = "https://example.org/policy"
abuse_address = "abuse@example.org"
default_domain = "example.org"

[profile.default]
limits = ["3 recipients per hour", "2 messages per hour"]
from = "own-domain"
lock = { after = ["2 limit in 1 hour"], for = "30 minutes", automatic_unlocks = 1 }

[profile.newsletter]
inherits = "default"
limits = ["unlimited recipients per hour"]

[profile.strict]
inherits = "default"
limits = ["1 recipient per hour"]
lock = { after = ["1 limit in 1 hour"], for = "30 minutes" }

[profile.watched]
inherits = "default"
trend = { factor = 8, floor = "50 messages" }

[profile.withbounces]
inherits = "default"
limits = ["3 invalid recipients per day"]
lock = { after = ["4 invalid recipients in 1 hour"], for = "30 minutes" }

[[assign]]
profile = "newsletter"
login = ["news@example.org"]

[[assign]]
profile = "strict"
login = ["strict@example.org"]

[[assign]]
profile = "watched"
login = ["watched@example.org"]

[[assign]]
profile = "withbounces"
login = ["bouncing@example.org"]
)";

template <class T>
T need(result<T> got) {
    BOOST_REQUIRE_MESSAGE(got, (got ? std::string{} : got.error().message()));
    return std::move(*got);
}

struct daemon_parts {
    scratch_directory directory;
    std::filesystem::path file = directory.path() / "postsluice.toml";
    asio::io_context context{1};
    config::snapshot configuration{file, first_settings()};
    std::unique_ptr<state::environments> environments = need(state::environments::open(
        {.directory = directory.path() / "state", .map_size = byte_count{64U << 20U}, .writer_timeout = seconds{60}},
        state::user::policyd));
    std::unique_ptr<state::accounting> accounts = environments->make_accounting(context.get_executor());
    std::unique_ptr<account::ticket_ring> tickets = rig::make_tickets(directory.path(), environments->time());
    stored_lock_book locks{environments->accounts()};
    std::unique_ptr<state::trend_store> trends = environments->make_trends(*accounts);
    pipeline asks{context.get_executor(),
                  {*accounts, locks, *tickets, environments->time(), {.trends = trends.get()}},
                  configuration.get()};
    server connections{context, asks, configuration.get()->policyd};
    service all{{configuration, environments->time(), asks, connections, *accounts, environments->accounts(), *tickets,
                 [this] { return environments->state_writer().healthy(); },
                 [this] { return environments->hot().fill(); }, [this] { return environments->shared().fill(); },
                 trends.get(), nullptr, nullptr, &environments->limit_overrides()}};
    std::filesystem::path socket = directory.path() / "policyd.sock";
    control::server control{context.get_executor(), socket, ""};
    std::vector<std::string> log_lines;
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    std::thread loop;

    daemon_parts() {
        log::capture([](log::level, const std::string&) {});
        add_control_verbs(control, all);
        control.start();
        loop = std::thread{[this] { context.run(); }};
    }
    daemon_parts(const daemon_parts&) = delete;
    daemon_parts& operator=(const daemon_parts&) = delete;
    ~daemon_parts() {
        asio::post(context, [this] {
            control.stop();
            context.stop();
        });
        loop.join();
        log::capture({});
    }
    void write(std::string_view text) const { std::ofstream{file} << text; }
    config::settings_ptr first_settings() const {
        std::filesystem::create_directory(directory.path() / "state");
        write(sample);
        auto loaded = config::load(file);
        for (const auto& e : loaded.errors) {
            BOOST_ERROR(e.message());
        }
        BOOST_REQUIRE(loaded.settings);
        return loaded.settings;
    }
    json call(json request) { return need(control::call(socket, request, seconds{60})); }

    /// Runs on the loop's thread and waits.
    template <class Value>
    Value on_loop(asio::awaitable<Value> what) {
        std::promise<Value> done;
        asio::co_spawn(context, std::move(what), [&done](std::exception_ptr e, Value v) {
            e ? done.set_exception(e) : done.set_value(std::move(v));
        });
        return done.get_future().get();
    }
    decision ask(const request& what, speaker& from) { return on_loop(asks.answer(what, from)); }
};

} // namespace

BOOST_AUTO_TEST_SUITE(policyd_service)

BOOST_FIXTURE_TEST_CASE(the_dialogue_of_a_message_on_real_state, daemon_parts) {
    speaker first{1, {}}, second{2, {}};
    for (const auto* to : {"a@x.example", "b@x.example"}) {
        BOOST_TEST(to_wire(ask(rcpt("1.1", to), first)) == dunno);
    }
    BOOST_TEST(to_wire(ask(rcpt("1.1", "b@x.example"), second)) == dunno); // a retry
    BOOST_TEST(ask(data("1.1", 2), second).kind == decision_kind::prepend);
    BOOST_TEST(to_wire(ask(end_of_message("1.1", 2), second)) == dunno);
    BOOST_TEST(to_wire(ask(rcpt("1.2", "c@x.example"), second)) == dunno);
    const auto refused = ask(rcpt("1.2", "d@x.example"), second);
    BOOST_TEST(to_wire(refused).starts_with("action=450 4.7.1 3 of 3 recipients per hour used; next in "));
    BOOST_TEST(refused.reference.size() == 8U);
    BOOST_TEST(ask(rcpt("1.2", "e@x.example"), second).reference == refused.reference); // one incident
    BOOST_TEST(to_wire(ask(rcpt("1.3", "e@x.example"), second)) == dunno); // another instance: 1.2 was released

    const auto why = call({{"verb", "why"}, {"ref", refused.reference}});
    BOOST_REQUIRE(why.at("ok").get<bool>());
    BOOST_TEST(why.at("kind") == "refusal");
    BOOST_TEST(why.at("refusal").at("reason") == "limit");
    BOOST_TEST(why.at("refusal").at("count") == 2);
    BOOST_TEST(why.at("refusal").at("account") == "alice@example.org");
    BOOST_TEST(why.at("lock").is_null());

    const auto limits = call({{"verb", "limit list"}, {"account", "Alice"}}); // default_domain, any case
    BOOST_TEST(limits.at("account") == "alice@example.org");
    BOOST_TEST(limits.at("use").at(0).at("limit") == "3 recipients per hour");
    BOOST_TEST(limits.at("use").at(0).at("used") == 3);
    const auto shown = call({{"verb", "account show"}, {"account", "alice@example.org"}});
    BOOST_TEST(shown.at("refusals").size() == 1U);
    BOOST_TEST(shown.at("profile") == "default");
    BOOST_TEST(shown.at("from").at("rule") == "own-domain");
}

BOOST_FIXTURE_TEST_CASE(sixteen_connections_pass_exactly_the_limit, daemon_parts) {
    std::vector<speaker> speakers(16);
    std::vector<std::string> instances;
    std::vector<std::future<bool>> passed;
    for (std::size_t i = 0; i < speakers.size(); ++i) {
        speakers[i].number = 100 + i;
        instances.push_back("5." + std::to_string(i));
    }
    for (std::size_t i = 0; i < speakers.size(); ++i) { // all in flight at once
        auto done = std::make_shared<std::promise<bool>>();
        passed.push_back(done->get_future());
        request what = rcpt(instances[i], "a@x.example");
        what.sasl_username = "parallel@example.org";
        what.sender = "parallel@example.org";
        const auto one = [](pipeline& by, request q, speaker& from) -> asio::awaitable<bool> {
            const auto d = co_await by.answer(q, from);
            co_return !d.refuses();
        };
        asio::co_spawn(context, one(asks, what, speakers[i]),
                       [done](std::exception_ptr, bool v) { done->set_value(v); });
    }
    int count = 0;
    for (auto& p : passed) {
        count += p.get() ? 1 : 0;
    }
    BOOST_TEST(count == 2); // two messages per hour
}

BOOST_FIXTURE_TEST_CASE(a_person_locks_unlocks_and_resets, daemon_parts) {
    speaker first{1, {}};
    auto answer = call({{"verb", "account lock"}, {"account", "alice"}, {"why", "did not pay"}});
    BOOST_TEST(answer.at("lock").at("kind") == "manual");
    BOOST_TEST(answer.at("lock").at("cause") == "did not pay");
    const auto reference = answer.at("lock").at("reference").get<std::string>();
    BOOST_TEST(to_wire(ask(rcpt("1.1", "a@x.example"), first))
                   .starts_with("action=450 4.7.1 alice@example.org is locked until a person"));
    BOOST_TEST(call({{"verb", "why"}, {"ref", reference}}).at("kind") == "lock");
    auto status = call({{"verb", "status"}});
    BOOST_TEST(status.at("locks").size() == 1U);
    BOOST_TEST(status.at("decisions").at("account-locked") == 1);
    BOOST_TEST(status.at("notices_waiting") == 1);
    BOOST_TEST(call({{"verb", "account list"}}).at("accounts").at(0).at("locked").get<bool>());

    answer = call({{"verb", "account unlock"}, {"account", "alice"}});
    BOOST_TEST(answer.at("was_locked").get<bool>());
    BOOST_TEST(answer.at("lock").at("kind") == "open");
    BOOST_TEST(to_wire(ask(rcpt("1.1", "a@x.example"), first)) == dunno);
    BOOST_TEST(call({{"verb", "limit list"}, {"account", "alice"}}).at("use").at(0).at("used") == 1);
    BOOST_TEST(call({{"verb", "account reset"}, {"account", "alice"}}).at("ok").get<bool>());
    BOOST_TEST(call({{"verb", "limit list"}, {"account", "alice"}}).at("use").at(0).at("used") == 0);
    const auto shown = call({{"verb", "account show"}, {"account", "alice"}});
    BOOST_TEST(shown.at("events").size() >= 2U);
    BOOST_TEST(!shown.at("locked").get<bool>());
}

BOOST_FIXTURE_TEST_CASE(an_account_is_shown_with_what_stops_it_and_with_all_its_limits, daemon_parts) {
    const auto shown = [&] { return call({{"verb", "account show"}, {"account", "alice"}}); };
    BOOST_TEST(!shown().at("locked").get<bool>());
    BOOST_TEST(shown().at("counted_elsewhere").empty());
    BOOST_REQUIRE(
        call({{"verb", "account lock"}, {"account", "domain:example.org"}, {"why", "campaign"}}).at("ok").get<bool>());
    BOOST_TEST(shown().at("locked").get<bool>());
    BOOST_TEST(shown().at("lock").at("account") == "domain:example.org");
    BOOST_TEST(shown().at("lock").at("cause") == "campaign");
    BOOST_TEST(shown().at("lock").at("scope") == "the domain example.org");
    BOOST_REQUIRE(call({{"verb", "account lock"}, {"account", "alice"}, {"why", "did not pay"}}).at("ok").get<bool>());
    BOOST_TEST(shown().at("lock").at("cause") == "did not pay");
    BOOST_REQUIRE(
        call({{"verb", "limit set"}, {"account", "alice"}, {"limit", "5 messages per hour per client address"}})
            .at("ok")
            .get<bool>());
    BOOST_REQUIRE(shown().at("counted_elsewhere").size() == 1U);
    BOOST_TEST(shown().at("counted_elsewhere").at(0).at("under") == "client address");
}

BOOST_FIXTURE_TEST_CASE(status_says_how_it_goes, daemon_parts) {
    speaker first{1, {}};
    (void)ask(rcpt("1.1", "a@x.example"), first);
    (void)ask(data("1.1", 1), first);
    (void)ask(end_of_message("1.1", 1), first);
    const auto s = call({{"verb", "status"}});
    BOOST_TEST(s.at("program") == "postsluice-policyd");
    BOOST_TEST(s.at("mode") == "enforce");
    BOOST_TEST(s.at("accounting") == "end-of-message");
    BOOST_TEST(s.at("requests").at("total") == 3);
    BOOST_TEST(s.at("decisions").at("accepted") == 2);
    BOOST_TEST(s.at("tickets").at("issued") == 1);
    BOOST_TEST(s.at("state").at("healthy").get<bool>());
    BOOST_TEST(s.at("hooks").at(0).at("server_port") == "587");
    BOOST_TEST(s.at("hooks").at(0).at("end_of_message") == 1);
    BOOST_REQUIRE(s.at("accounts").size() == 1U);
    BOOST_TEST(s.at("accounts").at(0).at("account") == "alice@example.org");
    BOOST_TEST(s.at("accounts").at(0).at("use").at(0).at("used") == 1);
}

BOOST_FIXTURE_TEST_CASE(limit_list_shows_the_profiles, daemon_parts) {
    const auto listed = call({{"verb", "limit list"}});
    BOOST_REQUIRE(listed.at("profiles").size() == 5U);
    BOOST_TEST(listed.at("profiles").at(1).at("profile") == "newsletter");
    BOOST_TEST(listed.at("profiles").at(0).at("lock").at("after").at(0) == "2 limit in 1 hour");
    bool unlimited = false;
    for (const auto& l : listed.at("profiles").at(1).at("limits")) {
        unlimited = unlimited || (l.at("subject") == "recipients per hour" && l.at("count").is_null());
    }
    BOOST_TEST(unlimited);
    BOOST_TEST(listed.at("assigns").at(0).at("login").at(0) == "news@example.org");
}

BOOST_FIXTURE_TEST_CASE(wrong_arguments_are_answered_with_a_sentence, daemon_parts) {
    const std::vector<std::pair<json, std::string>> table = {
        {{{"verb", "why"}}, "malformed"},
        {{{"verb", "why"}, {"ref", 7}}, "malformed"},
        {{{"verb", "why"}, {"ref", "no such thing"}}, "malformed"},
        {{{"verb", "why"}, {"ref", "00000000"}}, "not-found"},
        {{{"verb", "account show"}}, "malformed"},
        {{{"verb", "account show"}, {"account", " "}}, "malformed"},
        {{{"verb", "account lock"}, {"account", std::string(2000, 'x')}}, "malformed"},
        {{{"verb", "account unlock"}, {"account", "a"}, {"why", json::array()}}, "malformed"},
        {{{"verb", "account reset"}}, "malformed"},
        {{{"verb", "make coffee"}}, "unsupported"},
    };
    for (const auto& [request, code] : table) {
        BOOST_TEST_CONTEXT(request.dump()) {
            const auto answer = call(request);
            BOOST_TEST(!answer.at("ok").get<bool>());
            BOOST_TEST(answer.at("code") == code);
            BOOST_TEST(!answer.at("error").get<std::string>().empty());
        }
    }
}

BOOST_FIXTURE_TEST_CASE(reload_swaps_or_keeps_and_names_the_errors, daemon_parts) {
    speaker first{1, {}};
    std::string wrong{sample};
    wrong.replace(wrong.find("3 recipients"), 12, "3 recipiants");
    write(wrong);
    auto answer = call({{"verb", "reload"}});
    BOOST_TEST(!answer.at("reloaded").get<bool>());
    BOOST_REQUIRE(!answer.at("errors").empty());
    BOOST_TEST(answer.at("errors").at(0).at("message").get<std::string>().find("recipients") != std::string::npos);
    BOOST_TEST(call({{"verb", "limit list"}, {"account", "alice"}}).at("use").at(0).at("count") == 3);

    std::string right{sample};
    right.replace(right.find("3 recipients"), 12, "1 recipients");
    write(right);
    answer = call({{"verb", "reload"}});
    BOOST_TEST(answer.at("reloaded").get<bool>());
    BOOST_TEST(to_wire(ask(rcpt("1.1", "a@x.example"), first)) == dunno);
    BOOST_TEST(to_wire(ask(rcpt("1.1", "b@x.example"), first))
                   .starts_with("action=450 4.7.1 1 of 1 recipients per hour used"));
}

BOOST_FIXTURE_TEST_CASE(strikes_for_limits_lock_the_account, daemon_parts) {
    speaker first{1, {}};
    const auto strict = [](std::string_view instance, std::string_view to) {
        request what = rcpt(instance, to);
        what.sasl_username = what.sender = "strict@example.org";
        return what;
    };
    BOOST_TEST(to_wire(ask(strict("1.1", "a@x.example"), first)) == dunno);
    BOOST_TEST(ask(strict("1.1", "b@x.example"), first).why == reason::limit);
    BOOST_TEST(ask(strict("1.1", "c@x.example"), first).refuses()); // the same incident, or the lock already
    json shown;
    // Strikes are not waited for by replies.
    for (const auto until = std::chrono::steady_clock::now() + seconds{60}; std::chrono::steady_clock::now() < until;) {
        shown = call({{"verb", "account show"}, {"account", "strict"}});
        if (shown.at("locked").get<bool>()) {
            break;
        }
    }
    BOOST_REQUIRE(shown.at("locked").get<bool>());
    BOOST_TEST(shown.at("strikes").size() == 1U);
    BOOST_TEST(shown.at("lock").at("cause") == "1 limit in 1 hour");
    BOOST_TEST(to_wire(ask(strict("1.5", "a@x.example"), first))
                   .starts_with("action=450 4.7.1 strict@example.org is locked until 2"));
    BOOST_TEST(to_wire(ask(strict("1.5", "abuse@example.org"), first)) == dunno);
}

BOOST_FIXTURE_TEST_CASE(tending_sweeps_and_survives, daemon_parts) {
    const auto one = [](service& s) -> asio::awaitable<bool> {
        co_await s.tend_once(false);
        co_await s.tend_once(true);
        co_return true;
    };
    BOOST_TEST(on_loop(one(all)));
}

BOOST_FIXTURE_TEST_CASE(what_the_filter_put_off_before_the_queue_is_given_back_once, daemon_parts) {
    speaker from{1, {}};
    const auto use = [&] {
        return call({{"verb", "limit list"}, {"account", "alice@example.org"}}).at("use").at(0).at("used").get<int>();
    };
    (void)ask(rcpt("1.1.0", "a@example.net"), from);
    const auto sealed = ask(data("1.1.0", 1, ""), from).text;
    (void)ask(end_of_message("1.1.0", 1, ""), from);
    (void)ask(rcpt("1.2.0", "a@example.net"), from);
    const auto queued = ask(data("1.2.0", 1, "4XyZ"), from).text;
    BOOST_TEST(use() == 2);

    auto answer = call({{"verb", "refund"}, {"ticket", sealed}});
    BOOST_TEST(answer.at("refunded") == true);
    BOOST_TEST(answer.at("account") == "alice@example.org");
    BOOST_TEST(use() == 1);
    BOOST_TEST(call({{"verb", "refund"}, {"ticket", sealed}}).at("refunded") == false);
    auto forged = sealed;
    forged[forged.size() - 5] = forged[forged.size() - 5] == 'A' ? 'B' : 'A';
    BOOST_TEST(call({{"verb", "refund"}, {"ticket", forged}}).at("code") == "denied");
    BOOST_TEST(call({{"verb", "refund"}, {"ticket", queued}}).at("code") == "malformed");
    BOOST_TEST(call({{"verb", "refund"}, {"ticket", 7}}).at("code") == "malformed");
    BOOST_TEST(call({{"verb", "refund"}}).at("code") == "malformed");
    BOOST_TEST(use() == 1);
}

BOOST_FIXTURE_TEST_CASE(what_bounced_counts_once_as_invalid_recipients_under_limits_and_towards_a_lock, daemon_parts) {
    speaker from{1, {}};
    const auto bounce = [&](const char* queue_id, std::vector<std::string> recipients) {
        return call({{"verb", "bounced"},
                     {"account", "bouncing@example.org"},
                     {"login", "bouncing@example.org"},
                     {"queue_id", queue_id},
                     {"recipients", std::move(recipients)}});
    };
    const auto shown = [&] { return call({{"verb", "account show"}, {"account", "bouncing@example.org"}}); };
    const auto used = [&] {
        int out = -1;
        const auto now = shown();
        for (const auto& one : now.at("use"))
            if (one.at("subject") == "invalid recipients per day") out = one.at("used").get<int>();
        return out;
    };
    const auto said_to = [&](const char* instance) {
        auto what = rcpt(instance, "a@example.net");
        what.sasl_username = what.sender = "bouncing@example.org";
        return to_wire(ask(what, from));
    };
    BOOST_TEST(bounce("4A", {"x@example.net", "y@example.net"}).at("counted") == 2);
    BOOST_TEST(used() == 2);
    BOOST_TEST(bounce("4A", {"x@example.net", "y@example.net"}).at("ok") == true); // the answer was lost
    BOOST_TEST(used() == 2);
    BOOST_TEST(said_to("1.1") == dunno);
    bounce("4A", {"z@example.net"}); // of the same message, later
    BOOST_TEST(used() == 3);
    const auto refused = said_to("1.2");
    BOOST_TEST(refused.starts_with("action=450 4.7.1 3 of 3 invalid recipients per day used"), refused);
    BOOST_TEST(!shown().at("locked").get<bool>());
    bounce("4B", {"x@example.net"});
    BOOST_TEST(used() == 4);
    for (int i = 0; i < 500 && !shown().at("locked").get<bool>(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    BOOST_TEST(shown().at("locked").get<bool>());
    BOOST_TEST(call({{"verb", "status"}}).at("bounced") == 4);

    BOOST_TEST(call({{"verb", "bounced"}, {"queue_id", "4A"}, {"recipients", {"x@y"}}}).at("code") == "malformed");
    BOOST_TEST(call({{"verb", "bounced"}, {"queue_id", "4A"}, {"account", "a@b"}}).at("code") == "malformed");
    BOOST_TEST(call({{"verb", "bounced"}, {"queue_id", "4A"}, {"account", "a@b"}, {"recipients", {1}}}).at("code") ==
               "malformed");
}

BOOST_FIXTURE_TEST_CASE(what_is_given_back_is_no_part_of_the_accounts_trend, daemon_parts) {
    speaker from{1, {}};
    const auto of_watched = [](request what) {
        what.sasl_username = what.sender = "watched@example.org";
        return what;
    };
    const auto read = [](state::trend_store* of) -> asio::awaitable<float> {
        co_return of->read("watched@example.org").value().day_messages;
    };
    const auto messages = [&] { return on_loop(read(trends.get())); };
    const auto message = [&](const char* instance, const char* queue_id) {
        (void)ask(of_watched(rcpt(instance, "a@example.net")), from);
        auto sealed = ask(of_watched(data(instance, 1, queue_id)), from).text;
        (void)ask(of_watched(end_of_message(instance, 1, queue_id)), from);
        return sealed;
    };
    message("1.1.0", "4XyZ");
    const auto sealed = message("1.2.0", "");
    BOOST_TEST(messages() == 2);
    for (const bool first : {true, false}) {
        BOOST_TEST(call({{"verb", "refund"}, {"ticket", sealed}}).at("refunded") == first);
        BOOST_TEST(messages() == 1);
    }
}

BOOST_AUTO_TEST_SUITE_END()
