// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/checks/hash_lists.hpp"
#include "contentfilter/checks/rule_files.hpp"

#include <fstream>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

// sha256sum(1) of "greeting" and of "".
const std::string greeting = "18f6b0200b6fd32ce4e85b6c841f72247964195b8e1cd7c52e046dc51e48f779";
std::string to_upper(std::string text) {
    for (auto& c : text)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return text;
}
const std::string nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct lists {
    scratch_directory dir;
    std::vector<std::string> errors;
    std::shared_ptr<const hash_lists> read(const std::string& text, std::size_t most = 1000) {
        std::ofstream{dir.path / "known.hashes"} << text;
        errors.clear();
        return hash_lists::read({{dir.path / "*.hashes"}, most}, errors);
    }
};

std::vector<finding> found_in(std::string_view content, std::shared_ptr<const hash_lists> known,
                              std::shared_ptr<const rule_set> rules = nullptr) {
    auto resources = std::make_shared<check_resources>();
    resources->hashes = std::move(known);
    resources->rules = std::move(rules);
    return run_check("hashes",
                     make_message(with_attachment("Content-Type: application/pdf; name=a.pdf\r\n"
                                                  "Content-Transfer-Encoding: base64\r\n",
                                                  base64(content))),
                     resources);
}

} // namespace

BOOST_AUTO_TEST_SUITE(check_hashes_test)

BOOST_AUTO_TEST_CASE(a_part_that_is_listed_is_found_and_its_neighbour_is_not) {
    lists l;
    const auto known = l.read("# what we know\n\n" + nothing + "\n" + greeting + "  the greeting worm\n");
    BOOST_REQUIRE(l.errors.empty());
    BOOST_TEST(known->size() == 2u);
    const auto found = found_in("greeting", known);
    BOOST_REQUIRE(found.size() == 1u);
    BOOST_TEST(found[0].symbol == "KNOWN_FILE");
    BOOST_TEST(found[0].evidence == "1.2 (a.pdf): known.hashes:4: the greeting worm");
    BOOST_TEST((found[0].action == config::forced_verdict::quarantine));
    BOOST_TEST((found[0].strikes == strike_kind::virus));
    BOOST_TEST(found_in("greeting ", known).empty());
    BOOST_TEST(found_in("greeting", nullptr).empty());
}

BOOST_AUTO_TEST_CASE(a_rule_file_may_name_files_too) {
    const auto found_by = [](const std::string& table, std::string_view content) {
        auto rules = std::make_shared<rule_set>();
        std::vector<std::string> errors;
        parse_rules("[[hash]]\n" + table, "own.toml", *rules, errors);
        BOOST_TEST(errors.empty());
        return found_in(content, nullptr, std::move(rules));
    };
    const auto sums = "sha256 = [\"" + nothing + "\",\n  \"" + to_upper(greeting) + "\"]\n";
    const auto usual = found_by(sums, "greeting");
    BOOST_REQUIRE(usual.size() == 1u);
    BOOST_TEST(usual[0].symbol == "KNOWN_FILE");
    BOOST_TEST(usual[0].score == 15);
    BOOST_TEST(usual[0].evidence == "1.2 (a.pdf): own.toml:3");
    BOOST_TEST((usual[0].action == config::forced_verdict::quarantine));
    BOOST_TEST((usual[0].strikes == strike_kind::virus));
    BOOST_TEST(found_by(sums, "greeting ").empty());

    const auto own = found_by("symbol = 'OUR_LEAK'\nscore = 3\naction = 'hold'\n" + sums, "greeting");
    BOOST_REQUIRE(own.size() == 1u);
    BOOST_TEST(own[0].symbol == "OUR_LEAK");
    BOOST_TEST(own[0].score == 3);
    BOOST_TEST((own[0].action == config::forced_verdict::hold));
    BOOST_TEST(!own[0].strikes);
}

BOOST_AUTO_TEST_CASE(a_sum_in_a_rule_file_that_is_none_is_a_mistake) {
    rule_set rules;
    std::vector<std::string> errors;
    parse_rules("[[hash]]\nsha256 = ['12ab']\n[[hash]]\nscore = 1\n", "own.toml", rules, errors);
    BOOST_REQUIRE(errors.size() == 2u);
    BOOST_TEST(errors[0].starts_with("own.toml:2: hash.sha256: "));
    BOOST_TEST(errors[0].find("is no SHA-256") != std::string::npos);
    BOOST_TEST(errors[1].starts_with("own.toml:3: hash.sha256: is missing"));
}

BOOST_AUTO_TEST_CASE(letters_of_either_case_are_read) {
    lists l;
    std::string upper = greeting;
    std::transform(upper.begin(), upper.end(), upper.begin(), [](char c) { return c >= 'a' ? char(c - 32) : c; });
    BOOST_TEST(found_in("greeting", l.read(upper + "\r\n")).size() == 1u);
}

BOOST_AUTO_TEST_CASE(mistakes_name_file_and_line) {
    lists l;
    (void)l.read(greeting + "\nabc good\n" + greeting.substr(1) + "g odd\n");
    BOOST_REQUIRE(l.errors.size() == 2u);
    const auto file = (l.dir.path / "known.hashes").string();
    BOOST_TEST(l.errors[0].starts_with(file + ":2: \"abc\" is no SHA-256"));
    BOOST_TEST(l.errors[1].starts_with(file + ":3: "));
}

BOOST_AUTO_TEST_CASE(a_bound_on_entries_and_a_file_that_must_be_there) {
    lists l;
    (void)l.read(greeting + "\n" + nothing + "\n", 1);
    BOOST_REQUIRE(l.errors.size() == 1u);
    BOOST_TEST(l.errors[0].find(":2: more sums than hashes.max_entries, 1") != std::string::npos);
    std::vector<std::string> errors;
    BOOST_TEST(hash_lists::read({{"/nonexistent/*.hashes"}, 10}, errors)->size() == 0u);
    BOOST_TEST(errors.empty());
    (void)hash_lists::read({{"/nonexistent/x.hashes"}, 10}, errors);
    BOOST_TEST(errors.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
