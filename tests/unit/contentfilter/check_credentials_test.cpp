// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/checks/case_fold.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

std::shared_ptr<const check_resources> shipped() {
    std::vector<std::string> errors;
    auto made = std::make_shared<check_resources>();
    made->rules = std::make_shared<const rule_set>(read_rule_files({"contentfilter/rules.d/*.toml"}, errors));
    BOOST_TEST(errors.empty());
    return made;
}

bool found_in(const std::string& body, const message_options& how = {}) {
    const auto found = run_check(
        "credentials",
        make_message(
            "From: A <a@example.org>\r\nSubject: Re: quota\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + body,
            how),
        shipped());
    return find_symbol(found, "CREDENTIALS") != nullptr;
}

} // namespace

BOOST_AUTO_TEST_SUITE(check_credentials_test)

BOOST_AUTO_TEST_CASE(answers_to_a_phish_are_found) {
    const char* const answers[] = {
        "User name: alice\r\nE-mail: a@example.org\r\nPassword: hunter2\r\n",
        "> Email address: A@Example.ORG\r\n> PASSWORD : hunter2\r\n",
        "Username: a@example.org\r\nPassword:hunter2",
        "Benutzername: a@example.org\r\nKennwort: geheim\r\n",
        "\u0418\u043c\u044f \u043f\u043e\u043b\u044c\u0437\u043e\u0432\u0430\u0442\u0435\u043b\u044f: a@example.org\r\n"
        "\u041f\u0410\u0420\u041e\u041b\u042c: 12345\r\n",
        "Contrase\u00f1a: secreto\r\nUsuario: a@example.org\r\n",
    };
    for (const auto* text : answers)
        BOOST_TEST(found_in(text), text);
}

BOOST_AUTO_TEST_CASE(honest_mail_with_some_of_it_is_left_alone) {
    const std::string honest[] = {
        "I forgot my password, can you help?\r\n-- \r\nA, a@example.org\r\n",
        "Your account for the wiki\r\nUsername: bob\r\nPassword: changeme\r\n-- \r\nThe administrators\r\n",
        "User name: alice\r\nE-mail: a@example.org\r\nPassword:\r\n",
        "User name: \r\nE-mail: a@example.org\r\nPassword: ________\r\n",
        "User name: alice\r\nE-mail: someone.a@example.org\r\nPassword: hunter2\r\n",
        "Username: x\r\nPassword: y\r\n" + std::string(1000, '.') + "\r\na@example.org\r\n",
        "a@example.org\r\nPassword: x\r\n",
        "",
        "@",
    };
    for (const auto& text : honest)
        BOOST_TEST(!found_in(text), text);
}

BOOST_AUTO_TEST_CASE(words_count_within_their_reach_only) {
    message_options how;
    how.content.credential_reach = 40;
    const std::string near = "a@example.org\r\nlogin: x\r\nPassword: hunter2\r\n";
    BOOST_TEST(found_in(near, how));
    how.content.credential_reach = 20;
    BOOST_TEST(!found_in(near, how));
}

BOOST_AUTO_TEST_CASE(an_address_may_stand_there_ever_so_often_before) {
    message_options how;
    how.content.credential_reach = 40;
    const std::string answer = "login: x, a@example.org\r\nPassword: hunter2\r\n";
    std::string log;
    for (int i = 0; i < 500; ++i)
        log += "mail for a@example.org was delivered\r\n";
    BOOST_TEST(!found_in(log, how));
    BOOST_TEST(found_in(log + answer, how));
    std::string far_apart;
    for (int i = 0; i < 500; ++i)
        far_apart += "a@example.org" + std::string(200, '.') + "\r\n";
    BOOST_TEST(!found_in(far_apart, how));
    BOOST_TEST(found_in(far_apart + answer, how));
    BOOST_TEST(found_in(far_apart + "Password: hunter2\r\nlogin: a@example.org\r\n", how));
}

BOOST_AUTO_TEST_CASE(of_places_near_each_other_none_is_passed_over) {
    message_options how;
    how.content.credential_reach = 40;
    const std::string between(24, '.');
    BOOST_TEST(
        found_in("login: x " + between + " a@example.org " + between + " a@example.org\r\nPassword: hunter2", how));
    const std::string far(100, '.');
    BOOST_TEST(!found_in("login: x " + between + " a@example.org " + far + " Password: hunter2", how));
}

BOOST_AUTO_TEST_CASE(a_from_with_more_addresses_than_are_looked_for_is_a_finding) {
    const auto of = [](int addresses) {
        std::string from = "From: ";
        for (int i = 0; i < addresses; ++i)
            from += "r" + std::to_string(i) + "@example.net,\r\n ";
        const auto found = run_check("credentials", make_message(from + "a@example.org\r\n\r\nno password"), shipped());
        return find_symbol(found, "CREDENTIALS_BOUND") != nullptr;
    };
    BOOST_TEST(!of(99));
    BOOST_TEST(of(100));
}

BOOST_AUTO_TEST_CASE(html_is_read_as_it_is_shown_and_files_are_not_read) {
    const auto of = [](const std::string& text) {
        const auto found = run_check("credentials", make_message(text), shipped());
        return find_symbol(found, "CREDENTIALS") != nullptr;
    };
    BOOST_TEST(of("From: a@example.org\r\nContent-Type: text/html\r\n\r\n"
                  "<p>Log<b>in</b>: a@ex<i>ample</i>.org<p>Pass<span>word</span>: hunter2"));
    BOOST_TEST(
        !of(with_attachment("Content-Type: text/plain\r\nContent-Disposition: attachment; filename=accounts.txt\r\n",
                            "login: a@example.org\r\nPassword: hunter2")));
}

BOOST_AUTO_TEST_CASE(the_evidence_holds_nothing_of_the_text) {
    const auto found =
        run_check("credentials",
                  make_message("From: a@example.org\r\n\r\nlogin: a@example.org\r\nPassword: hunter2\r\n"), shipped());
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST(found[0].evidence == "the sender's address beside a password, part 1");
    BOOST_TEST(found[0].why == reason::phish);
}

BOOST_AUTO_TEST_CASE(letters_are_folded_beyond_ascii) {
    BOOST_TEST(folded("\u00c4\u00d6\u00dc \u041f\u0430\u0420 \u0401 \u0152 \u0141 \u017d \u03a3 X\u00d7") ==
               "\u00e4\u00f6\u00fc \u043f\u0430\u0440 \u0451 \u0153 \u0142 \u017e \u03c3 x\u00d7");
    BOOST_TEST(folded("\U0001F600\u4f8b") == "\U0001F600\u4f8b");
    BOOST_TEST(folded("a\xff") == "a\ufffd");
    BOOST_TEST(folded("\xe2\x82") == "\ufffd\ufffd");
}

BOOST_AUTO_TEST_CASE(a_name_takes_no_letter_out_of_sight) {
    const auto found = [](const std::string& type) {
        const auto all =
            run_check("credentials",
                      make_message("From: A <a@example.org>\r\nSubject: Re: quota\r\nContent-Type: " + type +
                                   "\r\n\r\nE-mail: a@example.org\r\nPassword: hunter2\r\n"),
                      shipped());
        return find_symbol(all, "CREDENTIALS") != nullptr;
    };
    BOOST_TEST(found("text/plain; name=reply.txt"));
    BOOST_TEST(found("text/plain\r\nContent-Disposition: attachment; filename=reply.txt")); // shown as the letter
    BOOST_TEST(!found("application/octet-stream; name=reply.txt"));
}

BOOST_AUTO_TEST_SUITE_END()
