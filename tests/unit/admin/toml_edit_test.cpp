// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "admin/toml_edit.hpp"
#include "shared/config/document.hpp"
#include "shared/config/load.hpp"

#include <boost/test/unit_test.hpp>

using namespace postsluice;
using namespace postsluice::admin;

namespace {

std::string set(std::string_view text, std::string_view key, std::string_view value) {
    const auto out = set_key(text, split_key(key), value);
    return out ? *out : "failed: " + out.error().message();
}

} // namespace

BOOST_AUTO_TEST_SUITE(toml_edit)

BOOST_AUTO_TEST_CASE(a_value_changes_in_its_place_and_nothing_else_does) {
    const std::string text = "# top\nmode = \"observe\" # for now\n[policyd]\n  accounting=\"data\"\n";
    BOOST_TEST(set(text, "mode", "\"enforce\"") ==
               "# top\nmode = \"enforce\" # for now\n[policyd]\n  accounting=\"data\"\n");
    BOOST_TEST(set(text, "policyd.accounting", "\"recipient\"") ==
               "# top\nmode = \"observe\" # for now\n[policyd]\n  accounting=\"recipient\"\n");
}

BOOST_AUTO_TEST_CASE(values_of_every_form_are_replaced_whole) {
    const char* values[] = {"[\n  \"a\", # ]\n  \"b\"\n]",
                            "\"\"\"\nmore = 1\n[x]\n\"\"\"",
                            "'''a\nb'''",
                            "{ a = \"}\", b = [1, 2] }",
                            "\"a \\\" # b\"",
                            "'#'",
                            "12",
                            "true"};
    for (const auto* value : values)
        BOOST_TEST_CONTEXT(value) {
            BOOST_TEST(set("a = " + std::string{value} + "\nb = 2\n", "a", "1") == "a = 1\nb = 2\n");
            BOOST_TEST(set("a = " + std::string{value} + " # why\n[t]\n", "a", "1") == "a = 1 # why\n[t]\n");
        }
}

BOOST_AUTO_TEST_CASE(a_key_that_is_not_set_goes_behind_its_sample_or_to_the_end_of_its_table) {
    BOOST_TEST(set("# the mode\n#mode = \"enforce\"\n\n[log]\n#mode = 1\n", "mode", "1") ==
               "# the mode\n#mode = \"enforce\"\nmode = 1\n\n[log]\n#mode = 1\n");
    BOOST_TEST(set("a = 1\n\n[log]\nx = 1\n\n# next\n[spf]\n", "log.level", "2") ==
               "a = 1\n\n[log]\nx = 1\nlevel = 2\n\n# next\n[spf]\n");
    BOOST_TEST(set("a = 1\n\n[log]\n", "b", "2") == "a = 1\nb = 2\n\n[log]\n");
    BOOST_TEST(set("[log]", "log.level", "2") == "[log]\nlevel = 2\n");
    BOOST_TEST(set("", "mode", "1") == "mode = 1\n");
    BOOST_TEST(set("a = 1", "profile.\"x y\".from", "2") == "a = 1\n\n[profile.\"x y\"]\nfrom = 2\n");
}

BOOST_AUTO_TEST_CASE(dotted_and_quoted_keys_are_known_and_lists_of_tables_are_left_alone) {
    BOOST_TEST(set("lock.for = 1\n", "lock.for", "2") == "lock.for = 2\n");
    BOOST_TEST(set("[\"profile\" . 'a.b']\nfrom = 1\n", "profile.\"a.b\".from", "2") ==
               "[\"profile\" . 'a.b']\nfrom = 2\n");
    BOOST_TEST(set("[[account]]\nname = 1\n", "mode", "2") == "mode = 2\n[[account]]\nname = 1\n");
    BOOST_TEST(!sets_key("[[account]]\nname = 1\n", split_key("account.name")));
    BOOST_TEST(sets_key("[a.b]\nc = 1\n", split_key("a.b.c")));
}

BOOST_AUTO_TEST_CASE(what_is_inside_of_another_value_and_what_is_no_toml_is_refused) {
    BOOST_TEST(set_key("[p]\nlock = { for = 1 }\n", split_key("p.lock.for"), "2").error().code == errc::unsupported);
    for (const auto* text : {"a\n", "a = \"x\n", "= 1\n", "[a\n", "a = [1\n", "[[a]\n", "a =\n"})
        BOOST_TEST(set_key(text, split_key("b"), "1").error().code == errc::malformed, text);
    for (const auto* key : {"", "a b", "[a]", "a = 1\nb", "a..b", "#"})
        BOOST_TEST(split_key(key).empty(), key);
}

BOOST_AUTO_TEST_CASE(every_option_of_the_sample_can_be_set_to_its_default_and_the_file_still_reads) {
    const auto sample = config::print_sample();
    for (const auto& one : config::describe_options()) {
        const auto key = split_key(one.key);
        if (key.size() > 2 || one.key.find("[") != std::string::npos || one.key.starts_with("account") ||
            one.key.starts_with("assign") || one.key.starts_with("customer") || one.key.starts_with("settings."))
            continue;
        const auto out = set_key(sample, key, one.default_value);
        BOOST_TEST_REQUIRE(out.has_value(), one.key);
        std::vector<config::config_error> errors;
        const auto parsed = config::parse_document(*out, "sample", errors);
        BOOST_TEST(errors.empty(), one.key);
        const auto* at = parsed ? &*parsed : nullptr;
        for (const auto& part : key)
            at = at == nullptr ? nullptr : at->find(part);
        BOOST_TEST((at != nullptr), one.key);
        BOOST_TEST(out->size() == sample.size() + key.back().size() + 4 + one.default_value.size(),
                   one.key); // one line more
    }
}

BOOST_AUTO_TEST_SUITE_END()
