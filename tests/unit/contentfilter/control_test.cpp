// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include "contentfilter/control_json.hpp"
#include "contentfilter/control_verbs.hpp"
#include "shared/core/text.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <atomic>
#include <thread>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using nlohmann::json;

namespace {

const auto spam = found("GTUBE", 20, config::forced_verdict::quarantine, reason::spam, strike_kind::spam);

/// A filter with its control socket.
struct controlled : filter {
    std::optional<control::server> control;
    void start_all() {
        start();
        control.emplace(context->get_executor(), scratch.path / "control", "", max_request_bytes);
        add_control_verbs(*control, *all, *listener);
        control->start();
    }
    ~controlled() {
        if (control) control->stop();
        end_serving();
        control.reset();
    }
    json ask(json request) { return control::call(scratch.path / "control", request, seconds{20}).value(); }
    std::string quarantine_one(const std::string& queue_id, const std::string& subject,
                               const std::vector<std::string>& to = {"f@example.net"}, const finding& what = spam) {
        find({what});
        postfix p{socket()};
        const auto reply = p.send(queue_id, "eve@example.org", to,
                                  ticket("eve@example.org", queue_id) + plain("eve@example.org", subject))
                               .front();
        find({});
        return reply.substr(reply.size() - 8);
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(control_verbs)

BOOST_AUTO_TEST_CASE(status_counts_verdicts_connections_keys_and_tells_of_the_next_hop) {
    controlled f;
    make_key(f.settings->dkim.directory, "example.org", "ed1", EVP_PKEY_ED25519, f.dns);
    std::filesystem::create_directories(f.settings->dkim.directory / "broken.example");
    std::ofstream{f.settings->dkim.directory / "broken.example" / "s.pem"} << "x";
    f.start_all();
    f.quarantine_one("Q1", "bad");
    {
        postfix p{f.socket()};
        p.send("Q2", "bob@example.com", {"f@example.net"}, plain("bob@example.com", "good"));
    }
    const auto a = f.ask({{"verb", "status"}});
    BOOST_TEST(a["program"] == "postsluice-contentfilter");
    BOOST_TEST(a["mode"] == "enforce");
    BOOST_TEST(a["verdicts"]["pass"] == 1);
    BOOST_TEST(a["verdicts"]["quarantine"] == 1);
    BOOST_TEST(a["reasons"]["spam"] == 1);
    BOOST_TEST(a["unsigned"]["no-key"] == 1);
    BOOST_TEST(a["messages"]["total"] == 2);
    BOOST_TEST(a["messages"]["no_ticket"] == 1);
    BOOST_TEST(a["quarantine"]["entries"] == 1);
    BOOST_TEST(a["keys"].size() == 1U);
    BOOST_TEST(a["keys"][0]["domain"] == "example.org");
    BOOST_TEST(a["key_errors"].size() == 1U);
    BOOST_TEST(a["next_hop"]["error"] == "");
    BOOST_TEST(a["next_hop"]["reached"].is_string());
    BOOST_TEST(a["stuck"] == false);
}

BOOST_AUTO_TEST_CASE(why_explains_a_message_by_its_reference) {
    controlled f;
    f.start_all();
    const auto reference = f.quarantine_one("Q1", "bad");
    const auto a = f.ask({{"verb", "why"}, {"ref", to_lower(reference)}});
    BOOST_TEST_REQUIRE(a["ok"] == true);
    BOOST_TEST(a["kind"] == "message");
    BOOST_TEST(a["event"]["reason"] == "spam");
    BOOST_TEST(a["event"]["verdict"] == "quarantine");
    BOOST_TEST(a["event"]["findings"][0].get<std::string>().starts_with("GTUBE(20.0)"));
    BOOST_TEST(a["quarantined"]["id"] == reference);
    for (const auto* unknown : {"AAAAAAAA", "", "no reference"})
        BOOST_TEST(f.ask({{"verb", "why"}, {"ref", unknown}})["code"] == "not-found");
    BOOST_TEST(f.ask({{"verb", "why"}})["code"] == "malformed");
}

BOOST_AUTO_TEST_CASE(a_quarantined_message_is_listed_shown_released_signed_and_gone) {
    controlled f;
    make_key(f.settings->dkim.directory, "example.org", "rsa1", EVP_PKEY_RSA, f.dns);
    f.start_all();
    const auto id = f.quarantine_one("Q1", "held");
    const auto listed = f.ask({{"verb", "quarantine list"}, {"account", "eve@example.org"}});
    BOOST_TEST_REQUIRE(listed["entries"].size() == 1U);
    BOOST_TEST(listed["entries"][0]["id"] == id);
    BOOST_TEST(listed["entries"][0]["subject"] == "held");
    BOOST_TEST(listed["entries"][0]["reason"] == "spam");
    BOOST_TEST(f.ask({{"verb", "quarantine list"}, {"account", "other@example.org"}})["entries"].empty());
    const auto shown = f.ask({{"verb", "quarantine show"}, {"id", id}});
    BOOST_TEST(shown["header"].get<std::string>().find("Subject: held\n") != std::string::npos);
    BOOST_TEST(shown["header"].get<std::string>().find("hello") == std::string::npos);

    f.find({spam}); // it is not scanned again
    const auto released = f.ask({{"verb", "quarantine release"}, {"id", id}});
    BOOST_TEST_REQUIRE(released["ok"] == true, released.dump());
    BOOST_TEST(released["complete"] == true);
    BOOST_TEST(released["delivered"][0] == "f@example.net");
    const auto got = f.hop->deliveries();
    BOOST_TEST_REQUIRE(got.size() == 1U);
    const auto verified = auth::verify(got[0].content, f.dns).value();
    BOOST_TEST_REQUIRE(verified.size() == 1U);
    BOOST_TEST(verified[0].valid);
    BOOST_TEST(got[0].content.find("X-Postsluice-Ticket") == std::string::npos);
    BOOST_TEST(f.ask({{"verb", "quarantine release"}, {"id", id}})["code"] == "not-found");
    BOOST_TEST(f.ask({{"verb", "quarantine list"}})["total"] == 0);
}

BOOST_AUTO_TEST_CASE(a_release_that_fails_keeps_the_message_and_some_refused_keep_theirs) {
    controlled f;
    f.start_all();
    const auto id = f.quarantine_one("Q1", "held", {"a@example.net", "b@example.net"});
    f.hop->answer("DOT", "452 4.3.1 full");
    const auto refused = f.ask({{"verb", "quarantine release"}, {"id", id}});
    BOOST_TEST(refused["ok"] == false);
    BOOST_TEST(refused["error"].get<std::string>().find("452 4.3.1 full") != std::string::npos);
    f.hop->forget_rules();
    f.hop->answer("RCPT TO:<b@", "550 5.1.1 unknown");
    const auto partly = f.ask({{"verb", "quarantine release"}, {"id", id}});
    BOOST_TEST(partly["complete"] == false);
    BOOST_TEST(partly["remaining"][0]["recipient"] == "b@example.net");
    BOOST_TEST(f.ask({{"verb", "quarantine show"}, {"id", id}})["entry"]["recipients"] == json({"b@example.net"}));
    BOOST_TEST(f.ask({{"verb", "quarantine delete"}, {"id", id}})["ok"] == true);
    BOOST_TEST(f.ask({{"verb", "quarantine delete"}, {"id", id}})["code"] == "not-found");
    BOOST_TEST(f.ask({{"verb", "quarantine delete"}, {"id", "../../etc/passwd"}})["code"] == "not-found");
}

BOOST_AUTO_TEST_CASE(a_virus_leaves_only_by_force_and_teaches_nothing) {
    controlled f;
    f.settings->bayes.learn_released = true;
    f.start_all();
    const auto eicar = found("EICAR", 20, config::forced_verdict::quarantine, reason::virus, strike_kind::virus);
    const auto id = f.quarantine_one("Q1", "bad", {"a@example.net", "b@example.net"}, eicar);
    for (const auto& more : {json::object(), json{{"force", false}}, json{{"force", "yes"}}, json{{"keep", true}},
                             json{{"redirect", "desk@example.com"}}, json{{"recipients", {"a@example.net"}}}})
        BOOST_TEST_CONTEXT(more.dump()) {
            json request = {{"verb", "quarantine release"}, {"id", id}};
            request.update(more);
            const auto refused = f.ask(request);
            BOOST_TEST(refused["ok"] == false);
            BOOST_TEST(refused["code"] == "denied");
            BOOST_TEST(refused["error"] == id + " is kept for a virus: it leaves only where that is forced (--force)");
        }
    const auto lesson = f.ask({{"verb", "quarantine release"}, {"id", id}, {"force", true}, {"learn", "ham"}});
    BOOST_TEST(lesson["code"] == "denied");
    BOOST_TEST(lesson["error"].get<std::string>().find("not learned") != std::string::npos);
    BOOST_TEST(f.hop->deliveries().empty());
    const auto forced = f.ask({{"verb", "quarantine release"}, {"id", id}, {"force", true}});
    BOOST_TEST_REQUIRE(forced["ok"] == true, forced.dump());
    BOOST_TEST(forced["complete"] == true);
    BOOST_TEST(forced["learned"] == ""); // nothing was even tried
    BOOST_TEST(f.hop->deliveries().size() == 1U);
    BOOST_TEST(f.log.has("forced=yes"));
    // Any other leaves as before, and is a lesson; there is nobody here who could learn it.
    const auto other = f.quarantine_one("Q2", "held");
    BOOST_TEST(f.ask({{"verb", "quarantine release"}, {"id", other}})["learned"] == "failed");
}

BOOST_AUTO_TEST_CASE(message_test_says_what_would_happen_and_leaves_no_trace) {
    controlled f;
    make_key(f.settings->dkim.directory, "example.org", "ed1", EVP_PKEY_ED25519, f.dns);
    f.start_all();
    f.find({found("MILD", 7), found("WORSE", 9)});
    const auto content = "From: bob@example.org\nSubject: x\n\nbody"; // as it lies in a file
    const auto a =
        f.ask({{"verb", "message test"}, {"content", base64url_encode(content)}, {"account", "Bob@example.org"}});
    BOOST_TEST_REQUIRE(a["ok"] == true, a.dump());
    BOOST_TEST(a["account"] == "bob@example.org");
    BOOST_TEST(a["verdict"] == "reject");
    BOOST_TEST(a["score"] == 16.0);
    BOOST_TEST(a["findings"][0]["symbol"] == "WORSE");
    BOOST_TEST(a["keys"][0]["selector"] == "ed1");
    BOOST_TEST(a["sign"] == "signed");
    BOOST_TEST(a["thresholds"]["hold"] == 10.0);
    BOOST_TEST(f.counts.messages == 0U);
    BOOST_TEST(f.events().empty());
    BOOST_TEST(f.ask({{"verb", "message test"}, {"content", "!!!"}})["code"] == "malformed");
    BOOST_TEST(f.ask({{"verb", "message test"}})["code"] == "malformed");
    const std::string large(std::size_t{15} << 20U, 'x');
    BOOST_TEST(f.ask({{"verb", "message test"}, {"content", base64url_encode(large)}})["ok"] == true);
}

BOOST_AUTO_TEST_CASE(message_test_says_which_settings_apply) {
    controlled f;
    config::settings_entry quiet;
    quiet.name = "quiet";
    quiet.network = {ip_network::parse("192.0.2.0/24").value()};
    quiet.reject_score = 50;
    f.settings->per_message = {quiet};
    f.start_all();
    f.find({found("WORSE", 16)});
    json request = {{"verb", "message test"}, {"content", base64url_encode("Subject: x\n\nbody")}};
    BOOST_TEST(f.ask(request)["settings"] == json::array());
    BOOST_TEST(f.ask(request)["verdict"] == "reject");
    request["client"] = "192.0.2.1";
    BOOST_TEST(f.ask(request)["settings"] == json::array({{{"name", "quiet"}, {"only_stricter", false}}}));
    BOOST_TEST(f.ask(request)["verdict"] == "hold");
    request["client"] = "localhost";
    BOOST_TEST(f.ask(request)["code"] == "malformed");
}

BOOST_AUTO_TEST_CASE(base64_of_every_kind_is_read_and_lines_become_crlf) {
    for (const auto* text : {"Pj4-Pz8_", "Pj4+Pz8/"})
        BOOST_TEST(control_json::base64(text).value() == ">>>???");
    BOOST_TEST(control_json::base64("YQ==").value() == "a");
    BOOST_TEST(control_json::crlf_lines("a\nb\r\nc\rd") == "a\r\nb\r\nc d\r\n");
    BOOST_TEST(control_json::crlf_lines("") == "");
}

BOOST_AUTO_TEST_CASE(checks_may_wait_for_a_thread_for_half_the_time_that_a_message_has) {
    controlled f;
    f.settings->contentfilter.deadline = seconds{400};
    f.start_all();
    const auto before = std::chrono::steady_clock::now();
    {
        postfix p{f.socket()};
        p.send("Q1", "bob@example.com", {"f@example.net"}, plain("bob@example.com", "good"));
    }
    BOOST_TEST((f.begun_by.load() >= before + seconds{200}));
    BOOST_TEST((f.begun_by.load() <= std::chrono::steady_clock::now() + seconds{200}));
}

BOOST_AUTO_TEST_CASE(a_reload_takes_new_keys_or_keeps_everything) {
    controlled f;
    const auto file = f.scratch.path / "postsluice.toml";
    const auto write = [&](const std::string& more) {
        std::ofstream{file} << "hostname = \"filter.example.org\"\n[dkim]\ndirectory = \""
                            << f.settings->dkim.directory.string()
                            << "\"\n[contentfilter]\nnext_hop = \"unix:" << (f.scratch.path / "hop").string() << "\"\n"
                            << more;
    };
    write("");
    f.start_all();
    f.configuration.emplace(file, f.settings);
    make_key(f.settings->dkim.directory, "example.org", "ed1", EVP_PKEY_ED25519, f.dns);
    BOOST_TEST(f.ask({{"verb", "reload"}})["reloaded"] == true);
    BOOST_TEST(f.ask({{"verb", "status"}})["keys"].size() == 1U);
    BOOST_TEST(f.log.has("configuration reloaded"));
    write("next_hopp = \"x\"\n");
    const auto failed = f.ask({{"verb", "reload"}});
    BOOST_TEST(failed["reloaded"] == false);
    BOOST_TEST(failed["errors"].size() >= 1U);
    BOOST_TEST(f.configuration->get()->contentfilter.next_hop == "unix:" + (f.scratch.path / "hop").string());
}

// The settings change before it is known that all of them can be used, and keys are looked at at any time.
BOOST_AUTO_TEST_CASE(keys_that_change_while_a_reload_fails_are_read_from_where_they_were) {
    controlled f;
    const auto file = f.scratch.path / "postsluice.toml";
    const auto ours = f.settings->dkim.directory, others = f.scratch.path / "others";
    const auto write = [&](const std::filesystem::path& directory) {
        std::ofstream{file} << "hostname = \"filter.example.org\"\n[dkim]\ndirectory = \"" << directory.string()
                            << "\"\n[contentfilter]\nnext_hop = \"unix:" << (f.scratch.path / "hop").string() << "\"\n";
    };
    const auto add_key = [&](const char* selector) {
        make_key(ours, "example.org", selector, EVP_PKEY_ED25519, f.dns);
    };
    const auto keys = [&] {
        std::vector<std::string> out;
        const auto status = f.ask({{"verb", "status"}});
        for (const auto& one : status.at("keys"))
            out.push_back(one["domain"].get<std::string>() + " " + one["selector"].get<std::string>());
        std::sort(out.begin(), out.end());
        return out;
    };
    make_key(others, "example.com", "ed1", EVP_PKEY_ED25519, f.dns);
    add_key("ed1");
    f.start_all();
    f.configuration.emplace(file, f.settings);
    f.on_reload = [&](const config::settings& s) {
        BOOST_TEST(s.dkim.directory == others);
        add_key("ed2");
        f.all->look_at_keys();
        throw std::runtime_error{"a rule file cannot be used"};
    };
    write(others);
    BOOST_TEST(f.ask({{"verb", "reload"}})["reloaded"] == false);
    BOOST_TEST(keys() == (std::vector<std::string>{"example.org ed1", "example.org ed2"}),
               boost::test_tools::per_element());
    add_key("ed3");
    f.all->look_at_keys();
    BOOST_TEST(keys().size() == 3U);
    f.on_reload = {};
    BOOST_TEST(f.ask({{"verb", "reload"}})["reloaded"] == true);
    BOOST_TEST(keys() == std::vector<std::string>{"example.com ed1"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_question_about_keys_is_answered_from_what_is_on_disk_also_while_others_load_them) {
    controlled f;
    const auto keys = f.settings->dkim.directory / "example.org";
    make_key(f.settings->dkim.directory, "example.org", "s0", EVP_PKEY_ED25519, f.dns);
    f.start_all();
    std::atomic<bool> done{false};
    std::thread other{[&] {
        while (!done) {
            f.all->look_at_keys();
            std::this_thread::yield();
        }
    }};
    for (std::size_t i = 1; i < 30; ++i) {
        std::filesystem::copy_file(keys / "s0.pem", keys / ("s" + std::to_string(i) + ".pem"));
        BOOST_TEST(f.ask({{"verb", "dkim list"}})["keys"].size() == i + 1);
    }
    done = true;
    other.join();
}

BOOST_AUTO_TEST_SUITE_END()
