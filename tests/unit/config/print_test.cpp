// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "fixture.hpp"

#include "shared/config/print.hpp"

#include <set>

using namespace postsluice;
using namespace postsluice::config;
using namespace postsluice::config::testing;

namespace {

settings_ptr good(const std::string& text) {
    auto loaded = load_text(text);
    BOOST_TEST_CONTEXT(joined(messages(loaded.errors))) {
        BOOST_REQUIRE(loaded.settings != nullptr);
    }
    return loaded.settings;
}

/// Printed, without the host's own name, which an empty hostname turns into.
std::string printed(const settings& s) {
    auto copy = s;
    copy.hostname.clear();
    return print_settings(copy);
}

/// The sample with the comment sign taken off each option, and off the headers of the lists.
std::string uncommented(const std::string& sample) {
    std::string out;
    for (std::size_t from = 0; from < sample.size();) {
        const auto end = std::min(sample.find('\n', from), sample.size());
        auto line = sample.substr(from, end - from);
        if (line.size() > 1 && line[0] == '#' && line[1] != ' ') line.erase(0, 1);
        out += line + "\n";
        from = end + 1;
    }
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(print)

BOOST_AUTO_TEST_CASE(the_printed_defaults_load_and_yield_the_defaults_again) {
    const auto text = print_defaults();
    const auto loaded = good(text);
    BOOST_TEST(printed(*loaded) == text);
    BOOST_TEST(printed(*good("")) == text); // an empty file is the same
}

BOOST_AUTO_TEST_CASE(settings_that_differ_everywhere_survive_printing_and_loading) {
    const std::string text = R"(hostname = "mx.example.org"
mode = "observe"
contact = 'say "no" \ 5%'
default_domain = "example.org"
identify = ["network"]
[state]
map_size = "3 MiB"
[policyd]
accounting = "recipient"
on_error = "dunno"
[contentfilter]
trusted = ["10.0.0.0/8", "2001:db8::/32"]
no_ticket = "hold"
on_error = "pass"
spool_memory = "0 B"
[dkim]
sign = false
signer = "libopendkim"
oversign = []
oversign_present = []
[profile."a.b"]
limits = ["unlimited messages per 3 hours", "0 recipients per 2 minutes"]
from = ["@example.org", "x@example.net"]
header_from = false
when_locked = "reject"
lock = { after = [], for = "90 seconds", automatic_unlocks = 7 }
scores = { tag = 0.1, hold = 0.25, reject = 1e3 }
symbols = { GTUBE = { score = -2.5, action = "discard" }, EICAR = { enabled = false } }
disabled_checks = ["patterns"]
disabled_groups = ["urls", "content"]
subject_prefix = "[ü] "
tag_header = false
remove_headers = ["X-Mailer"]
max_message_size = "7 B"
max_attachment_size = "6 B"
max_attachments = 5
[[account]]
name = "shop"
login = ["shop@example.org"]
network = ["192.0.2.9"]
domains = ["shop.example"]
aliases = ["orders@shop.example"]
[[assign]]
profile = "a.b"
account = ["sh*"]
[[settings]]
name = "bulk"
priority = 7
account = ["sh*"]
login_domain = ["*.shop.example"]
network = ["192.0.2.0/24"]
origin = ["local", "authenticated"]
sender = ["<>", "@shop.example"]
recipient = ["@*.example.net"]
header = ["List-Id: *shop*"]
scores = { hold = 0, reject = 20.5 }
symbols = { MANY_URLS = { score = 0 }, EICAR = { enabled = false }, GTUBE = {} }
disabled_checks = ["shape"]
disabled_groups = ["reputation", "urls"]
enabled_checks = ["links"]
enabled_groups = ["headers"]
)";
    const auto first = good(text);
    const auto again = good(print_settings(*first));
    BOOST_TEST(print_settings(*again) == print_settings(*first));
    const auto& one = *first->profiles.at("a.b");
    const auto& two = *again->profiles.at("a.b");
    BOOST_TEST((one.limits == two.limits));
    BOOST_TEST((one.from == two.from));
    BOOST_TEST((one.lock == two.lock));
    BOOST_TEST((one.symbols == two.symbols));
    BOOST_TEST(two.tag_score == 0.1);
    BOOST_TEST(two.symbols.at("GTUBE").score.value() == -2.5);
    BOOST_TEST(!two.symbols.at("EICAR").score.has_value());
    BOOST_TEST(again->contact == "say \"no\" \\ 5%");
    BOOST_TEST(again->accounts.at(0).network.at(0).to_string() == "192.0.2.9/32");
}

BOOST_AUTO_TEST_CASE(the_sample_loads_as_it_is_and_is_the_defaults) {
    BOOST_TEST(printed(*good(print_sample())) == print_defaults());
}

BOOST_AUTO_TEST_CASE(the_sample_loads_with_every_option_taken_in) {
    const auto s = good(uncommented(print_sample()));
    BOOST_TEST(s->accounts.size() == 1U);
    BOOST_TEST(s->assigns.size() == 1U);
}

BOOST_AUTO_TEST_CASE(the_sample_names_every_option_and_explains_it) {
    const auto sample = print_sample();
    for (const auto& option : describe_options()) {
        BOOST_TEST_CONTEXT(option.key) {
            auto name = option.key;
            for (const std::string section : {"profile.NAME.", "account.", "assign.", "settings."})
                if (name.starts_with(section)) name.erase(0, section.size());
            if (name == option.key && name.find('.') != std::string::npos) name.erase(0, name.find('.') + 1);
            BOOST_TEST(sample.find("\n#" + name + " = ") != std::string::npos);
            BOOST_TEST(option.help.ends_with("."));
            BOOST_TEST(!option.range.empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(every_option_is_described_once) {
    std::set<std::string> keys;
    for (const auto& option : describe_options())
        BOOST_TEST(keys.insert(option.key).second, option.key);
    for (const auto* key : {"hostname", "policyd.max_connections", "contentfilter.max_header", "dkim.oversign",
                            "profile.NAME.lock.for", "account.network", "assign.login"})
        BOOST_TEST(keys.contains(key), key);
}

BOOST_AUTO_TEST_CASE(the_sample_has_no_long_comment_lines) {
    const auto sample = print_sample();
    for (std::size_t from = 0, end = 0; from < sample.size(); from = end + 1) {
        end = std::min(sample.find('\n', from), sample.size());
        const auto line = sample.substr(from, end - from);
        if (line.starts_with("# ")) BOOST_TEST(line.size() <= 110U, line);
    }
}

BOOST_AUTO_TEST_SUITE_END()
