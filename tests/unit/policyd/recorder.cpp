// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "policyd/recorder.hpp"

#include "rig.hpp"

#include <fstream>
#include <sys/stat.h>

namespace postsluice::policyd::test {

BOOST_AUTO_TEST_SUITE(recorder_suite)

namespace {

std::vector<std::string> lines_of(const std::filesystem::path& file) {
    std::ifstream in{file};
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) {
        out.push_back(line);
    }
    return out;
}

config::policyd_settings to_file(const std::filesystem::path& file) {
    config::policyd_settings s;
    s.record = file;
    return s;
}

const instant noon{milliseconds{1767268800123}}; // 2026-01-01T12:00:00.123Z

} // namespace

BOOST_AUTO_TEST_CASE(a_line_gives_back_what_was_asked) {
    request what = rcpt("1f.2a.0", "a b%=\t\x7f\xc3\xbc@example.net");
    what.policy_context = "submission";
    what.size = 12345;
    what.ccert_fingerprint = "AA:BB";
    what.ccert_pubkey_fingerprint = "CC:DD";
    std::string line;
    append_answered(line, what, 17, noon, decision{});
    BOOST_REQUIRE(line.ends_with('\n'));
    BOOST_TEST(std::ranges::count(line, '\n') == 1);
    line.pop_back();
    BOOST_TEST(line.starts_with("2026-01-01T12:00:00.123Z RCPT connection=17 "), line);
    const auto read = read_record_line(line);
    BOOST_REQUIRE(read);
    const auto again = read->view();
    BOOST_TEST((read->at == noon));
    BOOST_TEST(read->connection == 17U);
    BOOST_TEST(again.at == stage::rcpt);
    BOOST_TEST(again.recipient == what.recipient);
    BOOST_TEST(again.sender == what.sender);
    BOOST_TEST(again.sasl_username == what.sasl_username);
    BOOST_TEST(again.policy_context == what.policy_context);
    BOOST_TEST(again.server_port == what.server_port);
    BOOST_TEST(again.instance == what.instance);
    BOOST_TEST(again.size == what.size);
    BOOST_TEST(again.ccert_fingerprint == "AA:BB");
    BOOST_TEST(again.ccert_pubkey_fingerprint == "CC:DD");
    BOOST_TEST(!read->refused());
}

BOOST_AUTO_TEST_CASE(a_refusal_is_recorded_as_one) {
    std::string line;
    append_answered(line, rcpt("i", "x@example.net"), 1, noon,
                    refuse(refusal_code::defer_policy, reason::limit, "s", "t"));
    line.pop_back();
    BOOST_TEST(read_record_line(line)->refused());
}

BOOST_AUTO_TEST_CASE(every_cut_of_a_line_is_refused_or_read_but_never_more) {
    std::string line;
    append_answered(line, rcpt("1f", "x%y@example.net"), 17, noon, decision{});
    for (std::size_t n = 0; n < line.size(); ++n) {
        const auto read = read_record_line(line.substr(0, n));
        if (read) {
            BOOST_TEST(read->instance.size() <= 2U);
        }
    }
    for (const char* bad : {"", "x", "2026-01-01T12:00:00.123Z", "2026-01-01T12:00:00.123Z MAIL instance=x",
                            "2026-13-01T12:00:00.123Z RCPT instance=x", "2026-01-01T12:00:00.123Z RCPT instance=%4",
                            "2026-01-01T12:00:00.123Z RCPT instance=x size=many", "2026-01-01T12:00:00.123Z RCPT x"}) {
        BOOST_TEST(!read_record_line(bad), bad);
    }
}

BOOST_AUTO_TEST_CASE(what_was_answered_is_in_a_file_that_only_we_may_read) {
    const scratch_directory in;
    const auto file = in.path() / "record";
    {
        recorder to{to_file(file)};
        to.answered(rcpt("i1", "x@example.net"), 5, noon, decision{});
        to.closed(5, noon);
    } // the end writes what is buffered
    struct stat about {};
    BOOST_REQUIRE(::stat(file.c_str(), &about) == 0);
    BOOST_TEST((about.st_mode & 0777) == 0600U);
    const auto lines = lines_of(file);
    BOOST_REQUIRE(lines.size() == 2U);
    BOOST_TEST(read_record_line(lines[0])->instance == "i1");
    BOOST_TEST(read_record_line(lines[1])->close);
}

BOOST_AUTO_TEST_CASE(a_full_record_is_renamed_once_and_begun_anew) {
    const scratch_directory in;
    auto settings = to_file(in.path() / "record");
    settings.record_size = byte_count{300};
    recorder to{settings};
    for (const char* instance : {"first", "second", "third"}) {
        to.answered(rcpt(instance, "x@example.net"), 5, noon, decision{});
        to.flush();
    }
    const auto now = lines_of(in.path() / "record"), before = lines_of(in.path() / "record.1");
    BOOST_REQUIRE(!now.empty());
    BOOST_REQUIRE(!before.empty());
    BOOST_TEST(read_record_line(now.back())->instance == "third");
    BOOST_TEST(std::filesystem::file_size(in.path() / "record") <= 300U);
    BOOST_TEST(!std::filesystem::exists(in.path() / "record.2"));
}

BOOST_AUTO_TEST_CASE(trouble_is_logged_once_and_stops_the_recording_until_a_reload) {
    const scratch_directory in;
    int told = 0;
    log::capture([&told](log::level, const std::string& line) {
        told += line.find("recording stops") != std::string::npos ? 1 : 0;
    });
    {
        recorder to{to_file(in.path() / "missing" / "record")};
        for (int n = 0; n < 3; ++n) {
            to.answered(rcpt("i", "x@example.net"), 5, noon, decision{});
            to.flush();
        }
        BOOST_TEST(!to.recording());
        BOOST_TEST(told == 1);
        to.use(to_file(in.path() / "record"));
        to.answered(rcpt("after", "x@example.net"), 5, noon, decision{});
        to.flush();
        BOOST_TEST(to.recording());
        to.use(config::policyd_settings{}); // off
        to.answered(rcpt("off", "x@example.net"), 5, noon, decision{});
        to.flush();
    }
    log::capture({});
    BOOST_TEST(lines_of(in.path() / "record").size() == 1U);
}

BOOST_AUTO_TEST_CASE(it_writes_into_no_fifo_and_through_no_link) {
    const scratch_directory in;
    log::capture([](log::level, const std::string&) {});
    BOOST_REQUIRE(::mkfifo((in.path() / "fifo").c_str(), 0600) == 0);
    std::filesystem::create_symlink(in.path() / "elsewhere", in.path() / "link");
    for (const char* name : {"fifo", "link"}) {
        recorder to{to_file(in.path() / name)};
        to.answered(rcpt("i", "x@example.net"), 5, noon, decision{});
        to.flush();
        BOOST_TEST(!to.recording(), name);
    }
    log::capture({});
    BOOST_TEST(!std::filesystem::exists(in.path() / "elsewhere"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::policyd::test
