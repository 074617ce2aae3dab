// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "fixture.hpp"

#include <algorithm>

using namespace postsluice;
using namespace postsluice::config;
using namespace postsluice::config::testing;

namespace {

struct bad_text {
    const char* text;
    const char* says; ///< what the only message begins with
};

} // namespace

BOOST_AUTO_TEST_SUITE(errors)

BOOST_AUTO_TEST_CASE(each_mistake_is_reported_with_file_line_key_and_what_would_be_right) {
    const bad_text table[] = {
        // keys
        {"\nhostnme = \"a.example\"", "t.toml:2: hostnme: is not an option here; did you mean \"hostname\"?"},
        {"[policy]\n", "t.toml:1: policy: is not a section here; did you mean \"policyd\"?"},
        {"[policyd]\n\nmax_conections = 5",
         "t.toml:3: policyd.max_conections: is not an option here; did you mean \"max_connections\"?"},
        {"max_part_depth = 5", "t.toml:1: max_part_depth: is not an option here; it belongs to [contentfilter]"},
        {"[log]\ncontact = \"x\"", "t.toml:2: log.contact: is not an option here; it belongs to the top of the file"},
        {"[log]\nxyzzyxyzzy = 1",
         "t.toml:2: log.xyzzyxyzzy: is not an option here; `postsluice config defaults` lists them all"},
        {"[profile.default.lock]\nfro = \"1 hour\"",
         "t.toml:2: profile.default.lock.fro: is not an option here; did you mean \"for\"?"},
        {"[profile.default]\nsymbols = { A = { scor = 1 } }",
         "t.toml:2: profile.default.symbols.A.scor: is not an option here; did you mean \"score\"?"},
        // kinds of value
        {"hostname = 5", "t.toml:1: hostname: must be a string, not a whole number"},
        {"mode = true", "t.toml:1: mode: must be a string, not true or false"},
        {"identify = \"sasl\"", "t.toml:1: identify: must be a list of strings, not a string"},
        {"identify = [\n\"sasl\",\n7]", "t.toml:3: identify: must be a string, not a whole number"},
        {"policyd = 7", "t.toml:1: policyd: must be a table, not a whole number; write [policyd]"},
        {"[policyd]\nmax_connections = \"5\"",
         "t.toml:2: policyd.max_connections: must be a whole number, not a string; 1 to 100000"},
        {"[policyd]\nmax_connections = 5.0",
         "t.toml:2: policyd.max_connections: must be a whole number, not a number with a fraction"},
        {"[policyd]\nlease = 600",
         "t.toml:2: policyd.lease: must be a string with a unit, not a whole number; as in \"30 minutes\""},
        {"[dkim]\nsign = \"yes\"", "t.toml:2: dkim.sign: must be true or false, not a string"},
        {"[dkim]\nsign = 2026-01-01", "t.toml:2: dkim.sign: must be true or false, not a date or time"},
        {"account = 5", "t.toml:1: account: must be a list of tables; write [[account]]"},
        {"[account]\nname = \"x\"", "t.toml:1: account: must be a list of tables; write [[account]]"},
        {"[profile]\ndefault = 5",
         "t.toml:2: profile.default: must be a table, not a whole number; write [profile.default]"},
        {"[profile.default]\nlock = \"1 virus\"",
         "t.toml:2: profile.default.lock: must be a table, not a string; write { ... }"},
        {"[profile.default]\nsymbols = { A = 5 }",
         "t.toml:2: profile.default.symbols.A: must be a table; write { score"},
        // ranges
        {"[policyd]\nmax_connections = 0", "t.toml:2: policyd.max_connections: 0 is out of range; 1 to 100000"},
        {"[policyd]\nmax_connections = -1", "t.toml:2: policyd.max_connections: -1 is out of range; 1 to 100000"},
        {"[policyd]\nmax_connections = 100001",
         "t.toml:2: policyd.max_connections: 100001 is out of range; 1 to 100000"},
        {"[policyd]\nidle_timeout = \"1099 s\"",
         "t.toml:2: policyd.idle_timeout: 1099 seconds is out of range; 1100 seconds to 1 day"},
        {"[state]\njournal_size = \"255 KiB\"",
         "t.toml:2: state.journal_size: 255 KiB is out of range; 256 KiB to 1 GiB"},
        {"[setup]\nreload_timeout = \"0 s\"",
         "t.toml:2: setup.reload_timeout: 0 seconds is out of range; 1 second to 10 minutes"},
        {"[contentfilter]\nrefund_timeout = \"31 s\"",
         "t.toml:2: contentfilter.refund_timeout: 31 seconds is out of range; 1 second to 30 seconds"},
        {"[contentfilter]\nbounce_statuses = [\"5.1.1\", \"4.1.1\"]",
         "t.toml:2: contentfilter.bounce_statuses: \"4.1.1\" is no status of a failure for good; as in \"5.1.1\""},
        {"[contentfilter]\nbounce_statuses = [\"5.1\"]",
         "t.toml:2: contentfilter.bounce_statuses: \"5.1\" is no status of a failure for good; as in \"5.1.1\""},
        {"[contentfilter]\nmax_refunds = 0", "t.toml:2: contentfilter.max_refunds: 0 is out of range; 1 to 100000"},
        {"[contentfilter]\nworker_idle = \"0 s\"",
         "t.toml:2: contentfilter.worker_idle: 0 seconds is out of range; 1 second to 1 day"},
        {"[contentfilter]\nrest_interval = \"0 s\"",
         "t.toml:2: contentfilter.rest_interval: 0 seconds is out of range; 1 second to 1 hour"},
        {"[policyd]\nrest_interval = \"2 hours\"",
         "t.toml:2: policyd.rest_interval: 2 hours is out of range; 1 second to 1 hour"},
        {"[policyd]\nlease = \"9999999999999999 days\"",
         "t.toml:2: policyd.lease: \"9999999999999999 days\" is out of range"},
        {"[policyd]\nlease = \"soon\"", "t.toml:2: policyd.lease: \"soon\" does not begin with a number; as in"},
        {"[policyd]\nmax_line = \"8 KiBi\"",
         "t.toml:2: policyd.max_line: \"kibi\" is not a unit; use B, KiB, MiB or GiB"},
        {"[profile.default]\nscores = { tag = 10001 }",
         "t.toml:2: profile.default.scores.tag: 10001 is out of range; -10000 to 10000"},
        {"[profile.default]\nscores = { tag = nan }", "t.toml:2: profile.default.scores.tag: nan is out of range"},
        {"[profile.default]\n\nscores = { tag = 20 }", "t.toml:3: profile.default.scores: the thresholds do not rise"},
        // words, names, addresses, networks
        {"mode = \"observ\"", "t.toml:1: mode: \"observ\" is not known here; did you mean \"observe\"?"},
        {"identify = []",
         "t.toml:1: identify: is empty; name at least one of \"sasl\", \"certificate\" or \"network\""},
        {"identify = [\"sasl\", \"sasl\"]", "t.toml:1: identify: \"sasl\" stands there twice"},
        {"hostname = \"-x.example\"", "t.toml:1: hostname: \"-x.example\" is not a domain"},
        {"abuse_address = \"abuse\"", "t.toml:1: abuse_address: \"abuse\" is not a mail address"},
        {"contact = \"a\\nb\"", "t.toml:1: contact: holds control characters"},
        {"[state]\ndirectory = \"var/lib\"", "t.toml:2: state.directory: \"var/lib\" is not an absolute path"},
        {"[policyd]\nlisten = []", "t.toml:2: policyd.listen: is empty; name at least one"},
        {"[policyd]\nlisten = [\"unix:x\"]", "t.toml:2: policyd.listen: \"unix:x\" has no absolute path"},
        {"[policyd]\nlisten = [\"inet:localhost:10031\"]",
         "t.toml:2: policyd.listen: \"inet:localhost:10031\" has no numeric address and port"},
        {"[policyd]\nlisten = [\"inet:127.0.0.1:0\"]",
         "t.toml:2: policyd.listen: \"inet:127.0.0.1:0\" has no port from 1 to 65535"},
        {"[contentfilter]\nlisten = [\"http:unix:/x\"]",
         "t.toml:2: contentfilter.listen: \"http:unix:/x\" is not an endpoint"},
        {"[contentfilter]\ntrusted = [\"192.0.2.1/24\"]",
         "t.toml:2: contentfilter.trusted: \"192.0.2.1/24\" has bits beyond its prefix; write it as in"},
        {"[contentfilter]\ntrusted = [\"192.0.2.0/33\"]",
         "t.toml:2: contentfilter.trusted: \"33\" is not a prefix length of 0 to 32"},
        {"[contentfilter]\ntrusted = [\"here\"]", "t.toml:2: contentfilter.trusted: \"here\" is not an IP address"},
        {"[dkim]\nheaders = [\"From:\"]", "t.toml:2: dkim.headers: \"From:\" is not the name of a header field"},
        {"[log]\nlevel = \"warn\"", "t.toml:2: log.level: \"warn\" is not known here; did you mean"},
        // limits, triggers, from
        {"[profile.default]\nlimits = [\n  \"30 messages per minute\",\n  \"30 recipents per hour\"]",
         "t.toml:4: profile.default.limits: \"recipents\" is not a unit; did you mean \"recipients\"?"},
        {"[profile.default]\nlimits = [\"3 messages per 60 minutes\", \"4 messages per hour\"]",
         "t.toml:2: profile.default.limits: \"messages per hour\" is limited twice; keep one of the two"},
        {"[profile.default]\nlock = { after = [\"1 virsu\"] }",
         "t.toml:2: profile.default.lock.after: \"virsu\" is not a kind of strike; did you mean \"virus\"?"},
        {"[profile.default]\nfrom = \"own-domian\"",
         "t.toml:2: profile.default.from: \"own-domian\" is not known here; did you mean \"own-domain\"?"},
        {"[profile.default]\nfrom = \"a@example.org\"",
         "t.toml:2: profile.default.from: addresses and domains stand in a list; write [\"a@example.org\"]"},
        {"[profile.default]\nfrom = \"hash:/etc/postfix/x\"",
         "t.toml:2: profile.default.from: \"hash:/etc/postfix/x\" is not a map of a type that is read here"},
        {"[profile.default]\nfrom = [\"@example.org\", \"lmdb:x\"]",
         "t.toml:2: profile.default.from: \"lmdb:x\" has no absolute path"},
        {"[profile.default]\nfrom = []", "t.toml:2: profile.default.from: an empty list lets nobody send"},
        {"[profile.default]\nfrom = [\"example.org\"]", "t.toml:2: profile.default.from: \"example.org\" is neither an "
                                                        "address nor \"@domain\"; did you mean \"@example.org\"?"},
        // names of rules and checks
        {"[profile.default]\nobserve_rules = [\"limit\"]",
         "t.toml:2: profile.default.observe_rules: \"limit\" is not known here; did you mean \"limits\"?"},
        {"[policyd]\non_error_of = { from_adress = \"dunno\" }",
         "t.toml:2: policyd.on_error_of.from_adress: \"from_adress\" is not known here; did you mean "
         "\"from_address\"?"},
        {"[policyd]\non_error_of = { limits = \"pass\" }",
         "t.toml:2: policyd.on_error_of.limits: \"pass\" is not known here"},
        {"[profile.default]\ndisabled_checks = [\"pattern\"]",
         "t.toml:2: profile.default.disabled_checks: \"pattern\" is not known here; did you mean \"patterns\"?"},
        // profiles, accounts, assignments
        {"[profile.\"a b\"]\nmode = \"enforce\"", "t.toml:1: profile: \"a b\" is not a name"},
        {"[profile.a]\ninherits = \"defualt\"", "t.toml:2: profile.a.inherits: there is no such profile: \"defualt\" "
                                                "is not known here; did you mean \"default\"?"},
        {"[[account]]\nnetwork = [\"192.0.2.1\"]\ndomains = [\"a.example\"]", "t.toml:1: account.name: is missing"},
        {"[[account]]\nname = \"uid:5\"", "t.toml:2: account.name: \"uid:5\" means something else already"},
        {"[[account]]\nname = \"Domain:example.org\"", "t.toml:2: account.name: \"Domain:example.org\" means something "
                                                       "else already; choose a name that does not begin with "
                                                       "\"domain:\""},
        {"[[account]]\nname = \"-\"", "t.toml:2: account.name: \"-\" means something else already; choose a name that "
                                      "is not \"-\""},
        {"[[customer]]\nname = \"sender-domain:x\"\ndomains = [\"a.example\"]",
         "t.toml:2: customer.name: \"sender-domain:x\" means something else already"},
        {"[[customer]]\ndomains = [\"a.example\"]", "t.toml:1: customer.name: is missing"},
        {"[[customer]]\nname = \"acme\"", "t.toml:1: customer: is nobody; name its domains or accounts"},
        {"[[customer]]\nname = \"acme\"\ndomains = [\"a.example\"]\n[[customer]]\nname = \"Acme\"\ndomains = "
         "[\"b.example\"]",
         "t.toml:5: customer.name: \"Acme\" is the name of another customer, in line 2"},
        {"[[account]]\nname = \"press\"\n[[customer]]\nname = \"acme\"\naccount = [\n\"uid:7\", \"p*\",\n\"pres\"]",
         "t.toml:7: customer.account: there is no such account: \"pres\" is not known here; did you mean \"press\"?"},
        {"[[assign]]\nprofile = \"default\"\naccount = [\"shop\"]",
         "t.toml:3: assign.account: there is no such account: \"shop\"; there are no [[account]]"},
        {"[[customer]]\nname = \"acme\"\ndomains = [\"a.example\"]\n[[assign]]\nprofile = \"default\"\ncustomer = "
         "[\"ACME\", \"acne\"]",
         "t.toml:6: assign.customer: there is no such customer: \"acne\" is not known here; did you mean \"acme\"?"},
        {"[[account]]\nname = \"press\"\ncertificate = [\""
         "AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99\"]",
         "t.toml:1: account.domains: \"press\" is known by its certificate and has no domain of its own"},
        {"[[account]]\nname = \"press\"\ncertificate = [\"\"]",
         "t.toml:3: account.certificate: \"\" is no fingerprint"},
        {"[[account]]\nname = \"a\"\n[[account]]\nname = \"A\"",
         "t.toml:4: account.name: \"A\" is the name of another account, in line 2"},
        {"[[account]]\nname = \"shop\"\nnetwork = [\"192.0.2.1\"]",
         "t.toml:1: account.domains: \"shop\" is known by its network and has no domain of its own"},
        {"[profile.default]\nfrom = \"own-address\"\n[[account]]\nname = \"shop\"\nnetwork = [\"192.0.2.1\"]\ndomains "
         "= [\"a.example\"]",
         "t.toml:3: account.aliases: \"shop\" is known by its network and has no address of its own"},
        {"[[account]]\nname = \"erp\"\nlogin = [\"erp\", \"erp2\"]",
         "t.toml:1: account.domains: \"erp\" is known by its login, which has no domain (nor is there a "
         "default_domain), and has no domain of its own"},
        {"[profile.default]\ndisabled_groups = [\"url\"]",
         "t.toml:2: profile.default.disabled_groups: \"url\" is not known here; did you mean \"urls\"?"},
        {"[[assign]]\nlogin = [\"a\"]", "t.toml:1: assign.profile: is missing"},
        {"[[assign]]\nprofile = \"defalt\"\nlogin = [\"a\"]",
         "t.toml:2: assign.profile: there is no such profile: \"defalt\" is not known here; did you mean \"default\"?"},
        {"[[assign]]\nprofile = \"default\"", "t.toml:1: assign: assigns to nobody"},
        // [[settings]]
        {"[settings]\nname = \"x\"", "t.toml:1: settings: must be a list of tables; write [[settings]]"},
        {"[[settings]]\nname = \"x\"\nacount = [\"a@b\"]\norigin = [\"local\"]\nscores = { tag = 1 }",
         "t.toml:3: settings.acount: is not an option here; did you mean \"account\"?"},
        {"[[settings]]\naccount = [\"a@b\"]\nscores = { tag = 1 }",
         "t.toml:1: settings.name: is missing; settings need a name, for the log"},
        {"[[settings]]\nname = \"x\"\nscores = { tag = 1 }",
         "t.toml:1: settings: match every message; name an account"},
        {"[[settings]]\nname = \"x\"\naccount = [\"a@b\"]", "t.toml:1: settings: change nothing; name scores"},
        {"[[settings]]\nname = \"x\"\naccount = [\"shop\"]\nscores = { tag = 1 }",
         "t.toml:3: settings.account: there is no such account: \"shop\"; there are no [[account]]"},
        {"[[settings]]\nname = \"x\"\norigin = [\"locl\"]\nscores = { tag = 1 }",
         "t.toml:3: settings.origin: \"locl\" is not known here; did you mean \"local\"?"},
        {"[[settings]]\nname = \"x\"\nheader = [\"List-Id\"]\nscores = { tag = 1 }",
         "t.toml:3: settings.header: \"List-Id\" is not the name of a header field, a colon and a pattern; as in"},
        {"[[settings]]\nname = \"x\"\nsender = [\"example.org\"]\nscores = { tag = 1 }",
         "t.toml:3: settings.sender: \"example.org\" is no address or domain; as in"},
        {"[[settings]]\nname = \"x\"\norigin = [\"local\"]\ndisabled_groups = [\"url\"]",
         "t.toml:4: settings.disabled_groups: \"url\" is not known here; did you mean \"urls\"?"},
        {"[[settings]]\nname = \"x\"\norigin = [\"local\"]\nscores = { tag = \"profil\" }",
         "t.toml:4: settings.scores.tag: \"profil\" is not known here; did you mean \"profile\"?"},
        {"[[settings]]\nname = \"x\"\norigin = [\"local\"]\nscores = { tag = 9, reject = 8 }",
         "t.toml:4: settings.scores: the thresholds do not rise"},
        {"[[settings]]\nname = \"x\"\norigin = [\"local\"]\nscores = { tag = 9 }\n"
         "[[settings]]\nname = \"x\"\norigin = [\"local\"]\nscores = { tag = 8 }",
         "t.toml:6: settings.name: \"x\" is the name of other settings, in line 2; choose another"},
        {"[[settings]]\nname = \"x\"\norigin = [\"local\"]\ndisabled_checks = [\"size\"]\nenabled_checks = [\"size\"]",
         "t.toml:5: settings.enabled_checks: \"size\" is enabled and disabled; keep one of the two"},
        {"[[settings]]\nname = \"x\"\norigin = [\"authenticated\"]\nheader = [\"X-A: 1\"]\ndisabled_checks = "
         "[\"size\"]",
         "t.toml:5: settings.disabled_checks: loosens, but the settings match on what any sender can write; add "
         "account"},
        {"[[settings]]\nname = \"x\"\naccount = [\"*\"]\nheader = [\"X-A: 1\"]\ndisabled_groups = [\"size\"]",
         "t.toml:5: settings.disabled_groups: loosens, but"},
        {"[[settings]]\nname = \"x\"\nnetwork = [\"0.0.0.0/0\"]\nsender = [\"<>\"]\n"
         "symbols = { A = { enabled = false } }",
         "t.toml:5: settings.symbols.A: enabled = false loosens, but"},
        // two values that do not go together
        {"[policyd]\nmax_request = \"1 KiB\"", "t.toml:2: policyd.max_request: is smaller than max_line"},
        {"[policyd]\nticket_key_rotation = \"2 days\"\nticket_key_retention = \"1 day\"",
         "t.toml:3: policyd.ticket_key_retention: is shorter than ticket_key_rotation"},
        {"[contentfilter]\nlisten = []", "t.toml:2: contentfilter.listen: is empty, and so are listen_before_queue and "
                                         "listen_pipe; name at least one way in"},
        {"[contentfilter]\nlisten_before_queue = [\"unix:/x\"]\ncheck_timeout = \"90 s\"",
         "t.toml:3: contentfilter.check_timeout: is not shorter than deadline_before_queue; make it so"},
        {"[contentfilter]\nmail_owner = \"a b\"", "t.toml:2: contentfilter.mail_owner: \"a b\" is not a name"},
        {"[contentfilter]\nlisten_pipe = [\"lmtp:unix:/x\"]", "t.toml:2: contentfilter.listen_pipe: \"lmtp:unix:/x\""},
        {"[contentfilter]\ncheck_timeout = \"9 minutes\"",
         "t.toml:2: contentfilter.check_timeout: is not shorter than deadline"},
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.text) {
            const auto loaded = load_text(row.text, "t.toml");
            BOOST_TEST((loaded.settings == nullptr));
            const auto found = messages(loaded.errors);
            BOOST_TEST_CONTEXT(joined(found)) {
                BOOST_REQUIRE(found.size() == 1U);
                BOOST_TEST(found[0].starts_with(row.says));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_circle_of_profiles_is_reported_and_does_not_hang) {
    for (const auto* text :
         {"[profile.a]\ninherits = \"a\"\n",
          "[profile.a]\ninherits = \"b\"\n[profile.b]\ninherits = \"c\"\n[profile.c]\ninherits = \"a\"\n"}) {
        BOOST_TEST_CONTEXT(text) {
            const auto found = messages(load_text(text).errors);
            BOOST_TEST_CONTEXT(joined(found)) {
                BOOST_REQUIRE(found.size() == 1U);
                BOOST_TEST(found[0].find("profiles inherit in a circle: a -> ") != std::string::npos);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(all_of_a_dozen_mistakes_are_reported_at_once_in_the_order_of_the_file) {
    const auto loaded = load_text(R"(mode = "on"
contcat = "x"
identify = ["sasl", "cookie"]
[policyd]
listen = ["tcp"]
max_connections = 0
max_line = "a lot"
[contentfilter]
threads = "two"
trusted = ["10.0.0.1/8"]
[dkim]
signer = "mine"
[profile.default]
limits = ["30 massages per minute", "5 messages per moment"]
from = "own"
[profile.more]
inherits = "les"
[[account]]
name = ""
[[assign]]
profile = "x"
login = ["a"]
)",
                                  "ten.toml");
    std::vector<unsigned> found;
    for (const auto& error : loaded.errors)
        found.push_back(error.line);
    const std::vector<unsigned> expected = {1, 2, 3, 5, 6, 7, 9, 10, 12, 14, 14, 15, 17, 19, 21};
    BOOST_TEST_CONTEXT(joined(messages(loaded.errors))) {
        BOOST_TEST(found == expected, boost::test_tools::per_element());
    }
    BOOST_TEST((loaded.settings == nullptr));
}

BOOST_AUTO_TEST_CASE(text_that_is_not_toml_is_one_error_with_its_line) {
    const bad_text table[] = {
        {"a = \"x\"\nb = \n", "t.toml:2: this is not TOML: "},
        {"\n\n[policyd\nmax_line = 1", "t.toml:3: this is not TOML: "},
        {"hostname = \"a\"\nhostname = \"b\"\n", "t.toml:2: this is not TOML: "},
        {"contact = \"\xff\"", "t.toml:1: this is not TOML: "},
        {"[\n\"a", "t.toml: this is not TOML"}, // toml++ asserts that this cannot be
    };
    for (const auto& row : table) {
        BOOST_TEST_CONTEXT(row.text) {
            const auto found = messages(load_text(row.text, "t.toml").errors);
            BOOST_TEST_CONTEXT(joined(found)) {
                BOOST_REQUIRE(found.size() == 1U);
                BOOST_TEST(found[0].starts_with(row.says));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_file_over_four_mebioctets_is_refused_and_one_of_them_is_not) {
    const std::string comment = "# " + std::string((4U << 20U) - 2, 'x');
    BOOST_TEST((load_text(comment).settings != nullptr));
    const auto found = messages(load_text(comment + "x", "big.toml").errors);
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].starts_with("big.toml: the file is larger than 4 MiB"));
}

BOOST_AUTO_TEST_CASE(deep_nesting_is_an_error_and_no_crash) {
    const auto loaded = load_text("x = " + std::string(100'000, '['));
    BOOST_TEST((loaded.settings == nullptr));
    BOOST_TEST(loaded.errors.size() == 1U);
}

BOOST_AUTO_TEST_CASE(more_than_fifty_limits_are_too_many_with_the_inherited_ones) {
    std::string fifty;
    for (int k = 1; k <= 50; ++k)
        fifty += "\"1 messages per " + std::to_string(k) + " minutes\",";
    const auto base = "[profile.a]\nlimits = [" + fifty + "]\n";
    BOOST_TEST((load_text(base).settings != nullptr));
    const auto found = messages(
        load_text(base + "[profile.b]\ninherits = \"a\"\nlimits = [\"1 messages per 51 minutes\"]\n", "t").errors);
    BOOST_TEST_CONTEXT(joined(found)) {
        BOOST_REQUIRE(found.size() == 1U);
        BOOST_TEST(found[0].starts_with("t:5: profile.b.limits: 51 limits are too many; 50 at most"));
    }
}

BOOST_AUTO_TEST_CASE(what_a_file_holds_reaches_a_message_printable_only) {
    const auto loaded = load_text("\"ho\\u001bst\" = 1\nmode = \"\\u0007bell\"\n");
    BOOST_TEST(loaded.errors.size() == 2U);
    for (const auto& error : loaded.errors) {
        const auto text = error.message();
        BOOST_TEST_CONTEXT(text) {
            BOOST_TEST(
                std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
