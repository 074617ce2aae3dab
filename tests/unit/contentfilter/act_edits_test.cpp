// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include "contentfilter/act/edits.hpp"
#include "contentfilter/act/refuse.hpp"
#include "contentfilter/act/render.hpp"
#include "contentfilter/act/strike.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

const instant now{milliseconds{1767225600000}};

std::shared_ptr<message> message_of(const std::string& text, const std::string& sender = "bob@example.org") {
    static scratch_directory scratch;
    const auto settings = default_settings(scratch.path);
    collector c{settings};
    c.add(text);
    auto envelope =
        smtp::make_envelope(mail_address::from_internal(sender), {mail_address::from_internal("f@example.net")});
    auto made = c.finish(std::move(envelope)).value();
    made->sender = sender_of(*settings, "bob@example.org");
    made->sender.by = sender_identity::proof::ticket;
    return made;
}

std::string render(const std::shared_ptr<message>& what, act::edits changes) {
    auto out = std::make_shared<act::rendered>();
    out->source = what;
    out->changes = std::move(changes);
    out->fields = act::render_header(*what, out->changes);
    const auto next = act::stream_of(out);
    std::string all;
    for (;;) {
        const auto piece = next().value();
        if (piece.empty()) break;
        all += piece;
    }
    out->body_size = all.size() - out->head().size();
    BOOST_TEST(out->size() == all.size());
    return all;
}

std::string broken(std::string_view text, std::size_t pieces) {
    act::line_breaker b;
    std::string out;
    for (std::size_t at = 0; at < text.size(); at += pieces)
        b.feed(text.substr(at, pieces), out);
    b.finish(out);
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(act_edits)

BOOST_AUTO_TEST_CASE(lines_are_broken_as_postfix_breaks_them_wherever_they_are_cut) {
    const auto x = [](std::size_t n) { return std::string(n, 'x'); };
    const std::pair<std::string, std::string> rows[] = {
        {"", ""},
        {"a\r\n", "a\r\n"},
        {"a", "a\r\n"},
        {"\r\n\r\n", "\r\n\r\n"},
        {x(998) + "\r\n", x(998) + "\r\n"},
        {x(999) + "\r\n", x(998) + "\r\n x\r\n"},
        {x(998 + 997) + "\r\n", x(998) + "\r\n " + x(997) + "\r\n"},
        {x(998 + 998) + "\r\n", x(998) + "\r\n " + x(997) + "\r\n x\r\n"},
        {"a\rb\nc\r\n", "a b c\r\n"},
        {"a\r", "a \r\n"},
        {"a\r\r\n", "a \r\n"},
        {"\n\n", "  \r\n"},
        {std::string("a\0b\xff\r\n", 6), std::string("a\0b\xff\r\n", 6)},
    };
    for (const auto& [in, out] : rows)
        for (const std::size_t pieces : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{997},
                                         std::size_t{998}, std::size_t{999}, std::size_t{5000}})
            BOOST_TEST_CONTEXT(in.size() << " octets in pieces of " << pieces) BOOST_TEST(broken(in, pieces) == out);
}

BOOST_AUTO_TEST_CASE(an_ordinary_message_changes_by_its_received_field_alone) {
    const std::string text =
        "From: bob@example.org\r\nSubject: a\r\n folded\r\nDate: x\r\nMessage-ID: <y>\r\n\r\nbody\r\n";
    const auto what = message_of(text);
    BOOST_TEST(render(what, act::normalise(*what, "Received: r", now)) == "Received: r\r\n" + text);
}

BOOST_AUTO_TEST_CASE(what_is_missing_is_added_and_what_must_not_leave_is_left_out) {
    const auto what = message_of("X-Postsluice-Ticket: v1 a b\r\nSubject: s\r\nBCC: x@y\r\nresent-bcc: "
                                 "x@y\r\nReturn-Path: <a>\r\nContent-Length: 3\r\n"
                                 "x-postsluice-ticket : forged\r\n\r\nb\r\n");
    const auto all = render(what, act::normalise(*what, "", now));
    BOOST_TEST(all.starts_with("Subject: s\r\nFrom: bob@example.org\r\nDate: Thu, 01 Jan 2026 00:00:00 "
                               "+0000\r\nMessage-ID: <1767225600000."),
               all);
    BOOST_TEST(all.ends_with("@filter.example.org>\r\n\r\nb\r\n"), all);
    const auto nobody = message_of("Subject: s\r\n\r\nb\r\n", "");
    BOOST_TEST(render(nobody, act::normalise(*nobody, "", now)).find("From:") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(each_line_of_the_header_ends_at_a_nul_as_cleanup_has_it) {
    using namespace std::string_literals;
    const std::pair<std::string, std::string> rows[] = {
        {"Subject: a\0b\r\n"s, "Subject: a\r\n"},
        {"Subject:\0\r\n"s, "Subject:\r\n"},
        {"Subject: a\0b\r\n c\0\0d\r\n\te\r\n"s, "Subject: a\r\n c\r\n\te\r\n"},
        {"Subject: a\r\n \0b\r\n"s, "Subject: a\r\n \r\n"},
    };
    const std::string rest = "From: bob@example.org\r\nDate: x\r\nMessage-ID: <y>\r\n\r\nbo\0dy\r\n"s;
    for (const auto& [in, out] : rows)
        BOOST_TEST_CONTEXT(out) {
            const auto what = message_of(in + rest);
            BOOST_TEST(render(what, act::normalise(*what, "", now)) == out + rest);
        }
    // What a check saw behind the NUL would not be there where the message arrives.
    const auto what = message_of("From: ceo@bank.example\0 <bob@example.org>\r\n\r\n"s);
    BOOST_TEST(what->header.find("From")->unfolded() == "ceo@bank.example");
}

BOOST_AUTO_TEST_CASE(an_unqualified_from_is_qualified_where_it_is_plain) {
    const std::pair<const char*, const char*> rows[] = {
        {"bob", "From: bob@filter.example.org"},
        {"Bob B <bob>", "From: Bob B <bob@filter.example.org>"},
        {"bob@x.example", "From: bob@x.example"},
        {"Bob <bob@x.example>", "From: Bob <bob@x.example>"},
        {"a, b", "From: a, b"},
        {"\"a b\"", "From: \"a b\""},
        {"<>", "From: <>"},
        {"", "From: "},
    };
    for (const auto& [in, out] : rows) {
        BOOST_TEST_CONTEXT(in) {
            const auto what = message_of("From: " + std::string{in} + "\r\nDate: x\r\nMessage-ID: y\r\n\r\n");
            BOOST_TEST(render(what, act::normalise(*what, "", now)).starts_with(std::string{out} + "\r\n"));
        }
    }
}

BOOST_AUTO_TEST_CASE(messages_of_odd_shape_stay_whole) {
    const std::string added = "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: ";
    for (const auto& [in, end] :
         {std::pair{"", "\r\n\r\n"}, std::pair{"\r\n", "\r\n\r\n"}, std::pair{"Subject: s\r\n", "\r\n\r\n"},
          std::pair{"no field\r\nx\r\n", "\r\n\r\nno field\r\nx\r\n"},
          std::pair{"Subject: s\r\nno field\r\n\r\nx\r\n", "\r\n\r\nno field\r\n\r\nx\r\n"}}) {
        BOOST_TEST_CONTEXT(in) {
            const auto what = message_of(in);
            const auto all = render(what, act::normalise(*what, "", now));
            BOOST_TEST(all.find(added) != std::string::npos, all);
            BOOST_TEST(all.ends_with(end), all);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_header_over_the_bounds_is_not_cut_in_two) {
    std::string text;
    for (int i = 0; i < 3000; ++i)
        text += "X-" + std::to_string(i) + ": v\r\n";
    text += "\r\nbody\r\n";
    const auto what = message_of("X-Postsluice-Ticket: v1 a b\r\n" + text);
    BOOST_TEST(what->header.truncated);
    BOOST_TEST(render(what, act::normalise(*what, "", now)) == text);
}

BOOST_AUTO_TEST_CASE(another_body_takes_the_bodys_place) {
    const auto what = message_of("From: b@x.example\r\nDate: x\r\nMessage-ID: y\r\n\r\nold\r\n");
    auto changes = act::normalise(*what, "", now);
    auto other = std::make_shared<spool>(byte_count{100}, "/nonexistent");
    other->append("new\r\n").value();
    changes.body = other;
    BOOST_TEST(render(what, changes).ends_with("\r\n\r\nnew\r\n"));
}

BOOST_AUTO_TEST_CASE(a_prefix_is_put_once_and_encoded_where_it_must_be) {
    auto what = message_of(
        "From: b@x.example\r\nDate: x\r\nMessage-ID: y\r\nSubject: =?utf-8?Q?gr=C3=BC=C3=9Fe?=\r\n  more\r\n\r\n");
    auto profile = std::make_shared<config::profile>();
    profile->subject_prefix = "[Müll] ";
    profile->tag_header = false;
    what->sender.profile = profile;
    verdict v;
    v.score = 6.25;
    auto changes = act::normalise(*what, "", now);
    act::tag(changes, *what, v);
    const auto once = render(what, changes);
    BOOST_TEST(once.find("\r\nSubject: =?utf-8?B?W03DvGxsXQ==?= =?utf-8?Q?gr=C3=BC=C3=9Fe?=\r\n  more\r\n") !=
                   std::string::npos,
               once);
    auto again = message_of(once);
    again->sender.profile = profile;
    auto twice = act::normalise(*again, "", now);
    act::tag(twice, *again, v);
    BOOST_TEST(render(again, twice) == once);
}

BOOST_AUTO_TEST_CASE(two_proofs_are_one_where_words_and_people_are_the_same) {
    const auto digest = [](const std::string& text) { return act::proof_digest(*message_of(text)).value(); };
    const auto first = digest("Date: 1\r\nSubject: s\r\n\r\nbody\r\n");
    BOOST_TEST(digest("Date: 2\r\nMessage-ID: x\r\nSubject: s\r\n\r\nbody\r\n") == first);
    BOOST_TEST(digest("Date: 1\r\nSubject: t\r\n\r\nbody\r\n") != first);
    BOOST_TEST(digest("Date: 1\r\nSubject: s\r\n\r\nbodies\r\n") != first);
    const auto what = message_of("Date: 1\r\nSubject: s\r\n\r\nbody\r\n");
    what->envelope.recipients.push_back(what->envelope.recipients.front());
    BOOST_TEST(act::proof_digest(*what).value() != first);
}

BOOST_AUTO_TEST_CASE(every_reply_is_of_its_class_and_carries_its_reference) {
    config::settings s;
    s.contact = "https://example.org/";
    const std::pair<smtp::reply, std::string> rows[] = {{act::refused(s, "ABCDEFGH"), "550 5.7.1"},
                                                        {act::quarantined("ABCDEFGH"), "250 2.0.0"},
                                                        {act::discarded("ABCDEFGH"), "250 2.0.0"},
                                                        {act::later("ABCDEFGH"), "451 4.3.0"},
                                                        {act::looping("ABCDEFGH"), "554 5.4.6"}};
    for (const auto& [r, begin] : rows) {
        BOOST_TEST(r.text().starts_with(begin));
        BOOST_TEST(r.text().ends_with(" ref ABCDEFGH"));
    }
    BOOST_TEST(act::for_all(act::later(), smtp::protocol::lmtp, 3).size() == 3U);
    BOOST_TEST(act::for_all(act::later(), smtp::protocol::smtp, 3).size() == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
