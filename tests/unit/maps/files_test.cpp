// SPDX-License-Identifier: Apache-2.0
// Maps that are files: what changes under us, what cannot be read, and the bounds.
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include "shared/config/settings.hpp"

#include <chrono>
#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace postsluice;
using namespace postsluice::maps;
using namespace postsluice::maps::test;

BOOST_AUTO_TEST_SUITE(map_files_test)

BOOST_FIXTURE_TEST_CASE(a_changed_file_is_seen_at_the_next_question, scratch) {
    map_set maps;
    for (const std::string type : {"texthash", "regexp"}) {
        BOOST_TEST_CONTEXT(type) {
            const bool plain = type == "texthash";
            const auto map = type + ":" + put(type, plain ? "k one\n" : "/k/ one\n");
            BOOST_TEST(shown(maps.get(map, "k")) == "one");
            put(type, plain ? "k second\n" : "/k/ second\n"); // in place
            BOOST_TEST(shown(maps.get(map, "k")) == "second");
            replace(type, plain ? "k third\n" : "/k/ third\n");
            BOOST_TEST(shown(maps.get(map, "k")) == "third");
        }
    }
    const auto map = "lmdb:" + postmap("l", "k one\n");
    BOOST_TEST(shown(maps.get(map, "k")) == "one");
    (void)postmap("l", "k two\n");
    BOOST_TEST(shown(maps.get(map, "k")) == "two");
    (void)postmap("other", "k three\n");
    std::filesystem::rename(path("other.lmdb"), path("l.lmdb"));
    BOOST_TEST(shown(maps.get(map, "k")) == "three");
}

BOOST_FIXTURE_TEST_CASE(a_change_within_one_tick_of_the_files_clock_is_seen_too, scratch) {
    map_set maps;
    std::string name, file;
    struct stat about {};
    for (int i = 0; i < 50; ++i) { // it is to be read while it is young: a busy machine may need another try
        name = "t" + std::to_string(i);
        file = put(name, "k one\n");
        BOOST_REQUIRE(::stat(file.c_str(), &about) == 0);
        BOOST_TEST(shown(maps.get("texthash:" + file, "k")) == "one");
        timespec now{};
        (void)::clock_gettime(CLOCK_REALTIME, &now);
        const auto age = (now.tv_sec - about.st_mtim.tv_sec) * 1'000'000'000 + now.tv_nsec - about.st_mtim.tv_nsec;
        if (age < 100'000'000) break;
    }
    put(name, "k two\n"); // as long as before, and given the same time
    const timespec times[] = {about.st_atim, about.st_mtim};
    BOOST_REQUIRE(::utimensat(AT_FDCWD, file.c_str(), times, 0) == 0);
    std::this_thread::sleep_for(std::chrono::milliseconds{150}); // the time itself is what is tested
    BOOST_TEST(shown(maps.get("texthash:" + file, "k")) == "two");
}

BOOST_FIXTURE_TEST_CASE(what_cannot_be_read_is_an_error_and_is_logged_once_a_minute, scratch) {
    map_set maps;
    for (const std::string type : {"texthash", "regexp", "lmdb"}) {
        BOOST_TEST_CONTEXT(type) {
            const auto map = type + ":" + path("absent-" + type);
            for (int i = 0; i < 3; ++i)
                BOOST_TEST(shown(maps.get(map, "k")) == failed(errc::not_found));
            BOOST_TEST(logged("absent-" + type) == 1);
            BOOST_TEST(maps.get(map, "k").error().detail.find(map) != std::string::npos);
        }
    }
    const auto map = "texthash:" + put("t", "k v\n");
    BOOST_TEST(shown(maps.get(map, "k")) == "v");
    std::filesystem::remove(path("t"));
    BOOST_TEST(shown(maps.get(map, "k")) == failed(errc::not_found)); // not the old answer
    put("t", "k w\n");
    BOOST_TEST(shown(maps.get(map, "k")) == "w");
    BOOST_TEST(logged("map can be read again") == 1);
}

BOOST_FIXTURE_TEST_CASE(a_damaged_lmdb_file_is_an_error, scratch) {
    map_set maps;
    put("empty.lmdb", "");
    put("text.lmdb", std::string(20000, 'x'));
    std::filesystem::create_directory(path("dir.lmdb"));
    for (const std::string name : {"empty", "text", "dir"}) {
        BOOST_TEST_CONTEXT(name) {
            const auto got = maps.get("lmdb:" + path(name), "k");
            BOOST_TEST(!got);
        }
    }
}

BOOST_FIXTURE_TEST_CASE(a_key_or_a_file_over_its_bound_is_an_error, scratch) {
    map_set maps;
    const auto map = "texthash:" + put("t", "k v\n");
    BOOST_TEST(shown(maps.get(map, std::string(max_key, 'k'))) == "-");
    BOOST_TEST(shown(maps.get(map, std::string(max_key + 1, 'k'))) == failed(errc::too_large));
    BOOST_TEST(shown(maps.get(map, std::string{"k\0x", 3})) == failed(errc::malformed));
    put("large", "");
    std::filesystem::resize_file(path("large"), max_file + 1);
    BOOST_TEST(shown(maps.get("texthash:" + path("large"), "k")) == failed(errc::too_large));
}

BOOST_FIXTURE_TEST_CASE(a_writer_that_keeps_its_lock_is_waited_for_a_moment_only, scratch) {
    map_set maps;
    const auto map = "lmdb:" + postmap("l", "k v\n");
    int ready[2], done[2];
    BOOST_REQUIRE(::pipe(ready) == 0);
    BOOST_REQUIRE(::pipe(done) == 0);
    const auto file = path("l.lmdb");
    const auto child = ::fork();
    if (child == 0) { // as postmap does, but does not let go
        const int fd = ::open(file.c_str(), O_RDWR);
        struct flock lock {};
        lock.l_type = F_WRLCK;
        char c = ::fcntl(fd, F_SETLK, &lock) == 0 ? 'y' : 'n';
        (void)!::write(ready[1], &c, 1);
        (void)!::read(done[0], &c, 1);
        ::_exit(0);
    }
    char c = 0;
    BOOST_REQUIRE(::read(ready[0], &c, 1) == 1);
    BOOST_REQUIRE(c == 'y');
    const auto begin = std::chrono::steady_clock::now();
    BOOST_TEST(shown(maps.get(map, "k")) == failed(errc::unavailable));
    BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds{20}));
    BOOST_REQUIRE(::write(done[1], &c, 1) == 1);
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST(shown(maps.get(map, "k")) == "v");
    for (const int fd : {ready[0], ready[1], done[0], done[1]})
        ::close(fd);
}

BOOST_FIXTURE_TEST_CASE(threads_ask_the_same_maps_at_once, scratch) {
    map_set maps;
    const std::string text = "k v\n", other = "k vv\n";
    const std::vector<std::string> names = {"lmdb:" + postmap("l", text), "texthash:" + put("t", text),
                                            "regexp:" + put("r", "/^k$/ v\n")};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 2000; ++i) {
                const auto got = shown(maps.get(names[static_cast<std::size_t>(i) % names.size()], "k"));
                if (got != "v" && got != "vv") ++wrong;
            }
        });
    for (int i = 0; i < 20; ++i)
        replace("t", i % 2 == 0 ? other : text);
    for (auto& t : threads)
        t.join();
    BOOST_TEST(wrong == 0);
}

BOOST_FIXTURE_TEST_CASE(problems_names_each_map_that_is_of_no_use, scratch) {
    config::settings s;
    auto p = std::make_shared<config::profile>();
    p->from = {config::from_rule::kind::map,
               {"lmdb:" + path("absent"), "a@example.org", "texthash:" + put("good", "k v\n")}};
    p->sender_maps = {"regexp:" + put("bad", "/ok/ x\n/broken x\n")};
    p->blocked_senders = {"@example.net", "socketmap:inet:example.org:7777:n"};
    p->blocked_recipients = {"texthash:" + path("gone"), "socketmap:inet:127.0.0.1:7777:n"};
    s.profiles["default"] = p;
    const auto found = problems(s);
    BOOST_REQUIRE(found.size() == 4U);
    BOOST_TEST(found[0].find("absent.lmdb") != std::string::npos);
    BOOST_TEST(found[1].find("line 2: no closing delimiter /") != std::string::npos);
    BOOST_TEST(found[2].starts_with("socketmap:inet:example.org:7777:n: "));
    BOOST_TEST(found[3].find("gone") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
