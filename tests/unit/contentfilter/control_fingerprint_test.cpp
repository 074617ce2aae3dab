// SPDX-License-Identifier: Apache-2.0
// The control verbs of fingerprints, as `postsluice fingerprint` asks them.
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include "contentfilter/control_json.hpp"
#include "contentfilter/control_verbs.hpp"
#include "shared/core/text.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using nlohmann::json;

namespace {

struct controlled : filter {
    std::optional<control::server> control;
    controlled() {
        settings->fingerprints.max_known = 2;
        start();
        control.emplace(context->get_executor(), scratch.path / "control", "", max_request_bytes);
        add_control_verbs(*control, *all, *listener);
        control->start();
    }
    ~controlled() {
        control->stop();
        end_serving();
        control.reset();
    }
    json ask(json request) { return control::call(scratch.path / "control", request, seconds{20}).value(); }
    json add(const std::string& mail, const std::string& why = "a campaign") {
        return ask({{"verb", "fingerprint add"}, {"content", base64url_encode(mail)}, {"why", why}});
    }
};

// So many words, another letter for each seed.
std::string letter(const std::string& subject, std::size_t words, unsigned seed) {
    std::string body;
    for (std::size_t i = 0; i < words; ++i)
        body += "word" + std::to_string(seed * 1000 + i) + (i % 8 == 7 ? "\r\n" : " ");
    return plain("eve@example.org", subject, body + "\r\n");
}

} // namespace

BOOST_AUTO_TEST_SUITE(control_fingerprint)

BOOST_AUTO_TEST_CASE(a_message_is_added_listed_known_at_once_and_deleted) {
    controlled f;
    const auto added = f.add(letter("win\tnow", 80, 1));
    BOOST_TEST_REQUIRE(added["ok"] == true);
    BOOST_TEST(added["fingerprints"] == json::array({"text"}));
    const auto listed = f.ask({{"verb", "fingerprint list"}})["messages"];
    BOOST_TEST_REQUIRE(listed.size() == 1U);
    BOOST_TEST(listed[0]["id"] == added["id"]);
    BOOST_TEST(listed[0]["why"] == "a campaign");
    BOOST_TEST(!listed[0]["actor"].get<std::string>().empty());
    BOOST_TEST(f.bad.all().size() == 1U); // what the check asks
    BOOST_TEST(f.environments->bad_fingerprints().all().value().size() == 1U);
    BOOST_TEST(f.ask({{"verb", "fingerprint delete"}, {"id", added["id"]}})["ok"] == true);
    BOOST_TEST(f.bad.all().empty());
    BOOST_TEST(f.environments->bad_fingerprints().all().value().empty());
    BOOST_TEST(f.ask({{"verb", "fingerprint delete"}, {"id", added["id"]}})["code"] == "not-found");
}

BOOST_AUTO_TEST_CASE(what_has_no_fingerprint_or_no_room_is_refused_and_says_why) {
    controlled f;
    const auto brief = f.add(letter("short", 20, 2));
    BOOST_TEST(brief["code"] == "unsupported");
    BOOST_TEST(brief["error"].get<std::string>().find("shorter than 40 words (fingerprints.min_words)") !=
               std::string::npos);
    for (const unsigned seed : {1U, 2U})
        BOOST_TEST(f.add(letter("many", 80, seed))["ok"] == true);
    BOOST_TEST(f.add(letter("one more", 80, 3))["code"] == "too-large");
    BOOST_TEST(f.bad.all().size() == 2U);
    for (const auto& wrong : {json{{"verb", "fingerprint add"}}, json{{"verb", "fingerprint add"}, {"content", "*"}},
                              json{{"verb", "fingerprint add"}, {"content", 5}}, json{{"verb", "fingerprint delete"}}})
        BOOST_TEST(f.ask(wrong)["code"] == "malformed", wrong.dump());
}

BOOST_AUTO_TEST_SUITE_END()
