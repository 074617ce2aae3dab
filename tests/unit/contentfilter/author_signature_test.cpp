// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "contentfilter/act/author_signature.hpp"

#include "contentfilter/act/edits.hpp"
#include "contentfilter/act/render.hpp"
#include "contentfilter/act/sign.hpp"
#include "filter_fixture.hpp"

#include "shared/core/text.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

const instant now{milliseconds{1767225600000}};

std::string signed_by_author(const std::string& h, const std::string& more = "") {
    return "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x; " + more + "\r\n\th=" + h + "; bh=eA==; b=eA==";
}

std::vector<header_field> fields_of(const std::vector<std::string>& raw) {
    std::vector<header_field> out;
    for (const auto& one : raw)
        out.push_back({one});
    return out;
}

struct outcome {
    std::vector<std::string> fields;
    act::hashed_body body;
};

/// What leaves of a message by these edits.
outcome rendered(const std::string& text, const std::function<void(act::edits&, const message&)>& edit) {
    static scratch_directory scratch;
    const auto settings = default_settings(scratch.path);
    collector c{settings};
    c.add(text);
    const std::shared_ptr<message> what =
        c.finish(smtp::make_envelope(mail_address::from_internal("bob@example.org"), {})).value();
    what->sender = sender_of(*settings, "bob@example.org");
    act::edits changes;
    edit(changes, *what);
    asio::io_context io;
    auto hashed = asio::co_spawn(io, act::hash_body(what, changes), asio::use_future);
    io.run();
    return {act::render_header(*what, changes), hashed.get().value()};
}

} // namespace

BOOST_AUTO_TEST_SUITE(author_signature)

BOOST_AUTO_TEST_CASE(it_counts_while_what_it_covers_leaves_as_it_came) {
    const std::vector<std::string> rest = {"From: bob@example.org", "To: f@example.net", "Subject: a  b",
                                           "Received: below"};
    struct row {
        const char* name;
        std::string signature;
        std::function<void(std::vector<std::string>&)> edit; ///< of what leaves; the signature is the first
        bool counts;
    };
    const std::string plain = signed_by_author("from:to:subject:date"),
                      relaxed = signed_by_author("from:subject", "c=relaxed;");
    const row rows[] = {
        {"untouched", plain, [](auto&) {}, true},
        {"a field on top that it does not name", plain, [](auto& f) { f.insert(f.begin(), "X-Score: 1"); }, true},
        {"a Received on top, covered below", signed_by_author("from:received"),
         [](auto& f) { f.insert(f.begin(), "Received: ours"); }, true},
        {"a Received on top, oversigned", signed_by_author("from:received:received"),
         [](auto& f) { f.insert(f.begin(), "Received: ours"); }, false},
        {"another Subject", plain, [](auto& f) { f[3] = "Subject: [spam] a  b"; }, false},
        {"another Subject that it does not name", signed_by_author("from:to"),
         [](auto& f) { f[3] = "Subject: [spam] a  b"; }, true},
        {"To taken out", plain, [](auto& f) { f.erase(f.begin() + 2); }, false},
        {"a Date where it says that there is none", plain, [](auto& f) { f.push_back("Date: today"); }, false},
        {"a Date that it does not name", signed_by_author("from:to:subject"),
         [](auto& f) { f.push_back("Date: today"); }, true},
        {"blanks, simple", plain, [](auto& f) { f[3] = "Subject:  a b "; }, false},
        {"blanks, relaxed", relaxed, [](auto& f) { f[3] = "Subject:  a b "; }, true},
        {"itself broken, simple", plain, [](auto& f) { f[0].insert(f[0].size() - 4, "\r\n "); }, false},
        {"itself broken, relaxed", relaxed, [](auto& f) { f[0].insert(f[0].size() - 4, "\r\n "); }, false},
        {"itself taken out", plain, [](auto& f) { f.erase(f.begin()); }, false},
        {"one that came otherwise", plain, [](auto& f) { f[0] = signed_by_author("from"); }, false},
        {"a stranger's", "DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=x; h=from; bh=eA==; b=eA==", [](auto&) {},
         false},
        {"expired", signed_by_author("from", "x=1767225600;"), [](auto&) {}, false},
        {"not yet expired", signed_by_author("from", "x=1767225601;"), [](auto&) {}, true},
        {"without From", signed_by_author("to"), [](auto&) {}, false},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.name) {
            auto before = rest;
            before.insert(before.begin(), r.signature);
            auto after = before;
            r.edit(after);
            BOOST_TEST(act::leaves_signed(fields_of(before), after, {}, "example.org", now) == r.counts);
        }
}

BOOST_AUTO_TEST_CASE(of_the_body_a_relaxed_hash_is_compared_and_for_others_every_octet_counts) {
    const std::string hash(32, '\xff'), claimed = "bh=" + std::string(42, '/') + "8=";
    const std::string from = "From: bob@example.org";
    struct row {
        const char* name;
        std::string tags;
        std::string hash;
        bool changed, counts;
    };
    const row rows[] = {
        {"simple", "", hash, false, true},
        {"simple, changed", "", hash, true, false},
        {"relaxed header alone", "c=relaxed;", hash, true, false},
        {"relaxed", "c=relaxed/relaxed;", hash, false, true},
        {"relaxed, of another body", "c=relaxed/relaxed;", std::string(32, 'x'), false, false},
        {"relaxed, of the beginning", "c=relaxed/relaxed; l=5;", std::string(32, 'x'), false, true},
        {"relaxed, of the beginning, changed", "c=relaxed/relaxed; l=5;", hash, true, false},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.name) {
            const auto field =
                "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x; h=from;" + r.tags + claimed + "; b=eA==";
            BOOST_TEST(act::leaves_signed(fields_of({field, from}), std::vector{field, from}, {r.hash, 0, r.changed},
                                          "example.org", now) == r.counts);
        }
}

BOOST_AUTO_TEST_CASE(what_is_done_to_a_message_here_tells_whether_it_changed) {
    const auto normalised = [](act::edits& to, const message& what) { to = act::normalise(what, "", now); };
    const std::string whole = signed_by_author("from:date:message-id") + "\r\nFrom: bob@example.org\r\n",
                      dated = whole + "Date: x\r\nMessage-ID: <y>\r\n";
    const std::vector<std::pair<std::string, bool>> rows = {
        {dated + "\r\nbody\r\n", true},
        {dated + "\r\nno end", true},
        {dated + "\r\n" + std::string(998, 'x') + "\r\n", true},
        {dated + "\r\n" + std::string(999, 'x') + "\r\n", false},
        {dated + "\r\na\rb\r\n", false},
        {whole + "\r\nbody\r\n", false}, // both are added, and its h= says that there is none
    };
    for (const auto& [text, counts] : rows)
        BOOST_TEST_CONTEXT(printable(text)) {
            const auto out = rendered(text, normalised);
            const auto before = parse_header_text(text, 1U << 20U, 100).fields;
            BOOST_TEST(act::leaves_signed(before, out.fields, out.body, "example.org", now) == counts);
        }
}

BOOST_AUTO_TEST_CASE(only_the_first_few_are_looked_at) {
    const std::string other = "DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=x; h=from; bh=eA==; b=eA==";
    std::vector<std::string> fields(act::most_author_signatures - 1, other);
    fields.push_back(signed_by_author("from"));
    fields.emplace_back("From: bob@example.org");
    BOOST_TEST(act::leaves_signed(fields_of(fields), fields, {}, "example.org", now));
    fields.insert(fields.begin(), other);
    BOOST_TEST(!act::leaves_signed(fields_of(fields), fields, {}, "example.org", now));
}

BOOST_AUTO_TEST_SUITE_END()
