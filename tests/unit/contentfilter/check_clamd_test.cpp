// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "contentfilter/checks/clamd_client.hpp"
#include "scanner_fixture.hpp"
#include "shared/log/log.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

/// A clamd that finds "virus" in a stream.
struct false_clamd {
    std::string signature = "Bad.Thing"; ///< set before anybody asks
    std::atomic<int> streams{0}, versions{0};
    std::atomic<int> database{1};
    std::atomic<int> refusals{0};                    ///< commands after which it closes without an answer
    std::atomic<bool> impatient{false}, rude{false}; ///< ends each session after a stream; says so, or does not
    std::atomic<int> late{0};                        ///< commands that it answers with the end of the session
    std::atomic<std::size_t> most{1U << 30U};
    false_scanner scanner{[this](false_scanner::peer& p) { serve(p); }};

    void serve(false_scanner::peer& p) {
        if (p.until("\0"s) != "zIDSESSION\0"s) return;
        for (int number = 1;; ++number) {
            const auto command = p.until("\0"s);
            if (command.empty()) return;
            if (refusals > 0) {
                --refusals;
                return;
            }
            const auto head = std::to_string(number) + ": ";
            if (late > 0) {
                --late;
                p.say("COMMAND READ TIMED OUT ERROR\0"s);
                return;
            }
            if (command == "zVERSION\0"s) {
                ++versions;
                p.say_slowly(head + "ClamAV 1.0/" + std::to_string(database) + "\0"s);
                continue;
            }
            std::string content;
            for (;;) {
                const auto size = p.octets(4);
                if (size.size() != 4) return;
                std::size_t octets = 0;
                for (const char c : size)
                    octets = octets << 8U | static_cast<unsigned char>(c);
                if (octets == 0) break;
                content += p.octets(octets);
                if (content.size() > most) {
                    p.say(head + "INSTREAM size limit exceeded. ERROR\0"s);
                    return;
                }
            }
            ++streams;
            p.say_slowly(
                head + "stream: " + (content.find("virus") != std::string::npos ? signature + " FOUND" : "OK") + "\0"s);
            if (impatient) {
                if (!rude) p.say("COMMAND READ TIMED OUT\n");
                return;
            }
        }
    }
    config::settings settings() const {
        config::settings out;
        out.clamd.endpoint = scanner.endpoint();
        out.clamd.timeout = seconds{30};
        return out;
    }
};

const std::string good = "Subject: s\r\n\r\nhello\r\n", bad = "Subject: s\r\n\r\na virus\r\n";

} // namespace

BOOST_AUTO_TEST_SUITE(check_clamd_test)

BOOST_AUTO_TEST_CASE(answers_are_read_strictly) {
    using kind = clamd::answer::kind;
    BOOST_TEST((clamd::parse_scan("1: stream: OK").value() == clamd::answer{}));
    BOOST_TEST((clamd::parse_scan("stream: OK").value() == clamd::answer{}));
    BOOST_TEST((clamd::parse_scan("17: stream: Win.Test.EICAR_HDB-1 FOUND").value() ==
                clamd::answer{kind::found, "Win.Test.EICAR_HDB-1"}));
    BOOST_TEST((clamd::parse_scan("2: INSTREAM size limit exceeded. ERROR").value().what == kind::too_large));
    for (const char* text : {"", "1: ", "OK", "1: stream:  FOUND", "1: stream: x ERROR", "1: stream: OK ",
                             "UNKNOWN COMMAND", "1: COMMAND READ TIMED OUT"})
        BOOST_TEST_CONTEXT(text) {
            const auto outcome = clamd::parse_scan(text);
            BOOST_REQUIRE(!outcome);
            BOOST_TEST(outcome.error().code == errc::protocol);
        }
    BOOST_TEST(clamd::ends_session("COMMAND READ TIMED OUT ERROR"));
    BOOST_TEST(clamd::ends_session("3: COMMAND READ TIMED OUT"));
    BOOST_TEST(!clamd::ends_session("1: stream: OK"));
    BOOST_TEST(clamd::parse_version("1: ClamAV 1.0/2/x").value() == "ClamAV 1.0/2/x");
    BOOST_TEST(!clamd::parse_version("1: "));
    BOOST_TEST((clamd::chunk_head(0x01020304) == "\1\2\3\4"));
}

BOOST_AUTO_TEST_CASE(a_signature_is_a_virus_and_none_is_nothing) {
    const false_clamd clamd;
    const auto settings = clamd.settings();
    const auto resources = with_scanners(settings);
    const auto found = run_check("clamd", message_with(bad, settings), resources);
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST(found[0].symbol == "CLAMD_FOUND");
    BOOST_TEST(found[0].evidence == "the message: Bad.Thing");
    BOOST_TEST((found[0].action == config::forced_verdict::quarantine));
    BOOST_TEST((found[0].strikes == strike_kind::virus));
    BOOST_TEST(run_check("clamd", message_with(good, settings), resources).empty());
    BOOST_TEST(clamd.scanner.connections() == 1); // both over one session
}

BOOST_AUTO_TEST_CASE(it_is_off_where_no_endpoint_is_named) {
    BOOST_TEST(run_check("clamd", message_with(bad, {}), with_scanners({})).empty());
}

BOOST_AUTO_TEST_CASE(a_result_is_remembered_until_the_database_changes) {
    false_clamd clamd;
    auto settings = clamd.settings();
    settings.clamd.version_interval = seconds{0};
    { // the false clamd serves one connection at a time, and a pool keeps its own
        const auto resources = with_scanners(settings);
        for (int i = 0; i < 3; ++i)
            BOOST_TEST(run_check("clamd", message_with(bad, settings), resources).size() == 1u);
        BOOST_TEST(clamd.streams == 1);
        clamd.database = 2;
        BOOST_TEST(run_check("clamd", message_with(bad, settings), resources).size() == 1u);
        BOOST_TEST(clamd.streams == 2);
    }
    settings.clamd.cache_entries = 0;
    const auto without = with_scanners(settings);
    for (int i = 0; i < 2; ++i)
        (void)run_check("clamd", message_with(bad, settings), without);
    BOOST_TEST(clamd.streams == 4);
}

BOOST_AUTO_TEST_CASE(the_version_is_asked_for_now_and_then_only) {
    const false_clamd clamd;
    const auto settings = clamd.settings();
    const auto resources = with_scanners(settings);
    for (int i = 0; i < 5; ++i)
        (void)run_check("clamd", message_with(good + std::to_string(i), settings), resources);
    BOOST_TEST(clamd.versions == 1);
    BOOST_TEST(clamd.streams == 5);
}

BOOST_AUTO_TEST_CASE(parts_are_remembered_one_by_one) {
    const false_clamd clamd;
    auto settings = clamd.settings();
    settings.clamd.scan = config::clamd_scan::parts;
    const auto resources = with_scanners(settings);
    const auto first = with_attachment("Content-Type: application/pdf; name=a.pdf\r\n", "a virus");
    const auto found = run_check("clamd", message_with(first, settings), resources);
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST(found[0].evidence == "1.2 (a.pdf): Bad.Thing");
    BOOST_TEST(clamd.streams == 2); // the text and the file
    const auto second = with_attachment("Content-Type: application/pdf; name=b.pdf\r\n", "a virus");
    BOOST_TEST(run_check("clamd", message_with(second, settings), resources).size() == 1u);
    BOOST_TEST(clamd.streams == 2); // the same two, though the message is another
}

BOOST_AUTO_TEST_CASE(what_is_too_large_has_a_finding_and_is_nobodys_virus) {
    false_clamd clamd;
    auto settings = clamd.settings();
    clamd.most = 200'000;
    const auto resources = with_scanners(settings);
    const auto large = good + std::string(5'000'000, 'x'); // clamd closes in the middle of it
    auto found = run_check("clamd", message_with(large, settings), resources);
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST(found[0].symbol == "CLAMD_TOO_LARGE");
    BOOST_TEST(found[0].score == 0);
    settings.clamd.max_size = {65536};
    const auto before = clamd.scanner.connections();
    found = run_check("clamd", message_with(large, settings), resources);
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST(found[0].symbol == "CLAMD_TOO_LARGE");
    BOOST_TEST(clamd.scanner.connections() == before); // nothing was sent
}

BOOST_AUTO_TEST_CASE(a_session_that_clamd_ended_is_made_anew) {
    false_clamd clamd;
    const auto settings = clamd.settings();
    const auto resources = with_scanners(settings);
    BOOST_TEST(run_check("clamd", message_with(good, settings), resources).empty());
    clamd.refusals = 1;
    const auto found = run_check("clamd", message_with(bad, settings), resources);
    BOOST_TEST(found.size() == 1u);
    BOOST_TEST(clamd.scanner.connections() == 2);
}

BOOST_AUTO_TEST_CASE(a_session_that_clamd_ended_between_two_files_is_made_anew) {
    for (const bool rude : {false, true})
        BOOST_TEST_CONTEXT((rude ? "without a word" : "and said so")) {
            false_clamd clamd;
            clamd.impatient = true;
            clamd.rude = rude;
            const auto settings = clamd.settings();
            const auto resources = with_scanners(settings);
            for (int i = 0; i < 5; ++i)
                BOOST_TEST(run_check("clamd", message_with(bad + std::to_string(i), settings), resources).size() == 1u);
            BOOST_TEST(clamd.streams == 5);
        }
    false_clamd clamd;
    const auto settings = clamd.settings();
    const auto resources = with_scanners(settings);
    BOOST_TEST(run_check("clamd", message_with(good, settings), resources).empty());
    clamd.late = 1; // its last word crosses our command
    BOOST_TEST(run_check("clamd", message_with(bad, settings), resources).size() == 1u);
    clamd.late = 2; // a new session is not tried a second time
    BOOST_CHECK_THROW((void)run_check("clamd", message_with(bad + "2", settings), resources), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(a_phish_by_its_signatures_name_is_one) {
    struct row {
        const char* signature;
        reason why;
        strike_kind strikes;
    };
    const row rows[] = {{"Heuristics.Phishing.Email.SpoofedDomain", reason::phish, strike_kind::phish},
                        {"Email.Phishing.VOF1-6297217-0", reason::phish, strike_kind::phish},
                        {"Win.Test.EICAR_HDB-1", reason::virus, strike_kind::virus},
                        {"Win.Worm.Philis-1", reason::virus, strike_kind::virus}};
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.signature) {
            false_clamd clamd;
            clamd.signature = r.signature;
            const auto settings = clamd.settings();
            const auto found = run_check("clamd", message_with(bad, settings), with_scanners(settings));
            BOOST_REQUIRE(found.size() == 1u);
            BOOST_TEST(found[0].symbol == "CLAMD_FOUND");
            BOOST_TEST(found[0].score == 15);
            BOOST_TEST((found[0].action == config::forced_verdict::quarantine));
            BOOST_TEST(found[0].why == r.why);
            BOOST_TEST((found[0].strikes == r.strikes));
        }
}

BOOST_AUTO_TEST_CASE(a_message_as_large_as_allowed_is_looked_at) {
    const false_clamd clamd;
    auto settings = clamd.settings();
    settings.clamd.max_size = {bad.size()};
    const auto resources = with_scanners(settings);
    auto found = run_check("clamd", message_with(bad, settings), resources);
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST(found[0].symbol == "CLAMD_FOUND");
    found = run_check("clamd", message_with(bad + "x", settings), resources);
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST(found[0].symbol == "CLAMD_TOO_LARGE");
}

BOOST_AUTO_TEST_CASE(a_dead_clamd_fails_the_check_with_one_alarm) {
    std::vector<std::string> lines;
    std::mutex mutex;
    log::capture([&](log::level l, const std::string& line) {
        const std::lock_guard lock{mutex};
        if (l == log::level::error || line.find("scanner-up") != std::string::npos) lines.push_back(line);
    });
    auto clamd = std::make_unique<false_clamd>();
    clamd->refusals = 1000;
    auto settings = clamd->settings();
    const auto resources = with_scanners(settings);
    for (int i = 0; i < 3; ++i)
        BOOST_CHECK_THROW((void)run_check("clamd", message_with(good, settings), resources), std::runtime_error);
    clamd->refusals = 0;
    BOOST_TEST(run_check("clamd", message_with(good, settings), resources).empty());
    log::capture({});
    BOOST_REQUIRE(lines.size() == 2u);
    BOOST_TEST(lines[0].find("scanner-down") != std::string::npos);
    BOOST_TEST(lines[0].find("scanner=clamd") != std::string::npos);
    BOOST_TEST(lines[1].find("scanner-up") != std::string::npos);
    settings.clamd.endpoint = "unix:/nonexistent/clamd";
    BOOST_CHECK_THROW((void)run_check("clamd", message_with(good, settings), with_scanners(settings)),
                      std::runtime_error);
}

BOOST_AUTO_TEST_CASE(a_silent_clamd_fails_within_its_time) {
    const false_scanner silent{[](false_scanner::peer& p) { (void)p.until("never"); }};
    config::settings settings;
    settings.clamd.endpoint = silent.endpoint();
    settings.clamd.timeout = seconds{1};
    const auto begin = std::chrono::steady_clock::now();
    BOOST_CHECK_THROW((void)run_check("clamd", message_with(good, settings), with_scanners(settings)),
                      std::runtime_error);
    BOOST_TEST((std::chrono::steady_clock::now() - begin < 60s));
}

BOOST_AUTO_TEST_CASE(the_memory_of_results_is_bounded_in_number_and_time) {
    digest_cache<int> cache{2, 10s};
    const auto now = std::chrono::steady_clock::now();
    cache.put("a", 1, now);
    cache.put("b", 2, now);
    BOOST_TEST(cache.find("a", now).value() == 1); // used, so "b" is the older one
    cache.put("c", 3, now);
    BOOST_TEST(cache.size() == 2u);
    BOOST_TEST(!cache.find("b", now).has_value());
    BOOST_TEST(cache.find("a", now + 9s).value() == 1);
    BOOST_TEST(!cache.find("a", now + 10s).has_value());
    BOOST_TEST(cache.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
