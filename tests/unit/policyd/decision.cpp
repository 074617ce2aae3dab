// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "policyd/decision.hpp"
#include "shared/core/text.hpp"

#include <boost/test/unit_test.hpp>

#include <random>
#include <regex>

using namespace postsluice;
using namespace postsluice::policyd;

namespace {

// What access(5) has and we use; written here a second time, on purpose.
bool in_closed_set(const std::string& wire) {
    if (wire == "action=DUNNO\n\n") {
        return true;
    }
    if (!wire.starts_with("action=") || !wire.ends_with("\n\n")) {
        return false;
    }
    const std::string action = wire.substr(7, wire.size() - 9);
    for (const char c : action) {
        if (static_cast<unsigned char>(c) < ' ' || c == 127) {
            return false;
        }
    }
    if (!is_valid_utf8(action) || action.empty() || action.back() == ' ') {
        return false;
    }
    for (const std::string_view head : {"450 4.7.1 ", "550 5.7.1 ", "451 4.3.0 ", "HOLD ", "WARN "}) {
        if (action.starts_with(head)) {
            return action.size() > head.size() && action.size() < 400 && action[head.size()] != ' ';
        }
    }
    static const std::regex prepend{"PREPEND [!-9;-~]{1,64}: [^ ].*"};
    return action.size() < 1100 && std::regex_match(action, prepend);
}

decision kind(decision_kind k, std::string text) {
    decision d;
    d.kind = k;
    d.text = std::move(text);
    d.header = "X-Test";
    return d;
}

} // namespace

BOOST_AUTO_TEST_SUITE(policyd_decision)

BOOST_AUTO_TEST_CASE(the_forms_on_the_wire) {
    decision limit = refuse(refusal_code::defer_policy, reason::limit, "recipients per hour",
                            "300 of 300 recipients per hour used; next in 412 s");
    limit.contact = "https://example.org/mail-policy";
    limit.reference = "K7QM2P4X";
    decision bare = limit;
    bare.contact.clear();
    const std::vector<std::pair<decision, std::string>> table = {
        {decision{}, "action=DUNNO\n\n"},
        {limit,
         "action=450 4.7.1 300 of 300 recipients per hour used; next in 412 s; see https://example.org/mail-policy "
         "ref K7QM2P4X\n\n"},
        {bare, "action=450 4.7.1 300 of 300 recipients per hour used; next in 412 s ref K7QM2P4X\n\n"},
        {refuse(refusal_code::reject_policy, reason::from_forbidden, "", "no"), "action=550 5.7.1 no\n\n"},
        {refuse(refusal_code::defer_trouble, reason::state_unavailable, "", "later"), "action=451 4.3.0 later\n\n"},
        {kind(decision_kind::prepend, "v1 k abc"), "action=PREPEND X-Test: v1 k abc\n\n"},
        {kind(decision_kind::hold, "looked at by a person"), "action=HOLD looked at by a person\n\n"},
        {kind(decision_kind::warn, "unusual"), "action=WARN unusual\n\n"},
    };
    for (const auto& [d, wire] : table) {
        BOOST_TEST_CONTEXT(wire) {
            BOOST_TEST(to_wire(d) == wire);
            BOOST_TEST(in_closed_set(wire));
        }
    }
}

BOOST_AUTO_TEST_CASE(the_oracle_knows_what_postfix_would_misread) {
    for (const std::string bad :
         {"action=\n\n", "action=550\n\n", "action=250\n\n", "action=451 4.3.0\n\n", "action=550 \n\n",
          "action=550 5.7.1 \n\n", "action=DUNNO\r\n\r\n", "action=DUNNO\n", "action=OK\n\n",
          "action=550 5.7.1 a\nb\n\n", "action=PREPEND X:\n\n", "action=PREPEND : x\n\n"}) {
        BOOST_TEST_CONTEXT(bad) {
            BOOST_TEST(!in_closed_set(bad));
        }
    }
}

BOOST_AUTO_TEST_CASE(an_empty_text_is_never_an_empty_reply) {
    for (const std::string text : {"", " ", "\t\r\n", "\n\n"}) {
        for (const auto k : {decision_kind::reject, decision_kind::hold, decision_kind::warn}) {
            BOOST_TEST_CONTEXT(k << " \"" << text << '"') {
                BOOST_TEST(in_closed_set(to_wire(kind(k, text))));
            }
        }
        BOOST_TEST(in_closed_set(to_wire(kind(decision_kind::prepend, text))));
    }
    BOOST_TEST(to_wire(kind(decision_kind::prepend, "")) == "action=DUNNO\n\n");
    BOOST_TEST(to_wire(kind(decision_kind::prepend, "  ")) == "action=DUNNO\n\n");
}

BOOST_AUTO_TEST_CASE(a_long_text_keeps_its_reference) {
    decision d = kind(decision_kind::reject, std::string(5000, 'x'));
    d.contact = std::string(5000, 'c');
    d.reference = "K7QM2P4X";
    const auto wire = to_wire(d);
    BOOST_TEST(in_closed_set(wire));
    BOOST_TEST(wire.ends_with(" ref K7QM2P4X\n\n"));
}

BOOST_AUTO_TEST_CASE(what_is_no_header_is_not_prepended) {
    const std::vector<std::string> names = {"", "X Y", "X:Y", "X\n", "\xC3\xA4", std::string(65, 'x')};
    for (const auto& name : names) {
        decision d = kind(decision_kind::prepend, "value");
        d.header = name;
        BOOST_TEST_CONTEXT(name) {
            BOOST_TEST(to_wire(d) == "action=DUNNO\n\n");
        }
    }
    BOOST_TEST(to_wire(kind(decision_kind::prepend, std::string(max_prepended, 'v'))).starts_with("action=PREPEND"));
    BOOST_TEST(to_wire(kind(decision_kind::prepend, std::string(max_prepended + 1, 'v'))) == "action=DUNNO\n\n");
}

BOOST_AUTO_TEST_CASE(no_input_leaves_the_closed_set) {
    std::mt19937 random{20260102};
    const auto octets = [&random](std::size_t most) {
        static const std::vector<std::string> pieces = {
            "",      "0",        "550",          " ",       "\n",
            "\r\n",  "\n\n",     "action=",      "OK",      "\xC3\xA4",
            "\xFF",  "\xC2\x85", "\xE2\x80\xA8", "PREPEND", std::string(1, '\0'),
            "4.7.1", "a"};
        std::string out;
        for (std::size_t n = random() % most; n > 0; --n) {
            out += random() % 2 != 0 ? pieces[random() % pieces.size()] : std::string(1, static_cast<char>(random()));
        }
        return out;
    };
    for (int round = 0; round < 20000; ++round) {
        decision d;
        d.kind = static_cast<decision_kind>(random() % 5);
        d.code = static_cast<refusal_code>(random() % 3);
        d.text = octets(round % 50 == 0 ? 2000 : 12);
        d.header = random() % 2 != 0 ? "X-Test" : octets(6);
        d.contact = octets(8);
        d.reference = octets(4);
        const auto wire = to_wire(d);
        if (!in_closed_set(wire)) {
            BOOST_FAIL("round " << round << ": " << wire);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
