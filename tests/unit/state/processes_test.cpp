// SPDX-License-Identifier: Apache-2.0
// Two processes on one state directory, and what happens when one of them is killed or stopped.
#define BOOST_TEST_DYN_LINK
#include "committed.hpp"
#include "fixture.hpp"

#include "shared/state/environments.hpp"

#include "shared/state/codec.hpp"
#include "shared/state/maintenance.hpp"
#include "shared/state/writer.hpp"

#include <fstream>
#include <thread>

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;
namespace asio = boost::asio;

namespace {

result<void> increment(write_txn& txn) {
    std::uint64_t n = 0;
    if (const auto value = txn.get("n")) n = decoder{*value, 1}.number<std::uint64_t>();
    return txn.put("n", encoder{1}.number(n + 1).view());
}

std::uint64_t counted(store& s) {
    const auto value = get(s, "n");
    return value ? decoder{*value, 1}.number<std::uint64_t>() : 0;
}

result<std::unique_ptr<background_environment>> open_background(const std::filesystem::path& directory,
                                                                std::string_view boot) {
    return background_environment::open({.directory = directory, .map_size = {16U << 20U}}, boot, {});
}

// Becomes true soon, or never.
bool eventually(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + seconds{120};
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::yield();
    }
    return true;
}

} // namespace

BOOST_AUTO_TEST_SUITE(processes_test)

BOOST_AUTO_TEST_CASE(two_processes_write_one_environment_and_lose_nothing) {
    const temp_directory dir;
    const auto body = [&] {
        auto s = store::open({.directory = dir / "state", .map_size = {16U << 20U}, .how = durability::background});
        if (!s) return 1;
        writer w{**s, seconds{20}};
        for (int i = 0; i < 500; ++i) {
            if (!w.run_blocking(increment)) return 2;
        }
        return 0;
    };
    child_process child{body};
    BOOST_TEST(body() == 0);
    BOOST_TEST(child.wait() == 0);
    BOOST_TEST(counted(*open_store(dir / "state")) == 1000U);
}

BOOST_AUTO_TEST_CASE(many_processes_that_open_a_new_directory_at_once_all_succeed) {
    for (int round = 0; round < 5; ++round) {
        const temp_directory dir;
        signal_pipe go;
        std::vector<std::unique_ptr<child_process>> children;
        for (int i = 0; i < 6; ++i) {
            children.push_back(std::make_unique<child_process>([&] {
                if (!go.take()) return 1;
                if (!state_secret(dir.path())) return 2;
                auto s =
                    store::open({.directory = dir / "state", .map_size = {1U << 20U}, .how = durability::background});
                if (!s) return 3;
                auto txn = (*s)->write();
                return txn && increment(*txn) && txn->commit() ? 0 : 4;
            }));
        }
        for (int i = 0; i < 6; ++i)
            go.give();
        for (auto& c : children)
            BOOST_TEST(c->wait() == 0);
        BOOST_TEST(counted(*open_store(dir / "state", durability::background, 1U << 20U)) == 6U);
    }
}

BOOST_AUTO_TEST_CASE(a_process_killed_inside_a_write_leaves_the_last_commit_and_no_lock) {
    const temp_directory dir;
    signal_pipe writing;
    child_process child{[&] {
        auto s = store::open({.directory = dir / "state", .map_size = {16U << 20U}});
        if (!s || !put(**s, "committed", "1")) return 1;
        auto txn = (*s)->write();
        if (!txn || !txn->put("torn", "1")) return 2;
        writing.give();
        ::pause();
        return 3;
    }};
    BOOST_REQUIRE(writing.take());
    child.kill(SIGKILL);
    auto s = open_store(dir / "state");
    BOOST_TEST(get(*s, "committed").has_value());
    BOOST_TEST(!get(*s, "torn").has_value());
    BOOST_TEST(put(*s, "after", "1").has_value());
}

BOOST_AUTO_TEST_CASE(the_reader_slot_of_a_killed_process_is_cleared) {
    const temp_directory dir;
    signal_pipe go, reading;
    child_process child{[&] {
        if (!go.take()) return 1;
        auto s = store::open({.directory = dir / "state", .map_size = {16U << 20U}});
        if (!s) return 2;
        const auto txn = (*s)->read();
        reading.give();
        ::pause();
        return 3;
    }};
    auto s = open_store(dir / "state");
    go.give();
    BOOST_REQUIRE(reading.take());
    child.kill(SIGKILL);
    log_lines lines;
    s->tend();
    BOOST_TEST(lines.contain("stale readers cleared"));
}

BOOST_AUTO_TEST_CASE(a_map_that_the_other_process_made_larger_is_taken_over) {
    const temp_directory dir;
    signal_pipe go;
    child_process child{[&] {
        if (!go.take()) return 1;
        auto s = store::open({.directory = dir / "state", .map_size = {64U << 20U}, .how = durability::background});
        return s && put(**s, "big", std::string(32U << 20U, 'v')) ? 0 : 2;
    }};
    auto s = open_store(dir / "state", durability::background, 1U << 20U);
    BOOST_REQUIRE(put(*s, "small", "1").has_value());
    go.give();
    BOOST_TEST(child.wait() == 0);
    BOOST_TEST(get(*s, "big").value().size() == 32U << 20U);
    auto txn = s->write();
    BOOST_REQUIRE(txn.has_value());
    BOOST_TEST(txn->erase("big").has_value());
    BOOST_TEST(txn->commit().has_value());
}

BOOST_AUTO_TEST_CASE(an_environment_moved_aside_by_the_other_process_is_noticed) {
    const temp_directory dir;
    log_lines lines;
    signal_pipe go, damaged;
    child_process child{[&] {
        log::capture([](log::level, const std::string&) {});
        if (!go.take()) return 1;
        std::filesystem::rename(dir / "state", dir / "state.corrupt-now");
        auto s = store::open({.directory = dir / "state", .map_size = {16U << 20U}});
        return s && put(**s, "new", "1") ? 0 : 2;
    }};
    auto s = open_store(dir / "state");
    BOOST_REQUIRE(put(*s, "old", "1").has_value());
    go.give();
    BOOST_TEST(child.wait() == 0);
    s->tend();
    BOOST_TEST(lines.contain("state replaced on disk"));
    BOOST_TEST(get(*s, "new").has_value());
    BOOST_TEST(!get(*s, "old").has_value());
}

BOOST_AUTO_TEST_CASE(a_stopped_process_with_the_writer_mutex_makes_writes_late_and_they_recover) {
    const temp_directory dir;
    signal_pipe holding, release;
    child_process child{[&] {
        auto s = store::open({.directory = dir / "state", .map_size = {16U << 20U}, .how = durability::background});
        if (!s) return 1;
        auto txn = (*s)->write();
        if (!txn || !increment(*txn)) return 2;
        holding.give();
        if (!release.take()) return 3;
        return txn->commit() ? 0 : 4;
    }};
    BOOST_REQUIRE(holding.take());
    child.kill(SIGSTOP);
    auto s = open_store(dir / "state");
    writer w{*s, seconds{1}};
    BOOST_TEST(w.healthy());
    BOOST_TEST(w.run_blocking(increment).error().code == errc::timed_out);
    BOOST_TEST(!w.healthy());
    boost::asio::io_context io;
    BOOST_TEST(run(io, w.run(increment)).error().code == errc::timed_out);
    BOOST_TEST(counted(*s) == 0U); // readers never block
    release.give();
    child.kill(SIGCONT);
    BOOST_TEST(child.wait() == 0);
    BOOST_TEST(eventually([&] { return w.healthy(); }));
    BOOST_TEST(run(io, w.run(increment)).has_value());
    BOOST_TEST(counted(*s) == 4U); // the late ones happened too
}

BOOST_AUTO_TEST_CASE(a_killed_process_with_the_writer_mutex_lets_writes_recover) {
    const temp_directory dir;
    signal_pipe holding;
    child_process child{[&] {
        auto s = store::open({.directory = dir / "state", .map_size = {16U << 20U}});
        auto txn = (*s)->write();
        holding.give();
        ::pause();
        return txn.has_value() ? 0 : 1;
    }};
    BOOST_REQUIRE(holding.take());
    child.kill(SIGSTOP);
    auto s = open_store(dir / "state");
    writer w{*s, seconds{1}};
    BOOST_TEST(w.run_blocking(increment).error().code == errc::timed_out);
    child.kill(SIGKILL);
    BOOST_TEST(eventually([&] { return w.healthy(); }));
    BOOST_TEST(w.run_blocking(increment).has_value());
    BOOST_TEST(counted(*s) == 2U);
}

BOOST_AUTO_TEST_CASE(a_writer_that_is_stuck_can_be_ended) {
    const temp_directory dir;
    signal_pipe holding;
    child_process other{[&] {
        auto s = store::open({.directory = dir / "state", .map_size = {16U << 20U}});
        auto txn = (*s)->write();
        holding.give();
        ::pause();
        return txn.has_value() ? 0 : 1;
    }};
    BOOST_REQUIRE(holding.take());
    other.kill(SIGSTOP);
    child_process child{[&] {
        log::capture([](log::level, const std::string&) {});
        auto s = store::open({.directory = dir / "state", .map_size = {16U << 20U}});
        {
            writer w{**s, seconds{1}};
            if (w.run_blocking(increment)) return 1;
        }
        s->reset();
        return 0;
    }};
    BOOST_TEST(child.wait() == 0);
}

BOOST_AUTO_TEST_CASE(after_a_machine_crash_the_copy_takes_the_environments_place) {
    const temp_directory dir;
    const auto lose_power = [&](bool copy) {
        child_process child{[&] {
            log::capture([](log::level, const std::string&) {});
            auto e = open_background(dir / "counters", "boot-1");
            if (!e || !put((*e)->get(), "before", "1")) return 1;
            if (copy && !(*e)->get().copy_to(dir / "counters.copy")) return 2;
            if (!put((*e)->get(), "after", "1")) return 3;
            ::_exit(0); // no orderly end
        }};
        return child.wait();
    };
    log_lines lines;
    BOOST_REQUIRE(lose_power(true) == 0);
    {
        auto e = open_background(dir / "counters", "boot-1"); // killed, but the machine went on
        BOOST_REQUIRE(e.has_value());
        BOOST_TEST(!(*e)->restored());
        BOOST_TEST(get((*e)->get(), "after").has_value());
    }
    {
        auto e = open_background(dir / "counters", "boot-2"); // closed in order before the reboot
        BOOST_REQUIRE(e.has_value());
        BOOST_TEST(!(*e)->restored());
        BOOST_TEST(get((*e)->get(), "after").has_value());
    }
    std::filesystem::remove_all(dir / "counters");
    BOOST_REQUIRE(lose_power(true) == 0);
    auto e = open_background(dir / "counters", "boot-3");
    BOOST_REQUIRE(e.has_value());
    BOOST_TEST((*e)->restored());
    BOOST_TEST(get((*e)->get(), "before").has_value());
    BOOST_TEST(lines.contain("state restored from its copy"));
    BOOST_TEST(std::filesystem::exists(dir / "counters.crashed" / "data.mdb"));
    BOOST_TEST(put((*e)->get(), "on", "1").has_value());
}

BOOST_AUTO_TEST_CASE(after_a_machine_crash_without_a_copy_it_starts_empty_and_says_so) {
    const temp_directory dir;
    log_lines lines;
    child_process child{[&] {
        auto s = store::open({.directory = dir / "counters", .map_size = {1U << 20U}, .how = durability::background});
        return s && put(**s, "a", "1") ? 0 : 1;
    }};
    BOOST_REQUIRE(child.wait() == 0);
    FILE* mark = std::fopen((dir / "counters.mark").c_str(), "w");
    BOOST_REQUIRE(mark != nullptr);
    std::fputs("open boot-1\n", mark);
    std::fclose(mark);
    auto e = open_background(dir / "counters", "boot-2");
    BOOST_REQUIRE(e.has_value());
    BOOST_TEST((*e)->restored());
    BOOST_TEST(!get((*e)->get(), "a").has_value());
    BOOST_TEST(lines.contain("state lost in a machine crash"));
}

BOOST_AUTO_TEST_CASE(a_second_process_cannot_have_a_background_environment) {
    const temp_directory dir;
    signal_pipe open, end;
    child_process child{[&] {
        auto e = open_background(dir / "counters", "boot-1");
        open.give();
        return e && end.take() ? 0 : 1;
    }};
    BOOST_REQUIRE(open.take());
    BOOST_TEST(open_background(dir / "counters", "boot-1").error().code == errc::exists);
    end.give();
    BOOST_TEST(child.wait() == 0);
    BOOST_TEST(open_background(dir / "counters", "boot-1").has_value());
}

BOOST_AUTO_TEST_CASE(maintenance_copies_soon_after_the_start) {
    const temp_directory dir;
    auto e = open_background(dir / "counters", "boot-1");
    BOOST_REQUIRE(e.has_value());
    BOOST_TEST(eventually([&] { return std::filesystem::exists(dir / "counters.copy"); }));
}

namespace {

// Charges three recipients, copies the counters, and dies without a word.
int charge_and_die(const std::filesystem::path& directory) {
    asio::io_context io;
    auto e = environments::open({.directory = directory, .map_size = {16U << 20U}}, user::policyd);
    if (!e) return 1;
    const auto books = (*e)->make_accounting(io.get_executor());
    const std::vector<counted_limits> limits{{"account:a", {{9, limit_unit::recipients, seconds{3600}}}}};
    for (const char* to : {"a", "b", "c"}) {
        const auto answer = run(io, admit_committed(*books, {{"s", "i"}, 1, "a", to, limits, false, false}));
        if (!answer || answer->breach) return 2;
    }
    if (!run(io, settle_committed(*books, {"s", "i"}, 1, "Q", 0))) return 3;
    if (!(*e)->hot().copy_to(directory / "counters.copy")) return 4;
    ::_exit(0);
}

std::uint64_t use_after(const std::filesystem::path& directory) {
    asio::io_context io;
    auto e = environments::open({.directory = directory, .map_size = {16U << 20U}}, user::policyd);
    BOOST_REQUIRE_MESSAGE(e.has_value(), (e ? "" : e.error().message()));
    const auto books = (*e)->make_accounting(io.get_executor());
    return books->usage({"account:a", {{9, limit_unit::recipients, seconds{3600}}}}).value().at(0).used;
}

} // namespace

BOOST_AUTO_TEST_CASE(counters_that_a_power_cut_took_come_back_from_their_copy) {
    const temp_directory dir;
    log_lines lines;
    child_process child{[&] { return charge_and_die(dir.path()); }};
    BOOST_REQUIRE(child.wait() == 0);
    std::filesystem::remove_all(dir / "counters");
    BOOST_TEST(use_after(dir.path()) == 3U);
    BOOST_TEST(lines.contain("state restored from its copy"));
}

BOOST_AUTO_TEST_CASE(corrupt_counters_come_back_from_their_copy_and_the_log_says_so) {
    const temp_directory dir;
    log_lines lines;
    child_process child{[&] { return charge_and_die(dir.path()); }};
    BOOST_REQUIRE(child.wait() == 0);
    {
        std::ofstream data{dir / "counters/data.mdb", std::ios::binary | std::ios::trunc};
        data << std::string(65536, 'x');
    }
    BOOST_TEST(use_after(dir.path()) == 3U);
    BOOST_TEST(lines.contain("state corrupt"));
    BOOST_TEST(lines.contain("corrupt state restored from its copy"));
}

BOOST_AUTO_TEST_CASE(counters_that_were_moved_away_after_an_orderly_end_start_empty) {
    const temp_directory dir;
    child_process child{[&] { return charge_and_die(dir.path()); }};
    BOOST_REQUIRE(child.wait() == 0);
    BOOST_TEST(use_after(dir.path()) == 3U); // and ends in good order
    std::filesystem::remove_all(dir / "counters");
    BOOST_TEST(use_after(dir.path()) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
