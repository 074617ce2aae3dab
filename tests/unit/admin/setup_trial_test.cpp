// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "admin/setup/main_cf.hpp"
#include "admin/setup/master_cf.hpp"
#include "admin/setup/trial_config.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice::admin::setup;

namespace {

constexpr way all_ways[] = {way::lmtp, way::smtp, way::before_queue, way::pipe};
const trial_place place{"/run/postsluice-setup-x", "postsluice-setup@mail.example.org"};

file_set example(way w) {
    return {{"main.cf", fitted_example(w, "main.cf", {})}, {"master.cf", fitted_example(w, "master.cf", {})}};
}

std::string value(const file_set& files, const char* name) {
    return value_of(logical_lines{files.at("main.cf")}, name).value_or("(none)");
}

} // namespace

BOOST_AUTO_TEST_SUITE(setup_trial)

BOOST_AUTO_TEST_CASE(nothing_listens_on_the_network_and_no_mail_leaves) {
    for (const auto w : all_ways) {
        BOOST_TEST_CONTEXT(to_string(w)) {
            const auto files = trial_files(example(w), w, {}, place);
            const logical_lines master{files.at("master.cf")};
            for (const auto& one : master.pieces)
                if (const auto s = service::of(one)) BOOST_TEST(s->get(column::type) != "inet", s->label());
            for (const char* one : {"default_transport", "relay_transport", "local_transport", "virtual_transport"})
                BOOST_TEST(value(files, one) == "discard:");
            BOOST_TEST(value(files, "relayhost").empty());
            BOOST_TEST(value(files, "queue_directory") == "/run/postsluice-setup-x/queue");
            BOOST_TEST(find_service(master, "postsluice-trial/unix").has_value());
        }
    }
}

BOOST_AUTO_TEST_CASE(a_line_that_a_later_one_overrides_is_left_out) {
    auto wanted = example(way::lmtp);
    wanted["main.cf"] = "mynetworks = 192.0.2.1\nmyhostname = a.example\n# why\nmyhostname = b.example\n" +
                        wanted["main.cf"] + "\nmyhostname = c.example\n";
    const auto files = trial_files(wanted, way::lmtp, {}, place);
    BOOST_TEST(value(files, "myhostname") == "c.example");
    BOOST_TEST(files.at("main.cf").find("a.example") == std::string::npos);
    BOOST_TEST(files.at("main.cf").find("b.example") == std::string::npos);
    BOOST_TEST(files.at("main.cf").find("192.0.2.1") == std::string::npos); // the example has its own further down
}

BOOST_AUTO_TEST_CASE(the_way_back_puts_off_all_mail_but_the_trials) {
    const logical_lines master{trial_files(example(way::lmtp), way::lmtp, {}, place).at("master.cf")};
    const auto back = *service::of(master.pieces[*find_service(master, "postsluice-reentry/unix")]);
    BOOST_TEST(back.find("smtpd_recipient_restrictions").value() ==
               "check_recipient_access inline:{postsluice-setup@mail.example.org=OK}, defer");
}

BOOST_AUTO_TEST_SUITE_END()
