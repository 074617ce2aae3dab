// SPDX-License-Identifier: Apache-2.0
// The tags of other implementations are Exim 4.96's (`exim -be '${prvs{ADDRESS}{SECRET}{N}}'` at 1795239878) and
// openssl(1)'s HMAC.
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"
#include "shared/auth/batv.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <cstdio>
#include <fstream>
#include <sys/stat.h>

namespace postsluice::auth {

BOOST_AUTO_TEST_SUITE(batv)

namespace {

const instant exims_time{seconds{1795239878}};
constexpr std::string_view wonderland = "0 wonderland-secret\n";

struct desk {
    test::temporary_directory directory;
    config::batv_settings settings;
    std::unique_ptr<batv_keys> keys;

    explicit desk(std::string_view text = wonderland) {
        settings.domains = {"Example.org"};
        settings.key_file = directory.path() / "batv.keys";
        write(text);
        keys = open(false).value();
    }
    void write(std::string_view text, mode_t mode = 0600) const {
        std::filesystem::remove(settings.key_file); // another inode: noticed whatever the clock says
        std::ofstream{settings.key_file} << text;
        BOOST_REQUIRE(::chmod(settings.key_file.c_str(), mode) == 0);
    }
    [[nodiscard]] result<std::unique_ptr<batv_keys>> open(bool makes) const { return batv_keys::open(settings, makes); }
    [[nodiscard]] std::string tag(std::string_view address, instant now = exims_time) const {
        const auto out = keys->tag(mail_address::from_internal(address), now);
        return out ? out->local + "@" + out->domain : out.error().message();
    }
    [[nodiscard]] batv_verdict check(std::string_view address, instant now = exims_time) const {
        return keys->check(mail_address::from_internal(address), now).value();
    }
};

/// The digest as openssl(1) says it.
std::string openssl_hmac(const std::string& secret, const std::string& text) {
    const auto command = "printf %s '" + text + "' | openssl dgst -sha1 -hmac '" + secret + "' -r";
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe{::popen(command.c_str(), "r"), &::pclose};
    std::array<char, 128> line{};
    BOOST_REQUIRE(std::fgets(line.data(), static_cast<int>(line.size()), pipe.get()) != nullptr);
    return line.data();
}

} // namespace

BOOST_AUTO_TEST_CASE(a_tag_is_the_one_that_exim_makes) {
    BOOST_TEST(desk{}.tag("alice@example.org") == "prvs=07852dd453=alice@example.org");
    BOOST_TEST(desk{}.tag("q r@example.org") == "prvs=0785dfd05e=q r@example.org");
    BOOST_TEST(desk{"9 another-secret-of-mine\n"}.tag("alice@example.org").starts_with("prvs=9785"));
    BOOST_TEST(desk{"1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"}.tag("alice@example.org") ==
               "prvs=1785331e1d=alice@example.org");
}

BOOST_AUTO_TEST_CASE(tags_of_exim_are_valid) {
    const desk two{"3 wonderland-secret\n0 0123456789abcdef\n"};
    BOOST_TEST(two.check("prvs=37859ab6c2=Bob.Builder@example.org") == batv_verdict::valid); // signed as it stands
    BOOST_TEST(desk{}.check("prvs=07852dd453=alice@example.org") == batv_verdict::valid);
}

BOOST_AUTO_TEST_CASE(the_signature_is_openssls_hmac) {
    for (const std::string address : {"alice@example.org", "a=b+c@example.org", "x@y"}) {
        const auto expected = openssl_hmac("some long secret", "5042" + address).substr(0, 6);
        BOOST_TEST(batv_signature("some long secret", 5, 42, address) == expected);
    }
}

BOOST_AUTO_TEST_CASE(a_tag_is_read_back_and_nothing_else_is_one) {
    const auto tag = read_batv_tag("PRVS=3001ABcdef=bob=x").value();
    BOOST_TEST(tag.key == 3U);
    BOOST_TEST(tag.day == 1U);
    BOOST_TEST(tag.signature == "ABcdef");
    BOOST_TEST(tag.local == "bob=x");
    for (const std::string_view none : {"", "prvs=", "prvs=3001abcdef", "prvs=3001abcdef=", "prvs=3001abcdeg=bob",
                                        "prvs=x001abcdef=bob", "prvs=3001abcde=bob", "prvs=3001abcdef0=bob",
                                        "xprvs=3001abcdef=bob", "btv1==3001abcdef==bob", "prvs=bob=3001abcdef"})
        BOOST_TEST(!read_batv_tag(none).has_value(), none);
}

BOOST_AUTO_TEST_CASE(a_tag_holds_until_the_end_of_its_last_day) {
    const desk d;
    const auto tagged = d.tag("alice@example.org");
    const auto days = [](int n) { return exims_time + std::chrono::hours{24} * n; };
    for (const int good : {0, 1, 6, 7})
        BOOST_TEST(d.check(tagged, days(good)) == batv_verdict::valid, good);
    for (const int late : {8, 9, 100, 500, 992})
        BOOST_TEST(d.check(tagged, days(late)) == batv_verdict::expired, late);
    BOOST_TEST(d.check(tagged, days(-1)) == batv_verdict::expired); // of a day that no tag of today could name
    BOOST_TEST(d.check(tagged, days(1000)) == batv_verdict::valid); // DDD has come round
}

BOOST_AUTO_TEST_CASE(the_day_wraps_at_a_thousand) {
    const desk d;
    const instant late{std::chrono::hours{24} * 20'997}; // day 997: expires on 004
    const auto tagged = d.tag("alice@example.org", late);
    BOOST_TEST(tagged.starts_with("prvs=0004"), tagged);
    BOOST_TEST(d.check(tagged, late) == batv_verdict::valid);
    BOOST_TEST(d.check(tagged, late + std::chrono::hours{24 * 7}) == batv_verdict::valid);
    BOOST_TEST(d.check(tagged, late + std::chrono::hours{24 * 8}) == batv_verdict::expired);
}

BOOST_AUTO_TEST_CASE(a_forged_tag_is_none) {
    const desk d;
    const auto good = d.tag("alice@example.org");
    for (std::size_t at = 5; at < 15; ++at) {
        auto bad = good;
        bad[at] = bad[at] == '1' ? '2' : '1';
        BOOST_TEST_CONTEXT(bad) {
            BOOST_TEST(d.check(bad) == batv_verdict::forged);
        }
    }
    BOOST_TEST(d.check("prvs=07852dd453=bob@example.org") == batv_verdict::forged); // another's
    BOOST_TEST(d.check("alice@example.org") == batv_verdict::untagged);
    BOOST_TEST(d.check("prvs=07852dd45=alice@example.org") == batv_verdict::untagged);
}

BOOST_AUTO_TEST_CASE(case_and_what_verp_appends_do_not_break_a_tag) {
    const desk d;
    const auto tagged = d.tag("Alice.Liddell@EXAMPLE.org");
    BOOST_TEST(tagged.ends_with("=Alice.Liddell@example.org"));
    BOOST_TEST(d.check(tagged) == batv_verdict::valid);
    BOOST_TEST(d.check(to_lower(tagged)) == batv_verdict::valid);
    BOOST_TEST(d.check("PRVS=" + tagged.substr(5, 10) + "=ALICE.LIDDELL@EXAMPLE.ORG") == batv_verdict::valid);
    const auto list = d.tag("news@example.org");
    const auto at = list.find('@');
    BOOST_TEST(d.check(list.substr(0, at) + "+friend=example.net@example.org") == batv_verdict::valid);
    BOOST_TEST(d.check(list.substr(0, at) + "x@example.org") == batv_verdict::forged);
    const auto verp = d.tag("news+friend=example.net@example.org");
    BOOST_TEST(d.check(verp) == batv_verdict::valid);
}

BOOST_AUTO_TEST_CASE(quoted_local_parts_stay_quoted) {
    const desk d;
    const auto quoted = mail_address::from_smtp("<\"q r\"@example.org>").value();
    const auto tagged = d.keys->tag(quoted, exims_time).value();
    BOOST_TEST(tagged.to_smtp().starts_with("\"prvs=0785"));
    BOOST_TEST(tagged.to_smtp().ends_with("=q r\"@example.org"));
    const auto back = mail_address::from_smtp("<" + tagged.to_smtp() + ">").value();
    BOOST_TEST(d.keys->check(back, exims_time).value() == batv_verdict::valid);
}

BOOST_AUTO_TEST_CASE(what_is_not_tagged_is_not_asked_for_a_tag) {
    const desk d;
    const std::string long_local(49, 'x');
    for (const std::string& address :
         {std::string{"bob@example.net"}, std::string{"SRS0=abc=XY=example.net=bob@example.org"},
          std::string{"srs1+x@example.org"}, std::string{"@example.org"}, std::string{"bob"},
          long_local + "@example.org", std::string{}})
        BOOST_TEST_CONTEXT(address) {
            const auto plain = mail_address::from_internal(address);
            BOOST_TEST(!d.keys->tags(plain));
            BOOST_TEST((d.keys->tag(plain, exims_time).value() == plain));
            BOOST_TEST(d.check(address) == batv_verdict::not_asked);
        }
    const auto fits = d.tag(long_local.substr(1) + "@example.org");
    BOOST_TEST(fits.find('@') == 64U);
    const auto once = d.tag("alice@example.org");
    BOOST_TEST(d.tag(once) == once);
    BOOST_TEST(d.check("prvs=1234abcdef=bob@example.net") == batv_verdict::not_asked);
}

BOOST_AUTO_TEST_CASE(exempt_recipients_and_postmaster_take_every_bounce) {
    desk d;
    d.settings.exempt = {"Press@example.org"};
    BOOST_REQUIRE(d.keys->use(d.settings).has_value());
    BOOST_TEST(d.check("press@example.org") == batv_verdict::not_asked);
    BOOST_TEST(d.check("prvs=0000000000=press@example.org") == batv_verdict::not_asked);
    BOOST_TEST(d.check("Postmaster@example.org") == batv_verdict::not_asked);
    BOOST_TEST(d.check("pressed@example.org") == batv_verdict::untagged);
}

BOOST_AUTO_TEST_CASE(the_newest_key_signs_and_old_ones_still_verify) {
    const desk d;
    const auto old = d.tag("alice@example.org");
    d.write("4 a-much-newer-secret\n# replaced today\n0 wonderland-secret\n");
    const auto fresh = d.tag("alice@example.org"); // the file is watched
    BOOST_TEST(fresh.starts_with("prvs=4785"), fresh);
    BOOST_TEST(d.check(fresh) == batv_verdict::valid);
    BOOST_TEST(d.check(old) == batv_verdict::valid);
    d.write("4 a-much-newer-secret\n");
    BOOST_TEST(d.check(old) == batv_verdict::forged);
    BOOST_TEST(d.check(fresh) == batv_verdict::valid);
}

BOOST_AUTO_TEST_CASE(a_key_file_that_becomes_unusable_leaves_the_old_keys_in_force) {
    std::vector<std::string> lines;
    log::capture([&lines](log::level, const std::string& line) { lines.push_back(line); });
    const desk d;
    const auto old = d.tag("alice@example.org");
    for (const auto& [text, mode] :
         {std::pair{"nonsense\n", mode_t{0600}}, std::pair{"4 a-much-newer-secret\n", mode_t{0644}}}) {
        d.write(text, mode);
        BOOST_TEST(d.tag("alice@example.org") == old);
        BOOST_TEST(d.check(old) == batv_verdict::valid);
    }
    std::filesystem::remove(d.settings.key_file);
    BOOST_TEST(d.tag("alice@example.org") == old);
    BOOST_TEST(d.tag("alice@example.org") == old);
    BOOST_TEST(lines.size() == 3U); // each said once
    for (const auto& line : lines)
        BOOST_TEST(line.find("newer") == std::string::npos);
    log::capture({});
}

BOOST_AUTO_TEST_CASE(a_bad_key_file_is_refused_with_its_line) {
    const desk d;
    const std::pair<const char*, const char*> table[] = {
        {"", "holds no BATV key"},
        {"# only this\n", "holds no BATV key"},
        {"\nx secret-secret\n", "line 2 is no BATV key"},
        {"10 secret-secret\n", "line 1 is no BATV key"},
        {"1\n", "line 1 is no BATV key"},
        {"1 short\n", "line 1 has no secret of 12 to 64 octets"},
        {"1 two words-and-more\n", "line 1 has no secret"},
        {"1 secret-secret\n1 other-secret\n", "line 2 has the number of a key above it"}};
    for (const auto& [text, says] : table)
        BOOST_TEST_CONTEXT(text) {
            d.write(text);
            const auto opened = d.open(false);
            BOOST_REQUIRE(opened.has_error());
            BOOST_TEST(opened.error().code == errc::corrupt);
            BOOST_TEST(opened.error().detail.find(says) != std::string::npos, opened.error().detail);
        }
    for (const mode_t open_to : {0604, 0602, 0620, 0666}) {
        d.write(wonderland, open_to);
        BOOST_TEST(d.open(false).error().code == errc::denied);
    }
    d.write(wonderland, 0640);
    BOOST_TEST(d.open(false).has_value());
    d.write(std::string(70'000, '#'));
    BOOST_TEST(d.open(false).error().code == errc::too_large);
}

BOOST_AUTO_TEST_CASE(policyd_makes_a_key_where_there_is_none_and_never_over_one) {
    const desk d;
    std::filesystem::remove(d.settings.key_file);
    const auto filter = d.open(false).value();
    BOOST_TEST(filter->tag(mail_address::from_internal("alice@example.org"), exims_time).error().code ==
               errc::unavailable);
    const auto policyd = d.open(true).value();
    struct stat info {};
    BOOST_REQUIRE(::stat(d.settings.key_file.c_str(), &info) == 0);
    BOOST_TEST((info.st_mode & 07777U) == 0600U);
    BOOST_TEST(std::distance(std::filesystem::directory_iterator{d.directory.path()}, {}) == 1); // nothing left aside
    const auto tagged = filter->tag(mail_address::from_internal("alice@example.org"), exims_time).value();
    BOOST_TEST(policyd->check(tagged, exims_time).value() == batv_verdict::valid);
    BOOST_REQUIRE(d.open(true).has_value());
    BOOST_TEST(policyd->check(tagged, exims_time).value() == batv_verdict::valid); // the same key
}

BOOST_AUTO_TEST_CASE(without_domains_there_is_nothing_to_do) {
    desk d;
    d.settings.domains.clear();
    d.settings.key_file = d.directory.path() / "none";
    const auto keys = d.open(true).value();
    const auto alice = mail_address::from_internal("alice@example.org");
    BOOST_TEST((keys->tag(alice, exims_time).value() == alice));
    BOOST_TEST(keys->check(alice, exims_time).value() == batv_verdict::not_asked);
    BOOST_TEST(!std::filesystem::exists(d.settings.key_file));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::auth
