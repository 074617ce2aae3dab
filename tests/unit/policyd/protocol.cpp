// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "policyd/request.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <random>
#include <sstream>

using namespace postsluice;
using namespace postsluice::policyd;

namespace {

using step = protocol_machine::step;

std::string sample_requests() {
    std::ifstream in{"tests/corpus/policy-requests.postfix-3.7.txt"};
    std::ostringstream all;
    all << in.rdbuf();
    return all.str();
}

// What a request says, in one line, so that a difference shows.
std::string told(const request& r) {
    std::ostringstream out;
    out << r.at << '|' << r.client_address << '|' << r.server_address << '|' << r.server_port << '|' << r.sender << '|'
        << r.recipient << '|' << r.recipient_count << '|' << r.queue_id << '|' << r.instance << '|' << r.size << '|'
        << r.sasl_username << '|' << r.policy_context;
    return out.str();
}

// All that comes of these octets; the last line names the refusal, where there is one.
void take(protocol_machine& machine, std::vector<std::string>& out) {
    for (;;) {
        const auto s = machine.next();
        if (!s) {
            out.push_back("refused: " + s.error().detail);
            return;
        }
        if (*s == step::want_input) {
            return;
        }
        const auto r = read_request(machine.current());
        out.push_back(r ? told(*r) : "refused: " + r.error().detail);
        if (!r) {
            return;
        }
    }
}

std::vector<std::string> run(std::string_view octets, std::size_t chunk, protocol_bounds bounds = {}) {
    protocol_machine machine{bounds};
    std::vector<std::string> out;
    while (!octets.empty()) {
        const auto now = std::min(chunk, octets.size());
        machine.feed(octets.substr(0, now));
        octets.remove_prefix(now);
        take(machine, out);
        if (!out.empty() && out.back().starts_with("refused")) {
            break;
        }
    }
    return out;
}

const std::string minimal = "request=smtpd_access_policy\nprotocol_state=RCPT\ninstance=1.2.3\n\n";

} // namespace

BOOST_AUTO_TEST_SUITE(policyd_protocol)

BOOST_AUTO_TEST_CASE(four_requests_of_postfix_3_7_are_read_as_sent) {
    const auto got = run(sample_requests(), 100000);
    const std::vector<std::string> expected = {
        "RCPT|127.0.0.1|127.0.0.1|10340|user00001@example.com|a@example.net|0||461c.6b00d62c.420da.0|0||",
        "RCPT|127.0.0.1|127.0.0.1|10340|user00001@example.com|b@example.net|0|43125A7C027|461c.6b00d62c.420da.0|0||",
        "DATA|127.0.0.1|127.0.0.1|10340|user00001@example.com||2|43125A7C027|461c.6b00d62c.420da.0|0||",
        "END-OF-MESSAGE|127.0.0.1|127.0.0.1|10340|user00001@example.com||2|43125A7C027|461c.6b00d62c.420da.0|256||",
    };
    BOOST_TEST(got == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_split_at_any_octet_changes_nothing) {
    const std::string all = sample_requests();
    const auto whole = run(all, all.size());
    BOOST_REQUIRE(whole.size() == 4U);
    for (std::size_t at = 1; at < all.size(); ++at) {
        protocol_machine machine{{}};
        std::vector<std::string> out;
        machine.feed(std::string_view{all}.substr(0, at));
        take(machine, out);
        machine.feed(std::string_view{all}.substr(at));
        take(machine, out);
        BOOST_TEST_CONTEXT("split at " << at) {
            BOOST_REQUIRE(out == whole);
        }
    }
}

BOOST_AUTO_TEST_CASE(chunks_of_any_size_change_nothing) {
    const std::string all = sample_requests();
    const auto whole = run(all, all.size());
    for (const std::size_t chunk : {1U, 2U, 3U, 7U, 64U, 700U, 1000U}) {
        BOOST_TEST_CONTEXT("chunk " << chunk) {
            BOOST_TEST(run(all, chunk) == whole);
        }
    }
}

BOOST_AUTO_TEST_CASE(order_is_free_and_unknown_names_are_skipped) {
    const auto got = run("size=77\nnews_of_postfix_4=yes\nx=\nrecipient=r@example.net\nprotocol_state=RCPT\n"
                         "tls_sni=a=b\nrequest=smtpd_access_policy\ninstance=7\n\n",
                         1000);
    BOOST_REQUIRE(got.size() == 1U);
    BOOST_TEST(got[0] == "RCPT|||||r@example.net|0||7|77||");
}

BOOST_AUTO_TEST_CASE(values_are_raw) {
    protocol_machine machine{{}};
    machine.feed("request=smtpd_access_policy\nsender=a=b c@\xC3\xA4.example\x01\r\nrecipient= q r@x \n\n");
    BOOST_REQUIRE((machine.next().value() == step::request));
    BOOST_TEST(machine.current().sender == "a=b c@\xC3\xA4.example\x01\r");
    BOOST_TEST(machine.current().recipient == " q r@x ");
}

BOOST_AUTO_TEST_CASE(of_duplicates_the_first_counts) {
    protocol_machine machine{{}};
    machine.feed("request=smtpd_access_policy\nsender=a@x\nsender=b@x\n\n");
    BOOST_REQUIRE((machine.next().value() == step::request));
    BOOST_TEST(machine.current().sender == "a@x");
}

BOOST_AUTO_TEST_CASE(attributes_of_one_request_do_not_leak_into_the_next) {
    const auto got = run("request=smtpd_access_policy\nprotocol_state=RCPT\nsender=a@x\ninstance=1\n\n"
                         "request=smtpd_access_policy\nprotocol_state=VRFY\n\n",
                         1000);
    BOOST_REQUIRE(got.size() == 2U);
    BOOST_TEST(got[1] == "other||||||0|||0||");
}

BOOST_AUTO_TEST_CASE(every_known_name_is_told_from_its_neighbours) {
    // Each name with its own value, and with a near miss of the same length that must not be taken for it.
    const std::vector<std::pair<std::string, std::string_view attributes::*>> names = {
        {"request", &attributes::request},
        {"protocol_state", &attributes::protocol_state},
        {"client_address", &attributes::client_address},
        {"server_address", &attributes::server_address},
        {"server_port", &attributes::server_port},
        {"sender", &attributes::sender},
        {"recipient", &attributes::recipient},
        {"recipient_count", &attributes::recipient_count},
        {"queue_id", &attributes::queue_id},
        {"instance", &attributes::instance},
        {"size", &attributes::size},
        {"sasl_username", &attributes::sasl_username},
        {"policy_context", &attributes::policy_context},
    };
    for (const auto& [name, member] : names) {
        BOOST_TEST_CONTEXT(name) {
            protocol_machine machine{{}};
            std::string miss = name;
            miss.back() = '_';
            machine.feed(miss + "=no\n" + name + "=yes\n\n");
            BOOST_REQUIRE((machine.next().value() == step::request));
            for (const auto& [other, at] : names) {
                const std::string_view value = machine.current().*at;
                BOOST_TEST(value == (other == name ? "yes" : ""));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(what_breaks_the_grammar_or_a_bound_is_refused) {
    const protocol_bounds small{40, 200, 5};
    const std::vector<std::pair<std::string, std::string>> table = {
        {"\n", "a request without attributes"},
        {minimal + "\n", "a request without attributes"},
        {"nonsense\n", "a line that is not name=value"},
        {"=value\n", "a line that is not name=value"},
        {"GET / HTTP/1.1\r\n", "a line that is not name=value"},
        {"\r\n", "a line that is not name=value"},
        {std::string("sender=a\0b\n", 11), "a line with a NUL octet"},
        {"sender=" + std::string(34, 'x') + "\n", "a line is longer than policyd.max_line"},
        {"sender=" + std::string(100, 'x'), "a line is longer than policyd.max_line"},
        {std::string(10, 'y'), ""}, // not yet
        {"a=1\nb=2\nc=3\nd=4\ne=5\nf=6\n", "a request has more attributes than policyd.max_attributes"},
        {"request=smtpd_access_policy\nsize=x\n\n", "size is not a number"},
        {"request=smtpd_access_policy\nsize=-1\n\n", "size is not a number"},
        {"request=smtpd_access_policy\nrecipient_count=1 \n\n", "recipient_count is not a number"},
        {"request=smtpd_access_policy\nrecipient_count=4294967296\n\n", "recipient_count is not a number"},
        {"request=junk\n\n", "request is not smtpd_access_policy"},
        {"sender=a@x\n\n", "request is not smtpd_access_policy"},
    };
    for (const auto& [octets, why] : table) {
        for (const std::size_t chunk : {1U, 1000U}) {
            BOOST_TEST_CONTEXT('"' << octets << "\" in chunks of " << chunk) {
                const auto got = run(octets, chunk, small);
                if (why.empty()) {
                    BOOST_TEST(got.empty());
                } else {
                    BOOST_REQUIRE(!got.empty());
                    BOOST_TEST(got.back() == "refused: " + why);
                }
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_request_over_its_bound_is_refused_however_it_is_cut) {
    const protocol_bounds small{40, 200, 100};
    std::string octets;
    for (int i = 0; i < 10; ++i) {
        octets += "name" + std::to_string(i) + '=' + std::string(20, 'v') + '\n'; // 27 octets each
    }
    for (const std::size_t chunk : {1U, 27U, 1000U}) {
        BOOST_TEST_CONTEXT("chunk " << chunk) {
            const auto got = run(octets, chunk, small);
            BOOST_REQUIRE(got.size() == 1U);
            BOOST_TEST(got[0] == "refused: a request is larger than policyd.max_request");
        }
    }
}

BOOST_AUTO_TEST_CASE(a_request_at_its_bounds_is_taken) {
    const std::string head = "request=smtpd_access_policy\nprotocol_state=RCPT\ninstance=1\n";
    std::string octets = head + "sender=" + std::string(33, 'x') + "\n"; // a line of 40
    const protocol_bounds exact{40, octets.size() + 1, 4};
    const auto got = run(octets + '\n', 1000, exact);
    BOOST_REQUIRE(got.size() == 1U);
    BOOST_TEST(got[0].starts_with("RCPT|"));
    const auto over = run(octets + '\n', 1000, {40, octets.size(), 4});
    BOOST_REQUIRE(over.size() == 1U);
    BOOST_TEST(over[0].starts_with("refused: a request is larger"));
}

BOOST_AUTO_TEST_CASE(once_refused_it_stays_refused) {
    protocol_machine machine{{}};
    machine.feed("nonsense\n" + minimal);
    BOOST_TEST(!machine.next());
    BOOST_TEST(!machine.next());
    machine.feed(minimal);
    BOOST_TEST(!machine.next());
}

BOOST_AUTO_TEST_CASE(idle_is_between_requests_only) {
    protocol_machine machine{{}};
    BOOST_TEST(machine.idle());
    machine.feed(minimal.substr(0, 10));
    (void)machine.next();
    BOOST_TEST(!machine.idle());
    machine.feed(minimal.substr(10));
    BOOST_REQUIRE((machine.next().value() == step::request));
    BOOST_TEST(machine.idle());
}

BOOST_AUTO_TEST_CASE(a_large_request_leaves_no_large_buffer) {
    protocol_machine machine{{}};
    std::string large = minimal.substr(0, minimal.size() - 1);
    for (int i = 0; i < 100; ++i) {
        large += "x" + std::to_string(i) + '=' + std::string(500, 'v') + '\n';
    }
    machine.feed(large + '\n');
    BOOST_REQUIRE((machine.next().value() == step::request));
    BOOST_TEST(machine.prepare().size() < 10000U);
}

BOOST_AUTO_TEST_CASE(random_octets_are_refused_or_wait_but_never_more) {
    std::mt19937 random{20260101};
    const std::string alphabet = "request=smtpd_access_policy\n\n=\n\r\0a";
    for (int round = 0; round < 3000; ++round) {
        std::string octets;
        for (std::size_t n = random() % 200; n > 0; --n) {
            octets += random() % 3 != 0 ? alphabet[random() % alphabet.size()] : static_cast<char>(random());
        }
        auto whole = run(octets, 1000, {40, 100, 5});
        auto cut = run(octets, 1 + random() % 9, {40, 100, 5});
        for (auto* got : {&whole, &cut}) { // of two bounds that break at once, either may be named
            if (!got->empty() && got->back().starts_with("refused")) {
                got->back() = "refused";
            }
        }
        BOOST_TEST_CONTEXT("round " << round) {
            BOOST_REQUIRE(whole == cut);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
