// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <thread>

namespace postsluice::auth {

using test::message;

BOOST_AUTO_TEST_SUITE(dkim_peers)

namespace {

/// Every message of the corpus, signed, verifies in Mail::DKIM; a failure names the message.
void check_with_mail_dkim(const std::vector<std::pair<std::string, message>>& corpus) {
    const test::temporary_directory directory;
    std::vector<std::filesystem::path> files;
    for (std::size_t i = 0; i < corpus.size(); ++i)
        files.push_back(directory.write(std::to_string(i) + ".eml", corpus[i].second.text()));
    const auto run = test::mail_dkim(directory, files);
    for (std::size_t i = 0; i < corpus.size(); ++i)
        BOOST_TEST_CONTEXT(corpus[i].first)
    for (const std::string pass :
         {": pass a=rsa-sha256 d=example.org s=rsa2026\n", ": pass a=ed25519-sha256 d=example.org s=ed2026\n"})
        BOOST_TEST((run.output.find(files[i].string() + pass) != std::string::npos));
    if (run.output.find("fail") != std::string::npos) BOOST_TEST_MESSAGE(run.output);
}

bool has_foreign_signature(const message& m) {
    return std::any_of(m.fields.begin(), m.fields.end(),
                       [](const auto& f) { return f.find("d=example.com;") != std::string::npos; });
}

} // namespace

BOOST_AUTO_TEST_CASE(odd_messages_signed_by_us_verify_in_libopendkim_and_mail_dkim) {
    std::vector<std::pair<std::string, message>> corpus;
    for (const auto& [name, m] : test::odd_messages()) {
        corpus.emplace_back(name, test::signed_message(m));
        const auto verdicts = test::opendkim_verdicts(corpus.back().second);
        BOOST_TEST_CONTEXT(name) BOOST_TEST(verdicts == (has_foreign_signature(m) ? "pass pass fail" : "pass pass"));
    }
    check_with_mail_dkim(corpus);
}

BOOST_AUTO_TEST_CASE(odd_messages_signed_by_libopendkim_verify_in_mail_dkim) {
    std::vector<std::pair<std::string, message>> corpus;
    for (const auto& [name, m] : test::odd_messages()) {
        const auto signatures = test::sign_by_library(m);
        BOOST_TEST_CONTEXT(name) BOOST_TEST_REQUIRE(signatures.has_value(), signatures.error().message());
        corpus.emplace_back(name, m.with_on_top(*signatures));
    }
    check_with_mail_dkim(corpus);
}

BOOST_AUTO_TEST_CASE(mail_dkim_sees_a_forgery) {
    const test::temporary_directory directory;
    auto m = test::signed_message(test::plain_message());
    m.body += "PS: send money\r\n";
    const auto run = test::mail_dkim(directory, {directory.write("m.eml", m.text())});
    BOOST_TEST(run.exit_code == 1);
    BOOST_TEST((run.output.find("fail a=rsa-sha256") != std::string::npos));
    BOOST_TEST((run.output.find("fail a=ed25519-sha256") != std::string::npos));
    const auto unsigned_run = test::mail_dkim(directory, {directory.write("u.eml", test::plain_message().text())});
    BOOST_TEST(unsigned_run.exit_code == 1);
}

BOOST_AUTO_TEST_CASE(both_signers_sign_the_same_fields_at_the_same_time) {
    const auto m = test::plain_message();
    const auto views = m.views();
    const auto times = [](const std::vector<std::string>& signatures) {
        return std::all_of(signatures.begin(), signatures.end(),
                           [](const auto& s) { return s.find("t=1767225600;") != std::string::npos; });
    };
    const auto own = sign({}, test::key_pair(), views, test::body_sha256(m.body), test::some_time()).value();
    const auto library = test::sign_by_library(m).value();
    BOOST_TEST(times(own));
    BOOST_TEST(times(library));
    // The library's settings follow the configuration on the same thread.
    config::dkim_settings narrow;
    narrow.headers = {"From"};
    narrow.oversign = {};
    const auto second = test::sign_by_library(m, narrow).value();
    auto changed = m.with_on_top(second);
    for (auto& field : changed.fields)
        if (field.starts_with("Subject")) field = "Subject: another";
    BOOST_TEST(test::opendkim_verdicts(changed) == "pass pass");
}

BOOST_AUTO_TEST_CASE(threads_sign_and_verify_with_the_same_keys_at_once) {
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    (void)test::key_pair();
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&good, t] {
            auto m = test::plain_message();
            m.body = "thread " + std::to_string(t) + "\r\n";
            for (int i = 0; i < 20; ++i) {
                const auto views = m.views();
                const auto signatures =
                    t % 2 == 0 ? sign({}, test::key_pair(), views, test::body_sha256(m.body), test::some_time())
                               : test::sign_by_library(m);
                if (signatures && test::opendkim_verdicts(m.with_on_top(*signatures)) == "pass pass") ++good;
            }
        });
    for (auto& thread : threads)
        thread.join();
    BOOST_TEST(good == 80);
}

BOOST_AUTO_TEST_CASE(verifying_says_why_not) {
    const auto good = test::signed_message(test::plain_message());
    const auto first = [](const result<std::vector<verification>>& r) { return r.value().at(0); };
    const auto no_key = first(verify(good.text(), {}));
    BOOST_TEST(!no_key.valid);
    BOOST_TEST(no_key.domain == "example.org");
    BOOST_TEST(no_key.algorithm_name == "rsa-sha256");
    BOOST_TEST(!no_key.why.empty());
    auto body = good;
    body.body += "x\r\n";
    BOOST_TEST(first(verify(body.text(), test::records_of(test::key_pair()))).why == "body hash mismatch");
    auto records = test::records_of(test::key_pair());
    records.begin()->second = "v=DKIM1; k=ed25519; p=";
    const auto revoked = verify(good.text(), records).value();
    BOOST_TEST(revoked.at(0).valid);
    BOOST_TEST(!revoked.at(1).valid);
    records.begin()->second = std::string(100000, 'x');
    BOOST_TEST(!verify(good.text(), records).value().at(1).valid);
}

BOOST_AUTO_TEST_CASE(verifying_survives_whatever_it_is_given) {
    const auto records = test::records_of(test::key_pair());
    BOOST_TEST(verify(test::plain_message().text(), records).value().empty());
    for (const std::string text :
         {"", "\r\n", "\r\nbody", "From: a@example.org", "no colon at all\r\n\r\n", "DKIM-Signature:\r\n\r\n",
          "From: a@b\r\nDKIM-Signature: \r\n\r\nx", "DKIM-Signature: v=1; a=; b=\r\nFrom: a@b\r\n\r\n",
          "From: a@b\r\nDKIM-Signature: ;;;===\r\n\r\n", ": \r\n\r\n",
          "From: a@b\r\nDKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=rsa2026; h=from; bh=!!; b=!!\r\n\r\n"})
        BOOST_TEST_CONTEXT(text) {
            const auto out = verify(text, records);
            if (out)
                for (const auto& v : *out)
                    BOOST_TEST(!v.valid);
        }
    const auto good = test::signed_message(test::plain_message()).text();
    for (std::size_t size = 0; size < good.size(); size += 7) {
        const auto out = verify(std::string_view{good}.substr(0, size), records);
        if (out)
            for (const auto& v : *out)
                BOOST_TEST(!v.valid, "cut at " << size);
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::auth
