// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include "shared/state/codec.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <set>
#include <thread>

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;
namespace fs = std::filesystem;

namespace {

void overwrite(const fs::path& file, off_t from, std::size_t size, char with) {
    const int fd = ::open(file.c_str(), O_WRONLY);
    BOOST_REQUIRE(fd >= 0);
    const std::string garbage(size, with);
    BOOST_REQUIRE(::pwrite(fd, garbage.data(), size, from) == static_cast<ssize_t>(size));
    ::close(fd);
}

std::size_t moved_aside(const temp_directory& dir) {
    std::size_t n = 0;
    for (const auto& e : fs::directory_iterator{dir.path()})
        n += e.path().filename().string().find(".corrupt-") != std::string::npos;
    return n;
}

void fill_with(store& s, int keys) {
    auto txn = s.write();
    BOOST_REQUIRE(txn.has_value());
    for (int i = 0; i < keys; ++i)
        BOOST_REQUIRE(txn->put("k" + std::to_string(i), std::string(500, 'v')).has_value());
    BOOST_REQUIRE(txn->commit().has_value());
}

} // namespace

BOOST_AUTO_TEST_SUITE(store_test)

BOOST_AUTO_TEST_CASE(what_was_committed_is_there_and_what_was_not_is_not) {
    const temp_directory dir;
    auto s = open_store(dir / "env", durability::synced);
    BOOST_TEST(put(*s, "a", "1").has_value());
    {
        auto txn = s->write();
        BOOST_REQUIRE(txn.has_value());
        BOOST_TEST(txn->put("b", "2").has_value());
        BOOST_TEST(txn->get("b").value() == "2");
    }
    BOOST_TEST(get(*s, "a").value() == "1");
    BOOST_TEST(!get(*s, "b").has_value());
    s.reset();
    s = open_store(dir / "env", durability::synced);
    BOOST_TEST(get(*s, "a").value() == "1");
}

BOOST_AUTO_TEST_CASE(erasing_what_is_not_there_is_no_error) {
    const temp_directory dir;
    auto s = open_store(dir / "env");
    auto txn = s->write();
    BOOST_TEST(txn->erase("nothing").has_value());
    BOOST_TEST(txn->commit().has_value());
}

BOOST_AUTO_TEST_CASE(a_nested_transaction_is_rolled_back_alone) {
    const temp_directory dir;
    auto s = open_store(dir / "env");
    auto txn = s->write();
    BOOST_TEST(txn->put("a", "1").has_value());
    {
        auto inner = txn->nested();
        BOOST_REQUIRE(inner.has_value());
        BOOST_TEST(inner->put("b", "2").has_value());
    }
    {
        auto inner = txn->nested();
        BOOST_REQUIRE(inner.has_value());
        BOOST_TEST(inner->put("c", "3").has_value());
        BOOST_TEST(inner->commit().has_value());
    }
    BOOST_TEST(txn->commit().has_value());
    BOOST_TEST(get(*s, "a").has_value());
    BOOST_TEST(!get(*s, "b").has_value());
    BOOST_TEST(get(*s, "c").has_value());
}

BOOST_AUTO_TEST_CASE(a_scan_keeps_to_its_prefix_its_start_and_its_end) {
    const temp_directory dir;
    auto s = open_store(dir / "env");
    for (const char* key : {"a1", "b1", "b2", "b3", "c1"})
        BOOST_REQUIRE(put(*s, key, key).has_value());
    const auto keys = [&](std::string_view prefix, std::string_view from, std::size_t most) {
        std::string out;
        const auto txn = s->read();
        txn->scan(prefix, from, [&](std::string_view key, std::string_view) {
            out += std::string{key} + " ";
            return --most > 0;
        });
        return out;
    };
    BOOST_TEST(keys("b", "", 9) == "b1 b2 b3 ");
    BOOST_TEST(keys("b", "b2", 9) == "b2 b3 ");
    BOOST_TEST(keys("b", "b2", 1) == "b2 ");
    BOOST_TEST(keys("", "", 9) == "a1 b1 b2 b3 c1 "); // and not the schema
    BOOST_TEST(keys("d", "", 9).empty());
}

BOOST_AUTO_TEST_CASE(files_are_for_owner_and_group) {
    const temp_directory dir;
    const auto before = ::umask(022);
    auto s = open_store(dir / "env");
    BOOST_TEST(::umask(before) == 022U); // put back
    for (const auto& [name, mode] :
         {std::pair{dir / "env", 0770U}, {dir / "env" / "data.mdb", 0660U}, {dir / "env" / "lock.mdb", 0660U}}) {
        struct stat st {};
        BOOST_REQUIRE(::stat(name.c_str(), &st) == 0);
        BOOST_TEST((st.st_mode & 0777U) == mode, name);
    }
}

BOOST_AUTO_TEST_CASE(another_schema_is_refused_and_the_message_says_what_to_do) {
    const temp_directory dir;
    const auto open_with = [&](std::uint32_t schema) {
        return store::open(
            {.directory = dir / "env", .map_size = {1U << 20U}, .how = durability::background, .schema = schema});
    };
    BOOST_REQUIRE(open_with(2).has_value());
    const auto older_program = open_with(1);
    BOOST_REQUIRE(!older_program.has_value());
    BOOST_TEST(older_program.error().code == errc::newer_schema);
    BOOST_TEST(older_program.error().detail.find("run the newer version") != std::string::npos);
    BOOST_TEST(open_with(3).error().code == errc::unsupported);
    BOOST_TEST(open_with(2).has_value());
    BOOST_TEST(moved_aside(dir) == 0U);
}

BOOST_AUTO_TEST_CASE(opening_an_environment_twice_in_one_process_aborts) {
    const temp_directory dir;
    child_process child{[&] {
        ::signal(SIGABRT, SIG_DFL);
        log::capture([](log::level, const std::string&) {});
        const auto first = store::open({.directory = dir / "env", .map_size = {1U << 20U}});
        const auto second = store::open({.directory = dir / "env", .map_size = {1U << 20U}});
        return 0;
    }};
    BOOST_TEST(child.wait() == 128 + SIGABRT);
}

BOOST_AUTO_TEST_CASE(a_corrupt_file_is_moved_aside_and_an_alarm_is_raised) {
    const temp_directory dir;
    log_lines lines;
    {
        auto s = open_store(dir / "env");
        fill_with(*s, 10);
    }
    overwrite(dir / "env" / "data.mdb", 0, 8192, 'x');
    auto s = open_store(dir / "env");
    BOOST_TEST(!get(*s, "k1").has_value());
    BOOST_TEST(put(*s, "k1", "new").has_value());
    BOOST_TEST(moved_aside(dir) == 1U);
    BOOST_TEST(lines.contain("state corrupt"));
}

BOOST_AUTO_TEST_CASE(a_file_that_lost_its_end_is_corrupt_not_a_crash) {
    const temp_directory dir;
    log_lines lines;
    {
        auto s = open_store(dir / "env");
        fill_with(*s, 1000);
    }
    fs::resize_file(dir / "env" / "data.mdb", 3 * 4096);
    auto s = open_store(dir / "env");
    BOOST_TEST(!get(*s, "k1").has_value());
    BOOST_TEST(put(*s, "k1", "new").has_value());
    BOOST_TEST(get(*s, "k1").value() == "new");
    BOOST_TEST(moved_aside(dir) == 1U);
}

BOOST_AUTO_TEST_CASE(damage_met_while_running_is_reported_and_then_moved_aside) {
    const temp_directory dir;
    log_lines lines;
    auto s = open_store(dir / "env");
    fill_with(*s, 2000);
    overwrite(dir / "env" / "data.mdb", 2 * 4096, fs::file_size(dir / "env" / "data.mdb") - 2 * 4096, '\0');
    {
        const auto txn = s->read();
        BOOST_REQUIRE(txn.has_value());
        BOOST_TEST(!txn->get("k77").has_value());
        BOOST_TEST(txn->damaged());
        BOOST_TEST(s->read().error().code == errc::unavailable); // as long as somebody reads
    }
    BOOST_TEST(put(*s, "k77", "new").has_value());
    BOOST_TEST(get(*s, "k77").value() == "new");
    BOOST_TEST(moved_aside(dir) == 1U);
    BOOST_TEST(lines.contain("state corrupt"));
}

BOOST_AUTO_TEST_CASE(a_data_file_that_was_removed_is_noticed_by_tend_and_made_anew) {
    const temp_directory dir;
    log_lines lines;
    auto s = open_store(dir / "env");
    BOOST_REQUIRE(put(*s, "a", "1").has_value());
    fs::remove_all(dir / "env");
    s->tend();
    BOOST_TEST(lines.contain("state replaced on disk"));
    BOOST_TEST(put(*s, "b", "2").has_value());
    BOOST_TEST(fs::exists(dir / "env" / "data.mdb"));
    BOOST_TEST(!get(*s, "a").has_value());
}

BOOST_AUTO_TEST_CASE(a_full_map_is_disk_full_and_stays_usable) {
    const temp_directory dir;
    auto s = open_store(dir / "env", durability::background, 512U << 10U);
    int stored = 0;
    result<void> outcome{};
    while ((outcome = put(*s, "k" + std::to_string(stored), std::string(1000, 'v')))) {
        BOOST_REQUIRE(++stored < 5000);
    }
    BOOST_TEST(outcome.error().code == errc::disk_full);
    BOOST_TEST(stored > 100);
    BOOST_TEST(s->fill() > 0.7);
    BOOST_TEST(get(*s, "k0").has_value());
    for (int i = 0; i < stored; ++i) {
        auto txn = s->write();
        BOOST_REQUIRE(txn.has_value());
        BOOST_TEST_REQUIRE(txn->erase("k" + std::to_string(i)).has_value());
        BOOST_TEST_REQUIRE(txn->commit().has_value());
    }
    BOOST_TEST(s->fill() < 0.3);
    for (int i = 0; i < stored / 4; ++i)
        BOOST_TEST_REQUIRE(put(*s, "n" + std::to_string(i), std::string(1000, 'v')).has_value());
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_disk_full_at_commit_and_stays_usable) {
    const temp_directory dir;
    child_process child{[&] { // a limit on the size of files stands for the full disk
        ::signal(SIGXFSZ, SIG_IGN);
        auto s = store::open({.directory = dir / "env", .map_size = {64U << 20U}, .how = durability::synced});
        if (!s || !put(**s, "before", "1")) return 1;
        rlimit limit{256U << 10U, RLIM_INFINITY};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 2;
        const auto full = put(**s, "big", std::string(1U << 20U, 'v'));
        if (full || full.error().code != errc::disk_full) return 3;
        if (get(**s, "before") != "1" || get(**s, "big")) return 4;
        limit.rlim_cur = RLIM_INFINITY;
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 5;
        if (!put(**s, "big", std::string(1U << 20U, 'v'))) return 6;
        return get(**s, "before") == "1" && get(**s, "big") ? 0 : 7;
    }};
    BOOST_TEST(child.wait() == 0);
}

BOOST_AUTO_TEST_CASE(more_readers_than_slots_is_an_error_that_passes) {
    const temp_directory dir;
    auto s = open_store(dir / "env");
    BOOST_REQUIRE(put(*s, "a", "1").has_value());
    {
        std::vector<read_txn> readers;
        for (int i = 0; i < 512; ++i) {
            auto txn = s->read();
            BOOST_REQUIRE(txn.has_value());
            readers.push_back(std::move(*txn));
        }
        BOOST_TEST(s->read().error().code == errc::unavailable);
        BOOST_TEST(put(*s, "a", "2").has_value()); // writers go on
    }
    BOOST_TEST(get(*s, "a").value() == "2");
}

BOOST_AUTO_TEST_CASE(a_copy_is_an_environment) {
    const temp_directory dir;
    auto s = open_store(dir / "env");
    fill_with(*s, 100);
    BOOST_REQUIRE(s->copy_to(dir / "env.copy").has_value());
    BOOST_TEST(!fs::exists(dir / "env.copy.new"));
    fs::create_directory(dir / "other");
    fs::copy_file(dir / "env.copy", dir / "other" / "data.mdb");
    auto other = open_store(dir / "other");
    BOOST_TEST(get(*other, "k99").has_value());
    BOOST_TEST(!s->copy_to(dir / "missing" / "env.copy").has_value());
}

BOOST_AUTO_TEST_CASE(a_directory_that_cannot_be_written_is_denied_or_unavailable) {
    const temp_directory dir;
    std::ofstream{dir / "file"} << "not a directory";
    const auto opened = store::open({.directory = dir / "file" / "env", .map_size = {1U << 20U}});
    BOOST_TEST(!opened.has_value());
}

BOOST_AUTO_TEST_CASE(siphash_gives_the_vectors_of_its_reference_implementation) {
    std::string secret, text;
    for (int i = 0; i < 16; ++i)
        secret.push_back(static_cast<char>(i));
    const auto hex = [](std::string_view octets) {
        std::string out;
        for (const unsigned char c : octets) {
            out.push_back("0123456789abcdef"[c >> 4U]);
            out.push_back("0123456789abcdef"[c & 15U]);
        }
        return out;
    };
    // vectors.h, vectors_sip128: input 00 01 02 ... of length 0, 1, 8, 15.
    const std::pair<std::size_t, const char*> table[] = {{0, "a3817f04ba25a8e66df67214c7550293"},
                                                         {1, "da87c1d86b99af44347659119b22fc45"}};
    for (const auto& [size, expected] : table) {
        text.clear();
        for (std::size_t i = 0; i < size; ++i)
            text.push_back(static_cast<char>(i));
        BOOST_TEST(hex(hashed_key('T', secret, {text}).substr(1)) == expected, size);
    }
}

BOOST_AUTO_TEST_CASE(hashed_keys_depend_on_tag_secret_and_every_part) {
    const std::string secret = "0123456789abcdef", other = "0123456789abcdeX";
    const std::set<std::string> keys{
        hashed_key('A', secret, {"a", "bc"}), hashed_key('A', secret, {"ab", "c"}),
        hashed_key('B', secret, {"a", "bc"}), hashed_key('A', other, {"a", "bc"}),
        hashed_key('A', secret, {"", ""}),    hashed_key('A', secret, {"a", "b", "c"}),
        hashed_key('A', secret, {""}),        hashed_key('A', secret, {std::string(10240, 'x')})};
    BOOST_TEST(keys.size() == 8U);
    for (const auto& k : keys)
        BOOST_TEST(k.size() == 17U);
}

BOOST_AUTO_TEST_CASE(the_secret_is_made_once_and_kept) {
    const temp_directory dir;
    const auto first = state_secret(dir.path());
    BOOST_REQUIRE(first.has_value());
    BOOST_TEST(first->size() == 16U);
    BOOST_TEST(*state_secret(dir.path()) == *first);
    struct stat st {};
    BOOST_REQUIRE(::stat((dir / "hash.key").c_str(), &st) == 0);
    BOOST_TEST((st.st_mode & 0777U) == 0660U);
    std::ofstream{dir / "hash.key"} << "short";
    BOOST_TEST(state_secret(dir.path()).error().code == errc::corrupt);
    BOOST_TEST(!state_secret(dir / "missing").has_value());
}

BOOST_AUTO_TEST_CASE(a_decoder_never_reads_beyond_its_input) {
    encoder out{1};
    out.number(std::uint32_t{7}).time(instant{milliseconds{5}}).text("hello").flag(true);
    const auto whole = out.take();
    const auto read = [](std::string_view octets) {
        decoder in{octets, 1};
        (void)in.number<std::uint32_t>();
        (void)in.time();
        (void)in.text();
        (void)in.flag();
        return in.complete();
    };
    BOOST_TEST(read(whole));
    for (std::size_t n = 0; n < whole.size(); ++n)
        BOOST_TEST(!read(std::string_view{whole}.substr(0, n)), n);
    BOOST_TEST(!read(whole + "x"));
    BOOST_TEST(!(decoder{whole, 2}.ok()));
    decoder damaged{std::string_view{"\1\xff\xff\xff\xff", 5}, 1};
    BOOST_TEST(damaged.count<std::uint32_t>(4) == 0U);
    BOOST_TEST(!damaged.ok());
}

// Who remembers what he read after it under a version (locks are remembered so) would never look again.
BOOST_AUTO_TEST_CASE(a_version_never_tells_of_more_than_its_readers_see) {
    const temp_directory dir;
    const auto s = open_store(dir / "state", durability::synced);
    const auto before = s->version().value().commits;
    std::atomic<bool> done = false;
    std::thread writing{[&] {
        for (int i = 1; i <= 200; ++i)
            if (!put(*s, "n", std::to_string(i))) break;
        done = true;
    }};
    std::size_t looks = 0, older = 0;
    while (!done) {
        const auto told = s->version().value().commits - before;
        const auto txn = s->read().value();
        const auto value = txn.get("n");
        older += std::stoul(std::string{value.value_or("0")}) < told ? 1U : 0U;
        ++looks;
    }
    writing.join();
    BOOST_TEST(looks > 0U);
    BOOST_TEST(older == 0U);
    BOOST_TEST(s->version().value().commits - before == 200U);
}

BOOST_AUTO_TEST_SUITE_END()
