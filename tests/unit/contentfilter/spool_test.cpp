// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"

#include <atomic>
#include <csignal>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

using namespace postsluice;
using namespace postsluice::contentfilter;

BOOST_AUTO_TEST_SUITE(spool_test)

BOOST_AUTO_TEST_CASE(a_small_message_stays_in_memory) {
    spool s{byte_count{10}, "/nonexistent"};
    BOOST_TEST(s.append("0123456789").has_value());
    BOOST_TEST(s.descriptor() == -1);
    BOOST_TEST(s.memory() == "0123456789");
    BOOST_TEST(s.read(3, 4).value() == "3456");
    BOOST_TEST(s.read(8, 100).value() == "89");
    BOOST_TEST(s.read(10, 1).value() == "");
}

BOOST_AUTO_TEST_CASE(one_octet_more_goes_to_an_unlinked_file) {
    testing::scratch_directory dir;
    spool s{byte_count{10}, dir.path};
    BOOST_TEST(s.append("0123456789").has_value());
    BOOST_TEST(s.append("a").has_value());
    BOOST_TEST(s.descriptor() >= 0);
    BOOST_TEST(s.memory().empty());
    BOOST_TEST(std::filesystem::is_empty(dir.path));
    BOOST_TEST(s.size() == 11u);
    BOOST_TEST(s.read(0, 100).value() == "0123456789a");
    BOOST_TEST(s.read(9, 2).value() == "9a");
}

BOOST_AUTO_TEST_CASE(pieces_come_in_order_and_stop_where_told) {
    testing::scratch_directory dir;
    spool s{byte_count{0}, dir.path};
    std::string all;
    for (int i = 0; i < 300; ++i)
        all += std::string(1000, static_cast<char>('a' + i % 26));
    BOOST_TEST(s.append(all).has_value());
    std::string got;
    BOOST_TEST(s.for_each(5, [&](std::string_view p) { return got += p, true; }).has_value());
    BOOST_TEST((got == all.substr(5)));
    int pieces = 0;
    BOOST_TEST(s.for_each(0, [&](std::string_view) { return ++pieces < 2; }).has_value());
    BOOST_TEST(pieces == 2);
}

BOOST_AUTO_TEST_CASE(many_threads_read_at_once) {
    testing::scratch_directory dir;
    spool s{byte_count{0}, dir.path};
    std::string all(400000, ' ');
    for (std::size_t i = 0; i < all.size(); ++i)
        all[i] = static_cast<char>(i * 31 % 251);
    BOOST_TEST(s.append(all).has_value());
    std::atomic<int> right{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            std::string got;
            if (s.for_each(0, [&](std::string_view p) { return got += p, true; }) && got == all) ++right;
        });
    for (auto& t : threads)
        t.join();
    BOOST_TEST(right == 4);
}

BOOST_AUTO_TEST_CASE(a_missing_directory_is_unavailable) {
    spool s{byte_count{1}, "/nonexistent/spool"};
    const auto outcome = s.append("more than one");
    BOOST_REQUIRE(!outcome);
    BOOST_TEST(outcome.error().code == errc::unavailable);
}

BOOST_AUTO_TEST_CASE(no_room_is_disk_full_and_what_was_written_stays_readable) {
    testing::scratch_directory dir;
    spool s{byte_count{0}, dir.path};
    BOOST_TEST(s.append(std::string(5000, 'x')).has_value());
    // A file size limit in the middle of the next append: a partial write, then an error, as on a disk that fills up.
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const auto old = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{8000, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
    const auto outcome = s.append(std::string(5000, 'y'));
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, old);
    BOOST_REQUIRE(!outcome);
    BOOST_TEST(outcome.error().code == errc::disk_full);
    BOOST_TEST(s.size() == 5000u);
    BOOST_TEST(s.append("z").has_value());
    BOOST_TEST(s.read(4999, 10).value() == "xz");
}

BOOST_AUTO_TEST_CASE(a_moved_spool_keeps_its_file) {
    testing::scratch_directory dir;
    spool a{byte_count{0}, dir.path};
    BOOST_TEST(a.append("text").has_value());
    const spool b{std::move(a)};
    BOOST_TEST(b.read(0, 10).value() == "text");
}

BOOST_AUTO_TEST_SUITE_END()
