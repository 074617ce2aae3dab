// SPDX-License-Identifier: Apache-2.0
// The journal before an environment: against a map as its model, through kills, torn ends, full environments and failed
// syncs.
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include "shared/state/change_layer.hpp"
#include "shared/state/journal.hpp"
#include "shared/state/journal_flusher.hpp"

#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <future>
#include <map>
#include <random>
#include <thread>

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;
namespace fs = std::filesystem;

namespace {

using contents = std::map<std::string, std::string>;

contents read_all(const read_txn& txn, std::string_view prefix = {}, std::string_view from = {}) {
    contents out;
    std::string last;
    txn.scan(prefix, from, [&](std::string_view key, std::string_view value) {
        BOOST_TEST_REQUIRE((std::string{key} > last)); // in order, each once
        last = key;
        out.emplace(key, value);
        return true;
    });
    return out;
}

contents read_all(store& s, std::string_view prefix = {}, std::string_view from = {}) {
    return read_all(s.read().value(), prefix, from);
}

contents part_of(const contents& all, std::string_view prefix, std::string_view from) {
    contents out;
    for (const auto& [key, value] : all)
        if (key.starts_with(prefix) && key >= from) out.emplace(key, value);
    return out;
}

// Random turns, some of them taken back, against the model.
class random_writer {
public:
    explicit random_writer(unsigned seed)
        : random_{seed} {}
    void turn(store& s, contents& model) {
        auto txn = s.write().value();
        contents next = model;
        for (auto n = random_() % 6; n != 0; --n) {
            const auto key = any_key();
            if (random_() % 3 == 0) {
                BOOST_REQUIRE(txn.erase(key).has_value());
                next.erase(key);
            } else {
                const std::string value(random_() % 300, static_cast<char>('a' + random_() % 26));
                BOOST_REQUIRE(txn.put(key, value).has_value());
                next[key] = value;
            }
            BOOST_TEST_REQUIRE(txn.get(key).has_value() == next.contains(key));
        }
        BOOST_TEST_REQUIRE((read_all(txn) == next));
        if (random_() % 4 == 0) return; // rolled back
        BOOST_REQUIRE(txn.commit().has_value());
        model = std::move(next);
    }
    std::string any_key() {
        return std::string(1, static_cast<char>('A' + random_() % 3)) + std::to_string(random_() % 20);
    }
    unsigned operator()() { return static_cast<unsigned>(random_()); }

private:
    std::mt19937 random_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(journaled_store_test)

BOOST_AUTO_TEST_CASE(what_was_committed_is_there_through_syncs_and_kills_and_in_order) {
    for (unsigned seed = 1; seed <= 8; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed) {
            const temp_directory dir;
            auto s = open_journaled_store(dir / "counters", 3072);
            random_writer random{seed};
            contents model;
            for (int i = 0; i < 400; ++i) {
                random.turn(*s, model);
                if (random() % 10 == 0) BOOST_REQUIRE(s->sync().has_value());
                if (random() % 10 == 0) { // what a kill leaves
                    s.reset();
                    s = open_journaled_store(dir / "counters", 3072);
                }
                const auto from = random.any_key();
                const auto prefix = from.substr(0, random() % 2);
                BOOST_TEST_REQUIRE((read_all(*s, prefix, from) == part_of(model, prefix, from)));
                const auto known = model.find(from);
                BOOST_TEST_REQUIRE(
                    (get(*s, from) == (known == model.end() ? std::nullopt : std::optional{known->second})));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_record_that_is_written_over_and_over_does_not_make_the_journals_grow) {
    const temp_directory dir;
    constexpr std::size_t size = 16384;
    const auto s = open_journaled_store(dir / "counters", size);
    std::string value;
    std::uintmax_t most = 0;
    for (int i = 0; i < 300; ++i) { // 2.4 MB of frames, and never more than one record
        value.assign(8192, static_cast<char>('a' + i % 26));
        BOOST_REQUIRE(put(*s, "A", value).has_value());
        std::error_code not_there; // the second one, yet
        for (const char* name : {"journal.0", "journal.1"})
            if (const auto now = fs::file_size(dir / "counters" / name, not_there); !not_there)
                most = std::max(most, now);
    }
    BOOST_TEST((get(*s, "A") == value));
    BOOST_TEST(most <= 10 * size);
}

// Records of accounts: large, of one size for long, and a few octets of them change at a time.
BOOST_AUTO_TEST_CASE(records_that_change_a_little_are_whole_after_syncs_and_kills) {
    for (unsigned seed = 1; seed <= 8; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed) {
            const temp_directory dir;
            std::mt19937 random{seed};
            auto s = open_journaled_store(dir / "counters", 16384);
            contents model;
            for (int i = 0; i < 1500; ++i) {
                const auto key = "A" + std::to_string(random() % 12);
                auto txn = s->write().value();
                auto value = std::string{txn.get(key).value_or(std::string_view{})};
                BOOST_TEST_REQUIRE((value == (model.contains(key) ? model.at(key) : std::string{})));
                if (value.empty() || random() % 20 == 0)
                    value.assign(64 + random() % 1200, static_cast<char>('a' + random() % 26));
                if (random() % 6 == 0) value.append(random() % 40, static_cast<char>('a' + random() % 26));
                if (random() % 12 == 0) value.resize(value.size() - random() % (value.size() / 2));
                for (auto n = random() % 4; n != 0; --n)
                    value[random() % value.size()] = static_cast<char>(random());
                BOOST_REQUIRE(txn.put(key, value).has_value());
                if (random() % 4 == 0) { // twice in one turn
                    value[random() % value.size()] = static_cast<char>(random());
                    BOOST_REQUIRE(txn.put(key, value).has_value());
                }
                const bool gone = random() % 25 == 0;
                if (gone) BOOST_REQUIRE(txn.erase(key).has_value());
                if (random() % 8 != 0) { // and sometimes it is rolled back
                    BOOST_REQUIRE(txn.commit().has_value());
                    if (gone)
                        model.erase(key);
                    else
                        model[key] = value;
                }
                { auto ended = std::move(txn); }
                if (random() % 30 == 0) BOOST_REQUIRE(s->sync().has_value());
                if (random() % 20 == 0) { // what a kill leaves
                    s.reset();
                    s = open_journaled_store(dir / "counters", 16384);
                }
            }
            BOOST_TEST((read_all(*s) == model));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_record_that_changes_a_little_costs_the_journal_a_little) {
    const temp_directory dir;
    const auto s = open_journaled_store(dir / "counters", 1U << 20U);
    std::string value(1200, 'x');
    BOOST_REQUIRE(put(*s, "A", value).has_value());
    BOOST_REQUIRE(s->sync().has_value()); // the value lies in the environment now
    constexpr int times = 100;
    const auto before = fs::file_size(dir / "counters/journal.0") + fs::file_size(dir / "counters/journal.1");
    for (int i = 0; i < times; ++i) {
        auto txn = s->write().value();
        BOOST_REQUIRE(txn.get("A") == value);
        ++value[600];
        BOOST_REQUIRE(txn.put("A", value).has_value());
        BOOST_REQUIRE(txn.commit().has_value());
    }
    const auto after = fs::file_size(dir / "counters/journal.0") + fs::file_size(dir / "counters/journal.1");
    BOOST_TEST(after - before < times * value.size() / 5);
}

// A transaction's record grows with each recipient: all of them cost the journal some times the record, and not its
// square.
BOOST_AUTO_TEST_CASE(a_record_that_grows_costs_the_journal_what_it_grows_by) {
    const temp_directory dir;
    const auto s = open_journaled_store(dir / "counters", 1U << 20U);
    const auto journals = [&] {
        std::uintmax_t sum = 0;
        std::error_code not_there;
        for (const char* name : {"counters/journal.0", "counters/journal.1"})
            if (const auto now = fs::file_size(dir / name, not_there); !not_there) sum += now;
        return sum;
    };
    std::string value(200, 'x');
    constexpr int times = 1000;
    for (int i = 0; i < times; ++i) {
        auto txn = s->write().value();
        (void)txn.get("T");
        value[100] = static_cast<char>(i); // a number in its head
        value += "12345678";
        BOOST_REQUIRE(txn.put("T", value).has_value());
        BOOST_REQUIRE(txn.commit().has_value());
    }
    BOOST_TEST(journals() < times * 150U);
    BOOST_TEST((get(*s, "T") == value));
}

BOOST_AUTO_TEST_CASE(a_patch_that_does_not_fit_changes_nothing) {
    const auto number = [](std::uint32_t n) { return std::string(reinterpret_cast<const char*>(&n), sizeof n); };
    const std::string value(16, 'x');
    const auto same = number(16) + number(16);
    BOOST_TEST((patched(value, same + number(14) + number(2) + "yz") == std::string(14, 'x') + "yz"));
    BOOST_TEST((patched(value, same) == value));
    BOOST_TEST((patched(value, number(16) + number(18) + number(16) + number(2) + "yz") == value + "yz"));
    BOOST_TEST((patched(value, number(16) + number(2)) == "xx"));
    const std::string wrong[] = {"",
                                 "abc",
                                 number(16),
                                 number(15) + number(15) + number(0) + number(1) + "y", // of another value
                                 same + number(15) + number(2) + "yz",                  // beyond the end
                                 same + number(~0U) + number(2) + "yz",
                                 same + number(0) + number(9) + "y"};
    for (const auto& patch : wrong)
        BOOST_TEST(!patched(value, patch).has_value());
}

BOOST_AUTO_TEST_CASE(a_scan_that_is_ended_visits_no_more) {
    const temp_directory dir;
    const auto s = open_journaled_store(dir / "counters");
    for (const char* key : {"A1", "A3", "A5"})
        BOOST_REQUIRE(put(*s, key, "below").has_value());
    BOOST_REQUIRE(s->sync().has_value());
    for (const char* key : {"A2", "A3", "A4"})
        BOOST_REQUIRE(put(*s, key, "above").has_value());
    for (std::size_t most = 1; most <= 5; ++most) {
        std::string seen;
        const auto txn = s->read();
        txn->scan("A", {}, [&](std::string_view key, std::string_view value) {
            seen += std::string{key} + std::string{value.substr(0, 1)};
            return seen.size() < 3 * most;
        });
        BOOST_TEST(seen == std::string{"A1bA2aA3aA4aA5b"}.substr(0, 3 * most));
    }
}

BOOST_AUTO_TEST_CASE(a_torn_end_costs_the_last_commit_and_no_other) {
    const temp_directory dir;
    for (const bool cut : {true, false}) {
        fs::remove_all(dir / "counters");
        {
            const auto s = open_journaled_store(dir / "counters", 1U << 20U);
            BOOST_REQUIRE(put(*s, "a", "1").has_value());
            BOOST_REQUIRE(put(*s, "b", "2").has_value());
        }
        const auto file =
            fs::exists(dir / "counters/journal.1") ? dir / "counters/journal.1" : dir / "counters/journal.0";
        if (cut) {
            fs::resize_file(file, fs::file_size(file) - 1);
        } else {
            std::fstream octets{file, std::ios::in | std::ios::out | std::ios::binary};
            octets.seekp(-1, std::ios::end);
            octets.put('3');
        }
        const auto s = open_journaled_store(dir / "counters", 1U << 20U);
        BOOST_TEST((read_all(*s) == contents{{"a", "1"}}));
    }
}

BOOST_AUTO_TEST_CASE(both_journals_count_where_neither_was_written_down) {
    const temp_directory dir;
    { (void)open_store(dir / "counters"); }
    journal_frame frame;
    for (const std::uint64_t generation : {2U, 1U}) { // the order of the files is not the order in time
        const auto file =
            journal_file::begin(dir / ("counters/journal." + std::to_string(generation % 2)).c_str(), generation);
        BOOST_REQUIRE(file.has_value());
        frame.clear();
        frame.add("k", std::to_string(generation));
        if (generation == 1)
            frame.add("gone", "1");
        else
            frame.add("gone", std::nullopt);
        BOOST_REQUIRE((*file)->append(frame).has_value());
    }
    for (int opening = 0; opening < 2; ++opening) { // and they count once
        const auto s = open_journaled_store(dir / "counters");
        BOOST_TEST((read_all(*s) == contents{{"k", opening == 0 ? "2" : "3"}}));
        BOOST_REQUIRE(put(*s, "k", "3").has_value());
    }
}

// Damage that opening the environment does not come upon, but writing down does.
BOOST_AUTO_TEST_CASE(what_the_journal_has_goes_to_the_copy_of_an_environment_that_is_damaged) {
    const temp_directory dir;
    const auto key_of = [](int i) { return "k" + std::to_string(10000 + i); };
    {
        const auto s = open_journaled_store(dir / "counters", 1U << 20U);
        for (int i = 0; i < 1000; ++i)
            BOOST_REQUIRE(put(*s, key_of(i), std::string(100, '.') + key_of(i)).has_value());
        BOOST_REQUIRE(s->copy_to(dir / "counters.copy").has_value());
        BOOST_REQUIRE(put(*s, key_of(500), "newer").has_value());
    } // what a kill leaves
    const auto data = dir / "counters/data.mdb";
    std::ifstream file{data, std::ios::binary};
    const std::string octets{std::istreambuf_iterator<char>{file}, {}};
    constexpr std::size_t page = 4096;
    for (auto at = octets.find(key_of(500)); at != std::string::npos; at = octets.find(key_of(500), at + page)) {
        std::fstream out{data, std::ios::in | std::ios::out | std::ios::binary};
        out.seekp(static_cast<std::streamoff>(at / page * page));
        out << std::string(page, '\0');
    }
    auto below = store::open({.directory = dir / "counters",
                              .map_size = byte_count{16U << 20U},
                              .how = durability::background,
                              .copy = dir / "counters.copy"});
    BOOST_REQUIRE(below.has_value());
    const auto opened = open_journaled(std::move(*below), {dir / "counters", 1U << 20U, false});
    BOOST_REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message()));
    BOOST_TEST((get(**opened, key_of(500)) == "newer"));
    BOOST_TEST((get(**opened, key_of(501)) == std::string(100, '.') + key_of(501)));
}

// What was written down stays in memory, to be found sooner: but no longer than the environment that has it.
BOOST_AUTO_TEST_CASE(what_was_written_down_is_forgotten_with_its_environment) {
    const temp_directory dir;
    const auto s = open_journaled_store(dir / "counters");
    BOOST_REQUIRE(put(*s, "a", "1").has_value());
    BOOST_REQUIRE(s->sync().has_value());
    BOOST_TEST((get(*s, "a") == "1"));
    fs::remove(dir / "counters/data.mdb");
    s->tend(); // sees it
    BOOST_REQUIRE(put(*s, "b", "2").has_value());
    const auto end = std::chrono::steady_clock::now() + seconds{30};
    while (!s->sync() && std::chrono::steady_clock::now() < end) // until the other one is opened
        std::this_thread::sleep_for(milliseconds{50});
    BOOST_TEST((read_all(*s) == contents{{"b", "2"}}));
    BOOST_TEST((get(*s, "a") == std::nullopt));
    BOOST_TEST((get(*s, "b") == "2"));
}

// The same, where the other one is opened before anything fails.
BOOST_AUTO_TEST_CASE(what_was_written_down_is_not_taken_for_the_content_of_another_environment) {
    const temp_directory dir;
    const auto s = open_journaled_store(dir / "counters");
    BOOST_REQUIRE(put(*s, "a", "1").has_value());
    BOOST_REQUIRE(s->sync().has_value());
    fs::remove(dir / "counters/data.mdb");
    s->tend();
    BOOST_TEST((get(*s, "a") == std::nullopt));
}

// The newest of what lies in four places: changed again, erased and made anew after each time it was written down.
BOOST_AUTO_TEST_CASE(the_newest_value_holds_wherever_it_lies) {
    const temp_directory dir;
    const auto s = open_journaled_store(dir / "counters");
    for (const auto* value : {"1", "2", "", "3", "", "", "4"}) {
        auto txn = s->write().value();
        BOOST_REQUIRE((*value != '\0' ? txn.put("a", value) : txn.erase("a")).has_value());
        BOOST_REQUIRE(txn.commit().has_value());
        const auto now = *value != '\0' ? std::optional<std::string>{value} : std::nullopt;
        BOOST_TEST((get(*s, "a") == now));
        BOOST_REQUIRE(s->sync().has_value());
        BOOST_TEST((get(*s, "a") == now));
        BOOST_REQUIRE(put(*s, "b", value).has_value()); // by another transaction, which looks below anew
        BOOST_TEST((get(*s, "a") == now));
    }
}

BOOST_AUTO_TEST_CASE(an_orderly_end_leaves_nothing_in_the_journal) {
    const temp_directory dir;
    {
        const auto s = open_journaled_store(dir / "counters");
        BOOST_REQUIRE(put(*s, "a", "1").has_value());
        BOOST_REQUIRE(s->sync().has_value());
    }
    BOOST_TEST((read_all(*open_store(dir / "counters")) == contents{{"a", "1"}}));
}

BOOST_AUTO_TEST_CASE(a_copy_has_what_was_committed) {
    const temp_directory dir;
    const auto s = open_journaled_store(dir / "counters");
    BOOST_REQUIRE(put(*s, "a", "1").has_value());
    fs::create_directory(dir / "other");
    BOOST_REQUIRE(s->copy_to(dir / "other/data.mdb").has_value());
    BOOST_TEST((read_all(*open_store(dir / "other")) == contents{{"a", "1"}}));
}

BOOST_AUTO_TEST_CASE(a_full_environment_is_disk_full_and_goes_on_after_room_was_made) {
    const temp_directory dir;
    log_lines lines;
    const auto s = open_journaled_store(dir / "counters", 16U << 10U, durability::background, 512U << 10U);
    const std::string value(1000, 'x');
    contents model;
    result<void> outcome;
    while (outcome && model.size() < 5000) {
        const auto key = "A" + std::to_string(model.size());
        outcome = put(*s, key, value);
        if (outcome) model[key] = value;
        if (outcome) (void)s->sync();
    }
    BOOST_REQUIRE(!outcome.has_value());
    BOOST_TEST(outcome.error().code == errc::disk_full);
    BOOST_TEST(lines.contain("the journal cannot go to its environment"));
    BOOST_TEST((read_all(*s) == model)); // nothing that was committed is lost
    {
        auto txn = s->write().value();
        for (const auto& [key, text] : model)
            if (key != "A0") BOOST_REQUIRE(txn.erase(key).has_value());
        BOOST_REQUIRE(txn.commit().has_value());
    }
    (void)s->sync();
    BOOST_TEST(s->sync().has_value());
    BOOST_TEST(put(*s, "B", value).has_value());
    BOOST_TEST(s->sync().has_value());
    BOOST_TEST((read_all(*s) == contents{{"A0", value}, {"B", value}}));
}

BOOST_AUTO_TEST_CASE(synced_commits_wait_for_the_disk) {
    const temp_directory dir;
    const auto s = open_journaled_store(dir / "counters", 1U << 20U, durability::synced);
    BOOST_TEST(!s->commits_are_durable());
    for (int i = 0; i < 20; ++i) {
        BOOST_REQUIRE(put(*s, "a", std::to_string(i)).has_value());
        std::promise<result<void>> done;
        s->when_durable([&done](result<void> outcome) { done.set_value(std::move(outcome)); });
        BOOST_TEST(done.get_future().get().has_value());
    }
    BOOST_TEST(open_journaled_store(dir / "plain")->commits_are_durable());
}

BOOST_AUTO_TEST_CASE(after_a_failed_sync_nothing_is_durable_until_it_was_made_safe) {
    const temp_directory dir;
    // What cannot be synced: a pipe by the journal's name.
    BOOST_REQUIRE(::mkfifo((dir / "journal.1").c_str(), 0600) == 0);
    journal_flusher flusher;
    const auto outcome = [&flusher] {
        std::promise<result<void>> done;
        flusher.when_flushed([&done](result<void> r) { done.set_value(std::move(r)); });
        return done.get_future().get().has_value();
    };
    const auto broken = journal_file::begin(dir / "journal.1", 7).value();
    const auto good = journal_file::begin(dir / "journal.0", 8).value();
    flusher.touched(good);
    BOOST_TEST(outcome());
    flusher.touched(broken);
    BOOST_TEST(!outcome());
    flusher.touched(good);
    BOOST_TEST(!outcome());
    flusher.made_safe(6);
    BOOST_TEST(!outcome());
    flusher.made_safe(7);
    BOOST_TEST(outcome());
}

BOOST_AUTO_TEST_CASE(a_turn_that_is_taken_back_leaves_every_value_as_it_was) {
    change_layer layer;
    layer.set("a", "short");
    layer.set("b", "b");
    layer.keep_turn();
    layer.set("a", std::string(5000, 'x'));
    layer.set("a", "again");
    layer.set("b", std::nullopt);
    layer.set("c", "new");
    layer.take_back_turn();
    BOOST_TEST(layer.find("a")->value() == "short");
    BOOST_TEST(layer.find("b")->value() == "b");
    BOOST_TEST((layer.find("b")->what() == change_layer::kind::put));
    BOOST_TEST((layer.find("c")->what() == change_layer::kind::none));
}

BOOST_AUTO_TEST_SUITE_END()
