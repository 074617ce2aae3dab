// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "admin/setup/main_cf.hpp"
#include "admin/setup/master_cf.hpp"
#include "admin/setup/plan.hpp"
#include "admin/setup/take_back.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

using namespace postsluice::admin::setup;

namespace {

constexpr way all_ways[] = {way::lmtp, way::smtp, way::before_queue, way::pipe};

// As an admin may have it: own comments, tabs, options that stay.
const file_set plain{
    {"main.cf", "# ours\nmyhostname = mail.example.org\nsmtpd_data_restrictions = reject_unauth_pipelining\n"
                "enable_long_queue_ids = no\n\n# the end\n"},
    {"master.cf",
     "smtp      inet  n       -       y       -       -       smtpd\n"
     "# users\n"
     "submission inet n       -       y       -       -       smtpd\n"
     "\t-o smtpd_sasl_auth_enable=yes\n"
     "\t-o smtpd_recipient_restrictions=check_policy_service,inet:127.0.0.1:10040,permit_sasl_authenticated,reject\n"
     "pickup    unix  n       -       y       60      1       pickup\n"
     "# the end"}};

service at(const file_set& files, const char* label) {
    const logical_lines master{files.at("master.cf")};
    const auto index = find_service(master, label);
    BOOST_TEST_REQUIRE(index.has_value(), label << " in " << files.at("master.cf"));
    return *service::of(master.pieces[*index]);
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    const auto where = text.find(what);
    BOOST_TEST_REQUIRE(where != std::string::npos, what);
    return text.replace(where, what.size(), by);
}

bool says(const std::vector<std::string>& list, std::string_view what) {
    return std::ranges::any_of(list, [&](const std::string& one) { return one.find(what) != std::string::npos; });
}

/// Everything that names us, in what Postfix would read.
bool leads_to_us(const file_set& files) {
    for (const auto& [name, text] : files)
        for (const auto& one : logical_lines{text}.pieces)
            if (one.entry && one.raw.find("postsluice") != std::string::npos) return true;
    return false;
}

} // namespace

BOOST_AUTO_TEST_SUITE(setup_plan)

BOOST_AUTO_TEST_CASE(the_policy_service_comes_first_in_all_three_lists_and_the_rest_stays) {
    const auto done = plan(plain, way::lmtp, {});
    BOOST_TEST(done.obstacles.empty());
    const auto s = at(done.files, "submission/inet");
    BOOST_TEST(s.find("smtpd_recipient_restrictions").value() ==
               "$postsluice_policy, check_policy_service,inet:127.0.0.1:10040,permit_sasl_authenticated,reject");
    BOOST_TEST(s.find("smtpd_data_restrictions").value() == "$postsluice_policy, reject_unauth_pipelining");
    BOOST_TEST(s.find("smtpd_end_of_data_restrictions").value() == "$postsluice_policy");
    BOOST_TEST(s.find("content_filter").value() == "postsluice:unix:postsluice/filter");
    BOOST_TEST(at(done.files, "pickup/unix").find("content_filter").value() == "postsluice:unix:postsluice/filter");
    BOOST_TEST(!at(done.files, "smtp/inet").find("content_filter"));
    BOOST_TEST(value_of(logical_lines{done.files.at("main.cf")}, "enable_long_queue_ids").value() == "yes");
    BOOST_TEST(says(done.notes, "inet:127.0.0.1:10040"));
    BOOST_TEST(says(done.notes, "a copy of main.cf's smtpd_data_restrictions"));
}

BOOST_AUTO_TEST_CASE(an_example_without_its_parts_gets_them_back) {
    for (const auto w : all_ways) {
        BOOST_TEST_CONTEXT(to_string(w)) {
            // The example, and the same without anything of ours.
            const file_set example{{"main.cf", fitted_example(w, "main.cf", {})},
                                   {"master.cf", fitted_example(w, "master.cf", {})}};
            auto bare = example;
            logical_lines main{example.at("main.cf")}, master{example.at("master.cf")};
            std::erase_if(main.pieces,
                          [](const piece& p) { return postsluice::admin::setup::is_ours(parameter_name(p)); });
            std::erase_if(master.pieces, [](const piece& p) {
                const auto s = service::of(p);
                return s && postsluice::admin::setup::is_ours(s->get(column::name));
            });
            for (auto& p : master.pieces) {
                auto s = service::of(p);
                if (!s) continue;
                for (const auto& o : s->options()) {
                    if (o.name == "content_filter" || o.name == "smtpd_proxy_filter") s->erase(o.name);
                    const auto rest = without_policy(o.value);
                    if (rest == o.value) continue;
                    if (rest.empty())
                        s->erase(o.name);
                    else
                        s->set(o.name, rest);
                }
                p.raw = s->raw();
            }
            bare["main.cf"] = main.text();
            bare["master.cf"] = master.text();
            BOOST_TEST(!leads_to_us(bare));
            const auto done = plan(bare, w, {});
            BOOST_TEST(done.obstacles.empty());
            const logical_lines made_main{done.files.at("main.cf")}, wanted_main{example.at("main.cf")};
            for (const auto& p : wanted_main.pieces)
                if (const auto name = parameter_name(p); !name.empty())
                    BOOST_TEST(value_of(made_main, name).value_or("missing") == parameter_value(p), name);
            const logical_lines made{done.files.at("master.cf")}, wanted{example.at("master.cf")};
            for (const auto& p : wanted.pieces) {
                const auto s = service::of(p);
                if (!s) continue;
                const auto is = at(done.files, s->label().c_str());
                BOOST_TEST(is.options().size() == s->options().size(), s->label());
                for (const auto& o : s->options())
                    BOOST_TEST(is.find(o.name).value_or("missing") == o.value, s->label() << ' ' << o.name);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(planned_twice_is_planned_once_and_taken_back_is_as_before) {
    for (const auto w : all_ways) {
        BOOST_TEST_CONTEXT(to_string(w)) {
            const auto once = plan(plain, w, {}).files;
            BOOST_TEST((once != plain));
            BOOST_TEST((plan(once, w, {}).files == once));
            const auto half = draining(plain, once);
            BOOST_TEST((take_back(once, once, half, plain) == plain));
            const auto drained = take_back(once, once, half, half);
            BOOST_TEST((drained == half));
            BOOST_TEST((take_back(drained, once, half, plain) == plain));
            BOOST_TEST((take_back(plain, once, half, plain) == plain));
            for (const char* name : {"main.cf", "master.cf"}) { // killed between the two
                auto mixed = once;
                mixed[name] = plain.at(name);
                BOOST_TEST((take_back(mixed, once, half, plain) == plain));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(while_mail_is_queued_the_transport_and_the_way_back_stay_and_nothing_leads_there) {
    const auto half = draining(plain, plan(plain, way::lmtp, {}).files);
    at(half, "postsluice/unix");
    at(half, "postsluice-reentry/unix");
    BOOST_TEST(!at(half, "submission/inet").find("content_filter"));
    BOOST_TEST(!at(half, "pickup/unix").find("content_filter"));
    BOOST_TEST(!value_of(logical_lines{half.at("main.cf")}, "postsluice_policy"));
    BOOST_TEST(value_of(logical_lines{half.at("main.cf")}, "postsluice_destination_recipient_limit").value() == "1000");
}

BOOST_AUTO_TEST_CASE(what_the_admin_edited_since_stays_without_our_parts) {
    const auto once = plan(plain, way::lmtp, {}).files;
    auto edited = once;
    edited["main.cf"] = replaced(edited["main.cf"], "mail.example.org", "mx.example.org") + "relayhost = [192.0.2.1]\n";
    auto& master = edited["master.cf"];
    master = replaced(master, "permit_sasl_authenticated,reject",
                      "reject_non_fqdn_recipient,permit_sasl_authenticated,reject");
    master = replaced(master, "60      1       pickup", "30      1       pickup");
    // a service that he copied from ours
    master += "10587 inet n - y - - smtpd\n  -o content_filter=postsluice:unix:postsluice/filter\n"
              "  -o { smtpd_data_restrictions = $postsluice_policy }\n  -o { smtpd_recipient_restrictions = reject_x, "
              "$postsluice_policy, permit }\n";
    const auto back = take_back(edited, once, draining(plain, once), plain);
    BOOST_TEST(!leads_to_us(back));
    const logical_lines main{back.at("main.cf")};
    BOOST_TEST(value_of(main, "myhostname").value() == "mx.example.org");
    BOOST_TEST(value_of(main, "relayhost").value() == "[192.0.2.1]");
    BOOST_TEST(value_of(main, "enable_long_queue_ids").value() == "no");
    BOOST_TEST(at(back, "submission/inet").find("smtpd_recipient_restrictions").value() ==
               "check_policy_service,inet:127.0.0.1:10040,reject_non_fqdn_recipient,permit_sasl_authenticated,reject");
    BOOST_TEST(!at(back, "submission/inet").find("smtpd_data_restrictions"));
    BOOST_TEST(at(back, "pickup/unix").get(column::wakeup) == "30");
    BOOST_TEST(at(back, "10587/inet").find("smtpd_recipient_restrictions").value() == "reject_x, permit");
    BOOST_TEST(back.at("master.cf").find("[postsluice]") == std::string::npos);
    BOOST_TEST(back.at("main.cf").find("[postsluice]") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_filter_that_was_there_gets_the_mail_after_ours) {
    auto with = plain;
    with["main.cf"] += "\ncontent_filter = smtp-amavis:[127.0.0.1]:10024\nsmtpd_milters = unix:opendkim/sock\n";
    const auto done = plan(with, way::lmtp, {});
    BOOST_TEST(done.obstacles.empty());
    BOOST_TEST(at(done.files, "submission/inet").find("content_filter").value() == "postsluice:unix:postsluice/filter");
    BOOST_TEST(at(done.files, "postsluice-reentry/unix").find("content_filter").value() ==
               "smtp-amavis:[127.0.0.1]:10024");
    BOOST_TEST(says(done.notes, "smtp-amavis:[127.0.0.1]:10024 stays, after Postsluice"));
    BOOST_TEST(says(done.notes, "unix:opendkim/sock"));
    BOOST_TEST(says(done.notes, "looks like OpenDKIM"));
    BOOST_TEST(at(done.files, "postsluice-hold/unix").find("content_filter").value() ==
               "smtp-amavis:[127.0.0.1]:10024");
    BOOST_TEST((plan(done.files, way::lmtp, {}).files == done.files));
}

BOOST_AUTO_TEST_CASE(a_proxy_filter_of_somebody_else_is_an_obstacle) {
    auto with = plain;
    with["master.cf"] = replaced(with["master.cf"], "\t-o smtpd_sasl_auth_enable=yes\n",
                                 "\t-o smtpd_sasl_auth_enable=yes\n\t-o smtpd_proxy_filter=127.0.0.1:10024\n");
    for (const auto w : all_ways)
        BOOST_TEST(says(plan(with, w, {}).obstacles, "smtpd_proxy_filter = 127.0.0.1:10024"), to_string(w));
}

BOOST_AUTO_TEST_CASE(parameters_that_this_postfix_does_not_know_are_left_out_and_the_admins_choices_stay) {
    auto with = plain;
    with["main.cf"] = replaced(with["main.cf"], "# the end\n", "smtpd_forbid_bare_newline = reject\n");
    site s;
    s.knows = [](const std::string& name) { return name != "smtpd_forbid_bare_newline_exclusions"; };
    const auto done = plan(with, way::lmtp, s);
    const logical_lines main{done.files.at("main.cf")};
    BOOST_TEST(value_of(main, "smtpd_forbid_bare_newline").value() == "reject");
    BOOST_TEST(!value_of(main, "smtpd_forbid_bare_newline_exclusions"));
    BOOST_TEST(!value_of(main, "message_size_limit"));
    BOOST_TEST(says(done.notes, "smtpd_forbid_bare_newline = reject stays"));
}

BOOST_AUTO_TEST_CASE(without_a_submission_service_local_mail_alone_is_guarded_and_the_admin_is_told) {
    auto with = plain;
    with["master.cf"] = "pickup unix n - y 60 1 pickup\n";
    const auto done = plan(with, way::lmtp, {});
    BOOST_TEST(says(done.notes, "has no submission service"));
    BOOST_TEST(at(done.files, "pickup/unix").find("content_filter").has_value());
}

BOOST_AUTO_TEST_CASE(paths_are_those_of_the_machine) {
    site s;
    s.queue_directory = "/srv/q";
    s.libexec_directory = "/opt/postsluice";
    s.user = "filter";
    s.smtp_destination = "[::1]:10587";
    const auto pipe = at(plan(plain, way::pipe, s).files, "postsluice-pipe/unix").raw();
    BOOST_TEST(pipe.find("user=filter ") != std::string::npos);
    BOOST_TEST(pipe.find("argv=/opt/postsluice/postsluice-pipe --socket /srv/q/postsluice/pipe") != std::string::npos);
    BOOST_TEST(plan(plain, way::pipe, s).files.contains("postsluice-pipe-status.regexp"));
    BOOST_TEST(at(plan(plain, way::smtp, s).files, "submission/inet").find("content_filter").value() ==
               "postsluice:[::1]:10587");
}

BOOST_AUTO_TEST_CASE(a_way_back_that_the_filter_does_not_take_is_not_made) {
    site s;
    s.ways_back = {"postsluice-reentry"};
    auto master = plan(plain, way::lmtp, s).files.at("master.cf");
    BOOST_TEST(find_service(logical_lines{master}, "postsluice-reentry/unix").has_value());
    BOOST_TEST(!find_service(logical_lines{master}, "postsluice-hold/unix"));
    s.ways_back.clear();
    master = plan(plain, way::lmtp, s).files.at("master.cf");
    BOOST_TEST(!find_service(logical_lines{master}, "postsluice-reentry/unix"));
}

BOOST_AUTO_TEST_CASE(the_policy_goes_out_of_a_list_wherever_it_stands) {
    const std::pair<const char*, const char*> table[] = {
        {"$postsluice_policy", ""},
        {"$postsluice_policy, permit", "permit"},
        {"permit, ${postsluice_policy}", "permit"},
        {"a $postsluice_policy b", "a b"},
        {"a,$postsluice_policy,b,$postsluice_policy", "a,b"},
        {"check_policy_service { inet:h:1, x=$postsluice_policy }, b",
         "check_policy_service { inet:h:1, x=$postsluice_policy }, b"},
        {"", ""},
        {" a ", " a "},
    };
    for (const auto& [list, rest] : table)
        BOOST_TEST_CONTEXT(list) {
            BOOST_TEST(without_policy(list) == rest);
        }
}

BOOST_AUTO_TEST_SUITE_END()
