// SPDX-License-Identifier: Apache-2.0
// Our answers beside those of `postmap -q`, for maps that postmap wrote.
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include <random>

using namespace postsluice;
using namespace postsluice::maps;
using namespace postsluice::maps::test;

namespace {

constexpr std::string_view source = R"(# a comment
alice@example.org   alice@example.org
bob@example.org     bob@example.org, alice@example.org

@example.net	carol@example.org   dave@example.org
UPPER@Example.ORG   Mixed@Example.ORG
continued@example.org   first
   second
	third
# between
  fourth
trailing@example.org   blanks     
"q r"@example.org   quoted
"a\"b"@example.org  escaped
semi;colon@example.org  a;b
equal=sign@example.org  x=y
twice@example.org   one
twice@example.org   two
novalue@example.org
un"balanced@example.org  x
m$x@example.org  $1 $$ ${x}
user                user
.example.com        parent
)";

constexpr std::string_view patterns = R"(# patterns
/^alice@example\.org$/          alice
/^(.+)\+(.+)@example\.org$/     $1 ${2} $(1) $$x
!/@example\.(org|net)$/         not ours
if /@example\.net$/
/^a/                            a at net
if !/^b/
/c/                             c but no b
endif
/^b(x*)y/                       [$1]
endif
/^CASE@/i                       case counts
/^case@/                        case does not
/^(one|two)(three)?@/           $1-$2
/esc\/aped@/                    slash
|^bar@|                         other delimiter
/^both/!/example\.net/          first but not second
/basic\(x\)/x                   basic
/no closing
/bad(/                          broken
/out of range/                  $1
/flags/q                        unknown flag
/text/                          a $ b
nonsense
endif
/^empty@/
/.*@example\.org$/              rest
   of it
)";

const std::vector<std::string> keys = {"alice@example.org",
                                       "ALICE@EXAMPLE.ORG",
                                       "Alice@Example.Org",
                                       "bob@example.org",
                                       "@example.net",
                                       "@EXAMPLE.NET",
                                       "upper@example.org",
                                       "UPPER@Example.ORG",
                                       "continued@example.org",
                                       "trailing@example.org",
                                       "\"q r\"@example.org",
                                       "q r@example.org",
                                       "\"a\\\"b\"@example.org",
                                       "semi;colon@example.org",
                                       "equal=sign@example.org",
                                       "twice@example.org",
                                       "novalue@example.org",
                                       "un\"balanced@example.org",
                                       "m$x@example.org",
                                       "user",
                                       "USER",
                                       ".example.com",
                                       "example.com",
                                       "nobody@example.org",
                                       "alice@example.org ",
                                       " alice@example.org",
                                       "alice",
                                       "@",
                                       "#",
                                       "# a comment",
                                       "second",
                                       "a+b@example.org",
                                       "a+b+c@example.org",
                                       "x@example.com",
                                       "axe@example.net",
                                       "bxxxy@example.net",
                                       "by@example.net",
                                       "c@example.net",
                                       "bc@example.net",
                                       "CASE@example.org",
                                       "case@example.org",
                                       "Case@example.net",
                                       "one@example.org",
                                       "twothree@example.org",
                                       "esc/aped@example.org",
                                       "bar@example.org",
                                       "both@example.org",
                                       "both@example.net",
                                       "basic(x)@example.org",
                                       "empty@example.org",
                                       "z@example.org",
                                       "out of range@example.net",
                                       "flags@example.net",
                                       "text@example.net",
                                       "nonsense@example.net",
                                       std::string(600, 'k') + "@example.org",
                                       "m\xC3\xBCller@example.org",
                                       "\\",
                                       "\"",
                                       "$1",
                                       "a b@example.org"};

/// Keys made of the pieces of the others.
std::vector<std::string> more_keys() {
    std::mt19937 random{20261121};
    const std::vector<std::string> pieces = {"alice",        "bob",          "a",    "b",  "x", "y",    "c",
                                             "@example.org", "@example.net", "@",    ".",  "+", "case", "CASE",
                                             "one",          "three",        "user", "\"", "/", "(",    " "};
    std::vector<std::string> out = keys;
    for (int i = 0; i < 500; ++i) {
        std::string key;
        for (auto n = 1 + random() % 5; n > 0; --n)
            key += pieces[random() % pieces.size()];
        out.push_back(key);
    }
    return out;
}

void compare(const scratch& in, const std::string& map) {
    const auto all = more_keys();
    const auto theirs = in.postmap_q(map, all);
    BOOST_TEST(theirs.size() > 5U);
    map_set ours;
    for (const auto& key : all) {
        BOOST_TEST_CONTEXT(map << " " << key) {
            const auto at = theirs.find(key);
            BOOST_TEST(shown(ours.get(map, key)) == (at == theirs.end() ? "-" : at->second));
        }
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(postmap_test)

BOOST_FIXTURE_TEST_CASE(lmdb_answers_as_postmap_does, scratch) {
    compare(*this, "lmdb:" + postmap("map", source));
}

BOOST_FIXTURE_TEST_CASE(texthash_answers_as_postmap_does, scratch) {
    compare(*this, "texthash:" + put("map", source));
}

BOOST_FIXTURE_TEST_CASE(regexp_answers_as_postmap_does, scratch) {
    compare(*this, "regexp:" + put("map", patterns));
}

BOOST_FIXTURE_TEST_CASE(letters_beyond_ascii_keep_their_case_and_find_less_than_in_postfix, scratch) {
    const auto map = postmap("map", "M\xC3\x9CLLER@example.org x\n"); // postmap folds it
    map_set maps;
    BOOST_TEST(shown(maps.get("lmdb:" + map, "m\xC3\xBCller@example.org")) == "x");
    BOOST_TEST(shown(maps.get("lmdb:" + map, "M\xC3\x9CLLER@example.org")) == "-");
    BOOST_TEST(postmap_q("lmdb:" + map, {"M\xC3\x9CLLER@example.org"}).size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_map_is_right_while_postmap_writes_it_anew, scratch) {
    const auto text = [](int generation) {
        std::string out;
        for (int i = 0; i < 3000; ++i)
            out += "user" + std::to_string(i) + "@example.org generation" + std::to_string(generation) + "\n";
        return out;
    };
    const auto map = "lmdb:" + postmap("map", text(0));
    map_set maps;
    BOOST_TEST(shown(maps.get(map, "user7@example.org")) == "generation0");
    std::size_t asked = 0, wrong = 0;
    for (int generation = 1; generation <= 4; ++generation) {
        put("map", text(generation));
        const auto child = ::fork();
        if (child == 0) {
            ::execl("/usr/sbin/postmap", "postmap", "-c", path("").c_str(), map.c_str(), nullptr);
            ::_exit(127);
        }
        BOOST_REQUIRE(child > 0);
        const auto before = "generation" + std::to_string(generation - 1),
                   after = "generation" + std::to_string(generation);
        int status = 0;
        bool seen_after = false;
        while (::waitpid(child, &status, WNOHANG) == 0) {
            const auto got = shown(maps.get(map, "user" + std::to_string(asked++ % 3000) + "@example.org"));
            if (got == after) seen_after = true;
            if (got != after && (got != before || seen_after)) ++wrong;
        }
        BOOST_TEST(status == 0);
        BOOST_TEST(shown(maps.get(map, "user2999@example.org")) == after);
    }
    BOOST_TEST(wrong == 0U);
    BOOST_TEST(asked > 100U);
}

BOOST_AUTO_TEST_SUITE_END()
