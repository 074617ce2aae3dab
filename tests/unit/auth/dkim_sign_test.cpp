// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"
#include "shared/auth/dkim_published.hpp"
#include "shared/core/text.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

namespace postsluice::auth {

using test::message;

BOOST_AUTO_TEST_SUITE(dkim_sign)

namespace {

// RFC 8463 appendix A: the keys, and one message with both signatures.
constexpr std::string_view rfc8463_ed25519 = "-----BEGIN PRIVATE KEY-----\n"
                                             "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                                             "-----END PRIVATE KEY-----\n";
constexpr std::string_view rfc8463_rsa = "-----BEGIN RSA PRIVATE KEY-----\n"
                                         "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
                                         "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
                                         "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
                                         "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
                                         "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
                                         "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
                                         "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
                                         "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
                                         "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
                                         "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
                                         "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
                                         "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
                                         "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
                                         "-----END RSA PRIVATE KEY-----\n";
const std::string rfc8463_ed25519_b = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus"
                                      "Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
const std::string rfc8463_rsa_b = "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3"
                                  "DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz"
                                  "dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=";
constexpr std::string_view rfc8463_ed25519_start = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
                                                   " d=football.example.com; i=@football.example.com;\r\n"
                                                   " q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
                                                   " subject : date : message-id : from : subject : date;\r\n"
                                                   " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                                                   " b=";
constexpr std::string_view rfc8463_rsa_start = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
                                               " d=football.example.com; i=@football.example.com;\r\n"
                                               " q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n"
                                               " date : message-id : from : subject : date;\r\n"
                                               " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                                               " b=";

// RFC 6376 appendixes A.2 and C, with errata 3192 (one blank after "game.") and 4926 applied; c=simple/simple.
constexpr std::string_view rfc6376_rsa = "-----BEGIN RSA PRIVATE KEY-----\n"
                                         "MIICXwIBAAKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFC\n"
                                         "jxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gb\n"
                                         "to/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB\n"
                                         "AoGBALmn+XwWk7akvkUlqb+dOxyLB9i5VBVfje89Teolwc9YJT36BGN/l4e0l6QX\n"
                                         "/1//6DWUTB3KI6wFcm7TWJcxbS0tcKZX7FsJvUz1SbQnkS54DJck1EZO/BLa5ckJ\n"
                                         "gAYIaqlA9C0ZwM6i58lLlPadX/rtHb7pWzeNcZHjKrjM461ZAkEA+itss2nRlmyO\n"
                                         "n1/5yDyCluST4dQfO8kAB3toSEVc7DeFeDhnC1mZdjASZNvdHS4gbLIA1hUGEF9m\n"
                                         "3hKsGUMMPwJBAPW5v/U+AWTADFCS22t72NUurgzeAbzb1HWMqO4y4+9Hpjk5wvL/\n"
                                         "eVYizyuce3/fGke7aRYw/ADKygMJdW8H/OcCQQDz5OQb4j2QDpPZc0Nc4QlbvMsj\n"
                                         "7p7otWRO5xRa6SzXqqV3+F0VpqvDmshEBkoCydaYwc2o6WQ5EBmExeV8124XAkEA\n"
                                         "qZzGsIxVP+sEVRWZmW6KNFSdVUpk3qzK0Tz/WjQMe5z0UunY9Ax9/4PVhp/j61bf\n"
                                         "eAYXunajbBSOLlx4D+TunwJBANkPI5S9iylsbLs6NkaMHV6k5ioHBBmgCak95JGX\n"
                                         "GMot/L2x0IYyMLAz6oLWh2hm7zwtb0CgOrPo1ke44hFYnfc=\n"
                                         "-----END RSA PRIVATE KEY-----\n";
const std::string rfc6376_record = "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ"
                                   "DwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt"
                                   "IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7"
                                   "od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfV"
                                   "jH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYck"
                                   "cQ2QIDAQAB";
const std::string rfc6376_b = "AuUoFEfDxTDkHlLXSZEpZj79LICEps6eda7W3deTVFOk4yAUoqOB"
                              "4nujc7YopdG5dWLSdNg6xNAZpOPr+kHxt1IrE+NahM6L/LbvaHut"
                              "KVdkLLkpVaVVQPzeRDI009SO2Il5Lu7rDNH6mZckBdrIx0orEtZV"
                              "4bmp/YzhwvcubU4=";
const std::string rfc6376_start = "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n"
                                  "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n"
                                  "      h=Received : From : To : Subject : Date : Message-ID;\r\n"
                                  "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
                                  "      b=";

message dinner() {
    return {{"Received: from client1.football.example.com  [192.0.2.1]\r\n"
             "      by submitserver.example.com with SUBMISSION;\r\n"
             "      Fri, 11 Jul 2003 21:01:54 -0700 (PDT)",
             "From: Joe SixPack <joe@football.example.com>", "To: Suzie Q <suzie@shopping.example.net>",
             "Subject: Is dinner ready?", "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)",
             "Message-ID: <20030712040037.46341.5F8J@football.example.com>"},
            "Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n"};
}

std::string folded_as_printed(const std::string& b) {
    std::string out;
    for (std::size_t at = 0; at < b.size(); at += 52)
        out += (at == 0 ? "" : "\r\n      ") + b.substr(at, 52);
    return out;
}

message football() {
    return {{"From: Joe SixPack <joe@football.example.com>", "To: Suzie Q <suzie@shopping.example.net>",
             "Subject: Is dinner ready?", "Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)",
             "Message-ID: <20030712040037.46341.5F8J@football.example.com>"},
            "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"};
}

/// The value of b= of the appendix's own DKIM-Signature field, made with our canonicalization and our signature.
std::string signature_over(const message& m, std::string_view field_start, const signing_key& key) {
    std::string input;
    for (const auto& field : m.fields)
        input += canonical_header(field) + "\r\n";
    return base64(sign_digest(key, test::sha256_of(input + canonical_header(field_start))).value());
}

std::string tag_of(std::string_view field, std::string_view name) {
    const auto canonical = canonical_header(field);
    std::string out;
    for (const auto tag : split(std::string_view{canonical}.substr(canonical.find(':') + 1), ';')) {
        const auto equal = tag.find('=');
        if (trim(tag.substr(0, equal)) != name) continue;
        for (const char c : tag.substr(equal + 1))
            if (c != ' ') out.push_back(c);
    }
    return out;
}

std::vector<std::string> sign_plain(const message& m, const config::dkim_settings& settings = {}) {
    const auto views = m.views();
    return sign(settings, test::key_pair(), views, test::body_sha256(m.body), test::some_time()).value();
}

config::dkim_settings only(std::vector<std::string> headers, std::vector<std::string> oversign = {}) {
    config::dkim_settings out;
    out.headers = std::move(headers);
    out.oversign = std::move(oversign);
    out.oversign_present = {};
    return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(the_vectors_of_rfc_8463_come_out_octet_by_octet) {
    const test::temporary_directory directory;
    const auto m = football();
    BOOST_TEST(base64(test::body_sha256(m.body)) == "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
    const auto ed =
        load_key(directory.write("ed.pem", rfc8463_ed25519), "football.example.com", "brisbane", 1024).value();
    const auto rsa = load_key(directory.write("rsa.pem", rfc8463_rsa), "football.example.com", "test", 1024).value();
    BOOST_TEST(dns_record(ed) == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    BOOST_TEST(signature_over(m, rfc8463_ed25519_start, ed) == rfc8463_ed25519_b);
    BOOST_TEST(signature_over(m, rfc8463_rsa_start, rsa) == rfc8463_rsa_b);
}

BOOST_AUTO_TEST_CASE(the_message_of_rfc_8463_verifies) {
    const auto m = football().with_on_top(
        {std::string{rfc8463_ed25519_start} + rfc8463_ed25519_b, std::string{rfc8463_rsa_start} + rfc8463_rsa_b});
    const std::map<std::string, std::string> records = {
        {"brisbane._domainkey.football.example.com",
         "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
        {"test._domainkey.football.example.com",
         "v=DKIM1; k=rsa; "
         "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/"
         "byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/"
         "K4w3QIDAQAB"}};
    const auto verdicts = verify(m.text(), records).value();
    BOOST_TEST_REQUIRE(verdicts.size() == 2U);
    for (const auto& v : verdicts)
        BOOST_TEST(v.valid, v.selector << ": " << v.why);
    BOOST_TEST(verdicts[0].algorithm_name == "ed25519-sha256");
    BOOST_TEST(verdicts[1].selector == "test");
}

BOOST_AUTO_TEST_CASE(the_message_of_rfc_6376_verifies) {
    const auto m = dinner().with_on_top({rfc6376_start + folded_as_printed(rfc6376_b) + ";"});
    const auto verdicts = verify(m.text(), {{"brisbane._domainkey.example.com", rfc6376_record}}).value();
    BOOST_TEST_REQUIRE(verdicts.size() == 1U);
    BOOST_TEST(verdicts[0].valid, verdicts[0].why);
    BOOST_TEST(verdicts[0].domain == "example.com");
    auto changed = m;
    changed.fields.back() += "x";
    BOOST_TEST(!verify(changed.text(), {{"brisbane._domainkey.example.com", rfc6376_record}}).value()[0].valid);
}

// Our signer makes relaxed/relaxed alone, so the simple form is put together here: for headers it is the octets as they
// are, and this body has nothing that the relaxed form would change. Hashes and signature are ours.
BOOST_AUTO_TEST_CASE(the_signature_of_rfc_6376_comes_out_octet_by_octet) {
    const test::temporary_directory directory;
    const auto key = load_key(directory.write("k.pem", rfc6376_rsa), "example.com", "brisbane", 1024).value();
    const auto m = dinner();
    BOOST_TEST(base64(test::body_sha256(m.body)) == "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
    std::string input;
    for (const auto& field : m.fields)
        input += field + "\r\n";
    const auto made = sign_digest(key, test::sha256_of(input + rfc6376_start + ";")).value();
    BOOST_TEST(base64(made) == rfc6376_b);
    BOOST_TEST((compare(key, {rfc6376_record}).state == publication::good));
}

BOOST_AUTO_TEST_CASE(both_signatures_come_rsa_first_with_their_tags) {
    auto keys = test::key_pair();
    std::reverse(keys.begin(), keys.end());
    const auto m = test::plain_message();
    const auto views = m.views();
    const auto out = sign({}, keys, views, test::body_sha256(m.body), test::some_time()).value();
    BOOST_TEST_REQUIRE(out.size() == 2U);
    for (std::size_t i = 0; i < 2; ++i) {
        BOOST_TEST(out[i].starts_with("DKIM-Signature: v=1; "));
        BOOST_TEST(tag_of(out[i], "a") == (i == 0 ? "rsa-sha256" : "ed25519-sha256"));
        BOOST_TEST(tag_of(out[i], "s") == (i == 0 ? "rsa2026" : "ed2026"));
        BOOST_TEST(tag_of(out[i], "c") == "relaxed/relaxed");
        BOOST_TEST(tag_of(out[i], "d") == "example.org");
        BOOST_TEST(tag_of(out[i], "t") == "1767225600");
        BOOST_TEST(tag_of(out[i], "bh") == base64(test::body_sha256(m.body)));
        BOOST_TEST(tag_of(out[i], "l") == "");
        BOOST_TEST(tag_of(out[i], "x") == "");
        for (const auto line : split(out[i], '\n'))
            BOOST_TEST(line.size() < 79U, line);
        for (std::size_t at = out[i].find('\n'); at != std::string::npos; at = out[i].find('\n', at + 1)) {
            BOOST_TEST(out[i][at - 1] == '\r');
            BOOST_TEST(out[i].at(at + 1) == ' ');
        }
    }
}

BOOST_AUTO_TEST_CASE(a_name_that_is_longer_than_a_line_stands_alone) {
    const std::string label(60, 'a'), domain = label + "." + label + "." + label + ".example";
    const test::temporary_directory directory;
    const auto key = load_key(directory.write("k.pem", test::ed25519_pem()), domain, label, 1024).value();
    const auto m = test::plain_message();
    const auto views = m.views();
    const auto signatures = sign({}, {&key, 1}, views, test::body_sha256(m.body), test::some_time()).value();
    const auto verdicts = verify(m.with_on_top(signatures).text(), test::records_of({&key, 1})).value();
    BOOST_TEST_REQUIRE(verdicts.size() == 1U);
    BOOST_TEST(verdicts[0].valid, verdicts[0].why);
}

BOOST_AUTO_TEST_CASE(every_occurrence_is_signed_and_oversigned_names_once_more) {
    auto m = test::plain_message();
    m.fields.insert(m.fields.begin(),
                    {"To: second@example.net", "Received: again", "broken line", "Bcc: secret@example.net"});
    const auto h = [&m](const config::dkim_settings& settings) { return tag_of(sign_plain(m, settings).front(), "h"); };
    BOOST_TEST(h(only({"To", "From", "Reply-To", "Subject"})) == "From:To:To:Subject");
    BOOST_TEST(h(only({"From", "To"}, {"From", "To", "Reply-To"})) == "From:From:To:To:To:Reply-To");
    BOOST_TEST(h(only({"from", "FROM", "to", "To"}, {"from", "FROM"})) == "From:From:to:to");
    BOOST_TEST(h(only({})) == "From");
    BOOST_TEST(h(only({"Received", "Return-Path", "BCC", "Content-Length", "DKIM-Signature", "Fo o", "a;b", "", "Cc"},
                      {"Received", "bcc"})) == "From:Cc");
}

BOOST_AUTO_TEST_CASE(some_names_are_oversigned_where_they_occur) {
    auto m = test::plain_message();
    auto settings = only({"From", "Sender", "References"});
    settings.oversign_present = {"sender", "References", "OpenPGP"};
    const auto h = [&m](const config::dkim_settings& of) { return tag_of(sign_plain(m, of).front(), "h"); };
    std::erase_if(m.fields,
                  [](const std::string& f) { return f.starts_with("Sender") || f.starts_with("References"); });
    BOOST_TEST(h(settings) == "From");
    m.fields.insert(m.fields.begin(), {"SENDER: a@example.org", "OpenPGP: id=1"});
    BOOST_TEST(h(settings) == "From:Sender:Sender"); // OpenPGP is not among those to sign
    m.fields.insert(m.fields.begin(), {"References: <x@y>", "References: <z@y>"});
    BOOST_TEST(h(settings) == "From:Sender:Sender:References:References:References");
}

BOOST_AUTO_TEST_CASE(of_the_default_names_none_can_be_added_beside_one_and_only_a_first_one_where_there_was_none) {
    const std::vector<std::string> here = {"Sender: alice@example.org", "In-Reply-To: <x@y>", "References: <x@y>",
                                           "OpenPGP: id=1", "Autocrypt: addr=alice@example.org; keydata=eA=="};
    auto m = test::plain_message();
    std::erase_if(m.fields, [&](const std::string& f) {
        return std::any_of(here.begin(), here.end(), [&](const auto& one) { return field_name(one) == field_name(f); });
    });
    const auto views = m.views();
    const auto without =
        m.with_on_top(sign({}, test::key_pair(), views, test::body_sha256(m.body), test::some_time()).value());
    m.fields.insert(m.fields.begin(), here.begin(), here.end());
    const auto with = m.views();
    for (const auto& signatures :
         {sign({}, test::key_pair(), with, test::body_sha256(m.body), test::some_time()).value(),
          sign_with_libopendkim({}, test::key_pair(), with, m.body, test::some_time()).value()}) {
        const auto good = m.with_on_top(signatures);
        BOOST_TEST(test::opendkim_verdicts(good) == "pass pass");
        for (const auto& one : here)
            BOOST_TEST_CONTEXT(one) {
                BOOST_TEST(test::opendkim_verdicts(good.with_on_top({one})) == "fail fail");
                BOOST_TEST(test::opendkim_verdicts(without.with_on_top({one})) == "pass pass");
            }
    }
}

BOOST_AUTO_TEST_CASE(resent_fields_are_signed_where_they_are) {
    for (const auto* name :
         {"Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc", "Resent-Date", "Resent-Message-ID"}) {
        BOOST_TEST_CONTEXT(name) {
            auto m = test::plain_message();
            m.fields.push_back(std::string{name} + ": x");
            auto good = test::signed_message(m);
            BOOST_TEST(test::opendkim_verdicts(good) == "pass pass");
            good.fields.back() += "y";
            BOOST_TEST(test::opendkim_verdicts(good) == "fail fail");
        }
    }
}

BOOST_AUTO_TEST_CASE(without_a_from_nothing_is_signed) {
    auto m = test::plain_message();
    std::erase_if(m.fields, [](const std::string& f) { return f.starts_with("From"); });
    m.fields.emplace_back("Fr\xC3\xB6m: alice@example.org");
    const auto views = m.views();
    const auto own = sign({}, test::key_pair(), views, test::body_sha256(m.body), test::some_time());
    const auto library = sign_with_libopendkim({}, test::key_pair(), views, m.body, test::some_time());
    BOOST_TEST((own.has_error() && own.error().code == errc::malformed));
    BOOST_TEST((library.has_error() && library.error().code == errc::malformed));
}

BOOST_AUTO_TEST_CASE(what_was_never_loaded_or_hashed_is_an_error_of_ours) {
    const auto m = test::plain_message();
    const auto views = m.views();
    BOOST_TEST((sign({}, test::key_pair(), views, "short", test::some_time()).error().code == errc::internal));
    const signing_key empty{"example.org", "s", algorithm::rsa_sha256, {}, nullptr, {}, {}};
    BOOST_TEST((sign({}, {&empty, 1}, views, test::body_sha256(""), test::some_time()).error().code == errc::internal));
    BOOST_TEST((sign_with_libopendkim({}, {&empty, 1}, views, "", test::some_time()).error().code == errc::internal));
    BOOST_TEST(sign({}, {}, views, test::body_sha256(""), test::some_time()).value().empty());
}

BOOST_AUTO_TEST_CASE(a_change_of_any_signed_field_or_of_the_body_breaks_both) {
    const auto good = test::signed_message(test::plain_message());
    BOOST_TEST(test::opendkim_verdicts(good) == "pass pass");
    const auto names = names_to_sign({}, {}).sign;
    for (std::size_t i = 2; i < good.fields.size(); ++i) {
        const auto name = field_name(good.fields[i]);
        const bool is_signed =
            std::any_of(names.begin(), names.end(), [name](const auto& n) { return iequals(n, name); });
        BOOST_TEST_CONTEXT("field " << good.fields[i]) {
            auto changed = good;
            changed.fields[i] += "x";
            BOOST_TEST(test::opendkim_verdicts(changed) == (is_signed ? "fail fail" : "pass pass"));
            auto gone = good;
            gone.fields.erase(gone.fields.begin() + static_cast<std::ptrdiff_t>(i));
            const auto verdict = test::opendkim_verdicts(gone);
            BOOST_TEST((name == "From" ? verdict != "pass pass" : verdict == (is_signed ? "fail fail" : "pass pass")),
                       verdict);
        }
    }
    for (const std::string_view body : {"", "dear Bob,\r\n\r\nhere they are.\r\n", "Dear Bob,\r\nhere they are.\r\n",
                                        "Dear Bob,\r\n\r\nhere they are.\r\nPS\r\n"}) {
        auto changed = good;
        changed.body = body;
        BOOST_TEST(test::opendkim_verdicts(changed) == "fail fail");
    }
}

BOOST_AUTO_TEST_CASE(what_relaxed_canonicalization_forgives_is_forgiven) {
    auto m = test::signed_message(test::plain_message());
    for (auto& field : m.fields)
        if (field.starts_with("Subject")) field = "SUBJECT:\r\n\tMinutes  of\r\n the \tmeeting ";
    m.body = "Dear \tBob, \r\n\r\nhere  they are.\r\n\r\n \r\n";
    BOOST_TEST(test::opendkim_verdicts(m) == "pass pass");
}

BOOST_AUTO_TEST_CASE(an_oversigned_field_cannot_be_added) {
    const auto good = test::signed_message(test::plain_message());
    for (const auto& name : config::dkim_settings{}.oversign)
        BOOST_TEST_CONTEXT(name) {
            BOOST_TEST(test::opendkim_verdicts(good.with_on_top({name + ": mallory@example.com"})) == "fail fail");
            auto below = good;
            below.fields.push_back(name + ": mallory@example.com");
            BOOST_TEST(test::opendkim_verdicts(below) == "fail fail");
        }
    BOOST_TEST(test::opendkim_verdicts(good.with_on_top({"X-New: harmless", "Received: by the next hop"})) ==
               "pass pass");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::auth
