// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "policyd/lock_hooks.hpp"
#include "rig.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <csignal>
#include <fstream>
#include <sstream>
#include <sys/stat.h>

using namespace postsluice;
using namespace postsluice::policyd;
using namespace postsluice::policyd::test;

namespace {

using ending = program_outcome::ending;

state::hook_call locked_call(std::uint64_t id, std::string account = "alice@example.org") {
    state::hook_call c;
    c.id = id;
    c.account = std::move(account);
    c.event.kind = lock_event_kind::locked;
    c.event.at = instant{milliseconds{1767225600000}};
    c.event.cause = "5 spam in 10 minutes";
    c.event.actor = "postsluice";
    c.event.reference = "K7QM2P4X";
    c.event.after.kind = lock_kind::timed;
    c.event.after.until = c.event.at + seconds{1800};
    return c;
}

state::hook_call unlocked_call(std::uint64_t id) {
    auto c = locked_call(id);
    c.event.kind = lock_event_kind::unlocked_by_person;
    c.event.after = {};
    return c;
}

class memory_hooks final : public hook_outbox {
public:
    std::vector<state::hook_call> all;
    std::vector<std::string> failures;
    bool broken = false;

    result<std::vector<state::hook_call>> waiting(std::size_t most) override {
        auto out = all;
        out.resize(std::min(most, out.size()));
        return out;
    }
    asio::awaitable<result<void>> now(state::hook_call what) override {
        for (auto& one : all) {
            if (one.id == what.id) {
                one = what;
            }
        }
        co_return result<void>{};
    }
    asio::awaitable<result<void>> over(std::vector<std::uint64_t> ids) override {
        if (broken) {
            co_return failure{errc::disk_full, ""};
        }
        std::erase_if(all, [&](const auto& c) { return std::ranges::find(ids, c.id) != ids.end(); });
        co_return result<void>{};
    }
    asio::awaitable<result<void>> failed(std::string account, std::string words, std::string) override {
        failures.push_back(account + ": " + words);
        co_return result<void>{};
    }
};

struct hooking : rig {
    memory_hooks outbox;
    lock_hooks hooks{context.get_executor(), outbox, [this] { return asks.settings(); }};

    std::string script(const char* name, const std::string& body) {
        const auto path = directory.path() / name;
        std::ofstream{path} << "#!/bin/sh\n" << body;
        ::chmod(path.c_str(), 0755);
        return path.string();
    }
    std::string file(const char* name) const {
        std::ostringstream out;
        out << std::ifstream{directory.path() / name}.rdbuf();
        return out.str();
    }
    void on_lock(std::vector<std::string> lines, std::size_t at_a_time = 4, seconds timeout = seconds{30}) {
        configure([&](config::settings& s, config::profile& p) {
            p.on_lock = std::move(lines);
            s.policyd.max_hooks = at_a_time;
            s.policyd.hook_timeout = timeout;
        });
    }
    /// Rounds until the outbox is empty; each ends when all that it began has ended.
    int work_off() {
        int rounds = 0;
        for (; !outbox.all.empty() && rounds < 20; ++rounds) {
            run(hooks.round());
        }
        return rounds;
    }
    program_outcome ran(std::vector<std::string> argv, milliseconds timeout = seconds{20}) {
        program_call call;
        call.argv = std::move(argv);
        call.environment = {"PATH=/usr/bin:/bin", "ONLY=this"};
        call.timeout = timeout;
        return run(run_program(std::move(call)));
    }
};

using words = std::vector<std::string>;

} // namespace

BOOST_AUTO_TEST_SUITE(policyd_lock_hooks)

// ---- arguments and environment

BOOST_AUTO_TEST_CASE(words_are_divided_before_they_are_filled_in) {
    auto call = locked_call(1);
    call.event.cause = "two words; $(reboot) `x` \"y\" {account}";
    call.event.actor = "-rf";
    const auto argv =
        hook_arguments("/bin/x  --user={account} {cause} {actor} -- {until} {reference}/{event} {state} {other}", call);
    const words expected{"/bin/x",
                         "--user=alice@example.org",
                         "two words; $(reboot) `x` \"y\" {account}",
                         "_rf",
                         "--",
                         "2026-01-01T00:30:00Z",
                         "K7QM2P4X/locked",
                         "locked",
                         "{other}"};
    BOOST_TEST(argv.value() == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_name_that_could_be_something_else_is_no_argument) {
    for (const auto& name : {std::string{"-rf"}, std::string{"a\nb"}, std::string{"a\0b", 3}, std::string{"\xff@x"}}) {
        BOOST_TEST(hook_arguments("/bin/x {account}", locked_call(1, name)).error().code == errc::malformed);
    }
    BOOST_TEST(hook_arguments("/bin/x --user={account}", locked_call(1, "-rf")).has_value());
}

BOOST_AUTO_TEST_CASE(the_environment_is_this_and_nothing_else) {
    auto call = locked_call(1, "domain:example.org");
    call.begun = 2;
    const words expected{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                         "LANG=C.UTF-8",
                         "POSTSLUICE_ACCOUNT=domain:example.org",
                         "POSTSLUICE_EVENT=locked",
                         "POSTSLUICE_STATE=locked",
                         "POSTSLUICE_CAUSE=5 spam in 10 minutes",
                         "POSTSLUICE_REFERENCE=K7QM2P4X",
                         "POSTSLUICE_UNTIL=2026-01-01T00:30:00Z",
                         "POSTSLUICE_ACTOR=postsluice",
                         "POSTSLUICE_SCOPE=domain",
                         "POSTSLUICE_SUBJECT=example.org",
                         "POSTSLUICE_TIME=2026-01-01T00:00:00Z",
                         "POSTSLUICE_ATTEMPT=2"};
    BOOST_TEST(hook_environment(call) == expected, boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(a_command_that_does_not_name_the_event_is_for_locks_only, hooking) {
    on_lock({"notify", "exec:/bin/disable {account}", "exec:/bin/tell {event}"});
    const words both{"/bin/disable {account}", "/bin/tell {event}"}, one{"/bin/tell {event}"};
    BOOST_TEST(hook_commands(*asks.settings(), "alice@example.org", locked_call(1).event) == both,
               boost::test_tools::per_element());
    BOOST_TEST(hook_commands(*asks.settings(), "alice@example.org", unlocked_call(1).event) == one,
               boost::test_tools::per_element());
    BOOST_TEST(wants_notice(*asks.settings(), "alice@example.org"));
    on_lock({});
    BOOST_TEST(!wants_notice(*asks.settings(), "domain:example.org"));
}

// ---- one program

BOOST_FIXTURE_TEST_CASE(a_program_gets_what_it_is_given_and_no_more, hooking) {
    const int leaked = ::dup(0); // not close-on-exec
    const auto path = script("look", "env | sort; pwd; ls /proc/self/fd | wc -l; cat; echo err >&2; "
                                     "grep SigBlk /proc/self/status; echo \"$1\"; exit 3\n");
    sigset_t blocked{}, before{};
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const auto outcome = ran({path, "a b; c"});
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::close(leaked);
    BOOST_TEST((outcome.how == ending::exited));
    BOOST_TEST(outcome.code == 3);
    BOOST_TEST(!outcome.well());
    BOOST_TEST(outcome.output ==
               "ONLY=this\nPATH=/usr/bin:/bin\nPWD=/\n/\n4\nerr\nSigBlk:\t0000000000000000\na b; c\n");
    BOOST_TEST(describe(outcome, seconds{1}) == "exited with status 3");
}

BOOST_FIXTURE_TEST_CASE(a_slow_program_is_killed_with_all_it_started, hooking) {
    const auto path = script("slow", "sleep 300 & echo $! > " + (directory.path() / "child").string() + "; wait\n");
    const auto begun = std::chrono::steady_clock::now();
    const auto outcome = ran({path}, seconds{3}); // time enough to start what is to be killed
    BOOST_TEST((outcome.how == ending::timed_out));
    BOOST_TEST((std::chrono::steady_clock::now() - begun < seconds{60}));
    const auto child = std::stoi(file("child"));
    bool gone = false;
    for (int i = 0; i < 3000 && !gone; ++i) { // its new parent reaps it, or leaves it a zombie
        std::ifstream stat{"/proc/" + std::to_string(child) + "/stat"};
        std::string line;
        gone = !std::getline(stat, line) || line.find(") Z ") != std::string::npos;
        ::usleep(10'000);
    }
    BOOST_TEST(gone);
    BOOST_TEST(describe(outcome, seconds{30}) == "ran longer than 30 seconds and was killed");
}

BOOST_FIXTURE_TEST_CASE(huge_output_neither_blocks_nor_is_kept, hooking) {
    const auto outcome = ran({"/bin/sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' x"});
    BOOST_TEST(outcome.well());
    BOOST_TEST(outcome.output == std::string(4096, 'x'));
    BOOST_TEST(outcome.cut);
}

BOOST_FIXTURE_TEST_CASE(crashing_and_missing_programs_are_outcomes, hooking) {
    const auto crashed = ran({"/bin/sh", "-c", "kill -SEGV $$"});
    BOOST_TEST((crashed.how == ending::killed));
    BOOST_TEST(describe(crashed, {}) == "was killed by signal 11");
    const auto missing = ran({"/nonexistent/program"});
    BOOST_TEST((missing.how == ending::not_started));
    BOOST_TEST(describe(missing, {}) == "cannot be started: No such file or directory");
    const auto no_program = ran({"/etc/passwd"});
    BOOST_TEST(describe(no_program, {}) == "cannot be started: Permission denied");
}

BOOST_FIXTURE_TEST_CASE(what_a_program_leaves_behind_is_not_waited_for, hooking) {
    const auto begun = std::chrono::steady_clock::now();
    const auto outcome = ran({"/bin/sh", "-c", "sleep 19 & echo done"});
    BOOST_TEST(outcome.well());
    BOOST_TEST(outcome.output == "done\n");
    BOOST_TEST((std::chrono::steady_clock::now() - begun < seconds{15}));
}

// ---- the outbox

BOOST_FIXTURE_TEST_CASE(transitions_of_an_account_run_in_order_those_of_others_beside, hooking) {
    const auto log = (directory.path() / "log").string();
    const auto path = script("tell", "echo \"$1 $2\" >> " + log + "\n");
    on_lock({"exec:" + path + " {account} {event}", "exec:" + path + " second {event}"});
    outbox.all = {locked_call(1), unlocked_call(2), locked_call(3, "bob@example.org")};
    BOOST_TEST(work_off() <= 4);
    const auto text = file("log");
    const auto at = [&](const char* line) { return text.find(line); };
    BOOST_TEST(at("alice@example.org locked\n") < at("second locked\n"));
    BOOST_TEST(at("alice@example.org locked\n") < at("alice@example.org unlocked-by-person\n"));
    BOOST_TEST(at("bob@example.org locked\n") != std::string::npos);
    BOOST_TEST(std::ranges::count(text, '\n') == 6);
    BOOST_TEST(outbox.failures.empty());
    BOOST_TEST(logged("hook ran") == 6);
}

BOOST_FIXTURE_TEST_CASE(no_more_than_max_hooks_run_at_a_time, hooking) {
    const auto dir = directory.path().string();
    const auto path = script("count", "touch " + dir + "/on.$$; ls " + dir + "/on.* | wc -l >> " + dir +
                                          "/counts; sleep 0.1; rm " + dir + "/on.$$\n");
    on_lock({"exec:" + path}, 2);
    for (std::uint64_t i = 1; i <= 7; ++i) {
        outbox.all.push_back(locked_call(i, "user" + std::to_string(i) + "@example.org"));
    }
    BOOST_TEST(work_off() == 4);
    std::istringstream counts{file("counts")};
    int n = 0, seen = 0;
    for (; counts >> n; ++seen) {
        BOOST_TEST(n <= 2);
    }
    BOOST_TEST(seen == 7);
    BOOST_TEST(hooks.running() == 0U);
}

BOOST_FIXTURE_TEST_CASE(failures_are_told_and_the_next_command_runs, hooking) {
    const auto good = script("good", "echo fine\n");
    on_lock({"exec:/nonexistent/x {account}", "exec:" + script("bad", "echo went wrong; exit 7\n"), "exec:" + good});
    outbox.all = {locked_call(1)};
    BOOST_TEST(work_off() == 1);
    BOOST_REQUIRE(outbox.failures.size() == 2U);
    BOOST_TEST(outbox.failures[0] ==
               "alice@example.org: /nonexistent/x cannot be started: No such file or directory (for: locked)");
    BOOST_TEST(outbox.failures[1].find("exited with status 7") != std::string::npos);
    BOOST_TEST(logged("hook failed") == 2);
    BOOST_TEST(logged("went wrong") == 1);
    BOOST_TEST(logged("output=fine") == 1);
}

BOOST_FIXTURE_TEST_CASE(after_a_crash_only_what_had_not_ended_runs_again, hooking) {
    const auto log = (directory.path() / "log").string();
    const auto path = script("tell", "echo \"$1 $POSTSLUICE_ATTEMPT\" >> " + log + "\n");
    on_lock({"exec:" + path + " one", "exec:" + path + " two"});
    auto half = locked_call(1);
    half.begun = 1;
    half.done = 1;
    outbox.all = {half};
    BOOST_TEST(work_off() == 1);
    BOOST_TEST(file("log") == "two 2\n");
}

BOOST_FIXTURE_TEST_CASE(without_programs_calls_are_cleared_and_a_full_disk_repeats_nothing, hooking) {
    outbox.all = {locked_call(1), unlocked_call(2)};
    BOOST_TEST(work_off() <= 2);
    on_lock({"exec:" + script("once", "echo x >> " + (directory.path() / "log").string() + "\n")});
    outbox.all = {locked_call(3)};
    outbox.broken = true;
    for (int i = 0; i < 3; ++i) {
        run(hooks.round());
    }
    outbox.broken = false;
    run(hooks.round());
    BOOST_TEST(file("log") == "x\n");
    BOOST_TEST(outbox.all.empty());
}

BOOST_FIXTURE_TEST_CASE(the_loop_goes_on_while_a_program_runs, hooking) {
    const auto seen = (directory.path() / "seen").string();
    on_lock({"exec:" + script("slow", "until test -e " + seen + "; do sleep 0.1; done\n")});
    outbox.all = {locked_call(1)};
    asio::co_spawn(context, hooks.round(), asio::detached);
    int ticks = 0;
    asio::steady_timer timer{context};
    std::function<void()> tick = [&] {
        timer.expires_after(milliseconds{20});
        timer.async_wait([&](auto) {
            if (++ticks < 10) {
                tick();
            } else {
                BOOST_TEST(hooks.running() == 1U);
                std::ofstream{seen} << "x";
            }
        });
    };
    tick();
    context.restart();
    context.run();
    BOOST_TEST(ticks == 10);
    BOOST_TEST(outbox.all.empty());
}

BOOST_AUTO_TEST_SUITE_END()
