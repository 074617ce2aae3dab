// SPDX-License-Identifier: Apache-2.0
// What `postsluice learn` reads, and what a terminal shows meanwhile. The command as a whole is tried by
// tests/integration/test_bayes.py.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "admin/message_files.hpp"
#include "admin/progress.hpp"

#include <fstream>
#include <sstream>

using namespace postsluice;
using namespace postsluice::admin;
namespace fs = std::filesystem;

namespace {

struct scratch {
    fs::path path;
    scratch() {
        std::string name = "/tmp/postsluice-learn-XXXXXX";
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~scratch() { fs::remove_all(path); }
    std::string file(const std::string& name, std::string_view text) const {
        fs::create_directories((path / name).parent_path());
        std::ofstream{path / name} << text;
        return path / name;
    }
};

std::vector<std::string> messages_in(const std::string& text) {
    std::istringstream in{text};
    std::vector<std::string> out;
    for_each_message(in, "it", [&](result<std::string> one) {
        out.push_back(one ? *one : "error: " + one.error().detail);
        return true;
    });
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(learn_test)

BOOST_AUTO_TEST_CASE(a_directory_is_its_files_and_a_maildir_what_is_in_it) {
    const scratch s;
    const auto single = s.file("one.eml", "x");
    const auto b = s.file("folder/b", "x"), a = s.file("folder/a", "x");
    s.file("folder/.hidden", "x");
    s.file("folder/below/c", "x");
    const auto read = s.file("mail/cur/1:2,S", "x"), fresh = s.file("mail/new/2", "x");
    s.file("mail/tmp/3", "x");
    s.file("mail/dovecot.index", "x");
    const auto all = message_files({single, (s.path / "folder").string(), (s.path / "mail").string(), "-"}).value();
    BOOST_TEST(all == (std::vector<std::string>{single, a, b, read, fresh, "-"}), boost::test_tools::per_element());
    BOOST_TEST(message_files({(s.path / "none").string()}).error().code == errc::not_found);
}

BOOST_AUTO_TEST_CASE(a_file_is_one_message_or_an_mbox) {
    BOOST_TEST(messages_in("Subject: a\n\nFrom here on\n") == std::vector<std::string>{"Subject: a\n\nFrom here on\n"},
               boost::test_tools::per_element());
    const auto two = messages_in(
        "From a@x Mon\nSubject: a\n\ntext\n>From me\n>>From you\nFrom within\n\nFrom b@x Tue\nSubject: b\n\n");
    BOOST_TEST_REQUIRE(two.size() == 2U);
    BOOST_TEST(two[0] == "Subject: a\n\ntext\nFrom me\n>From you\nFrom within\n\n");
    BOOST_TEST(two[1] == "Subject: b\n\n");
    BOOST_TEST(messages_in("From a@x Mon\n").empty());
    BOOST_TEST(messages_in("").at(0) == "error: it: holds no message");
}

BOOST_AUTO_TEST_CASE(a_message_that_is_too_large_is_left_out_and_the_others_are_not) {
    const std::string huge(max_message + 1, 'x');
    const auto found = messages_in("From a\n" + huge + "\n\nFrom b\nSubject: b\n");
    BOOST_TEST_REQUIRE(found.size() == 2U);
    BOOST_TEST(found[0].starts_with("error: it, a message of it: larger than"));
    BOOST_TEST(found[1] == "Subject: b\n");
    BOOST_TEST(messages_in(huge).at(0).starts_with("error: it: larger than"));
}

BOOST_AUTO_TEST_CASE(the_visitor_ends_an_mbox) {
    std::istringstream in{"From a\nx\n\nFrom b\ny\n\nFrom c\nz\n"};
    int seen = 0;
    for_each_message(in, "it", [&](const result<std::string>&) { return ++seen < 2; });
    BOOST_TEST(seen == 2);
}

BOOST_AUTO_TEST_CASE(a_bar_fills) {
    BOOST_TEST(progress_line(0, 4, "x") == "[..............................]   0 %  x");
    BOOST_TEST(progress_line(2, 4, "x") == "[###############...............]  50 %  x");
    BOOST_TEST(progress_line(9, 4, "x") == "[##############################] 100 %  x");
    BOOST_TEST(progress_line(3, 0, "x") == "x");
}

BOOST_AUTO_TEST_CASE(it_is_drawn_on_terminals_only_and_leaves_nothing) {
    std::ostringstream seen, unseen;
    {
        progress on{seen, 2, true}, off{unseen, 2, false};
        on.show(1, "1 message");
        off.show(1, "1 message");
        BOOST_TEST(seen.str().find("50 %  1 message") != std::string::npos);
        const auto before = seen.str();
        on.show(1, "1 message"); // too soon
        BOOST_TEST(seen.str() == before);
    }
    BOOST_TEST(seen.str().ends_with("\r\033[K"));
    BOOST_TEST(unseen.str().empty());
}

BOOST_AUTO_TEST_SUITE_END()
