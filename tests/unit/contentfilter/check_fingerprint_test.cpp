// SPDX-License-Identifier: Apache-2.0
// The figures of docs/checks/fingerprint.md come from false_matches_*.
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"
#include "contentfilter/checks/known_book.hpp"
#include "contentfilter/checks/message_fingerprints.hpp"
#include "contentfilter/intake/message_notes.hpp"
#include "shared/state/environments.hpp"

#include <random>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

/// Words as they come in running text: the k-th most frequent one with a probability of 1/k (Zipf), of 5,000.
class writer_of_texts {
public:
    explicit writer_of_texts(std::uint64_t seed)
        : random_{seed} {
        for (int k = 1; k <= 5000; ++k)
            weights_.push_back(1.0 / k);
        words_ = std::discrete_distribution<int>{weights_.begin(), weights_.end()};
    }
    std::vector<std::string> words(std::size_t count) {
        std::vector<std::string> out;
        while (out.size() < count)
            out.push_back(word());
        return out;
    }
    /// Every `each`-th word is another one.
    std::vector<std::string> changed(std::vector<std::string> words, std::size_t each) {
        for (std::size_t i = each / 2; i < words.size(); i += each)
            words[i] = word();
        return words;
    }

private:
    std::string word() {
        std::string out;
        for (int n = words_(random_) + 1; n > 0; n /= 26)
            out += static_cast<char>('a' + n % 26);
        return out;
    }
    std::mt19937_64 random_;
    std::vector<double> weights_;
    std::discrete_distribution<int> words_;
};

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i)
        out += words[i] + (i % 12 == 11 ? "\r\n" : " ");
    return out;
}

std::string letter(const std::string& text) {
    return "From: a@example.org\r\nSubject: s\r\n\r\n" + text + "\r\n";
}

/// The layout of a newsletter; `rows` of them.
std::string page(const std::string& row, int rows, const std::string& text) {
    std::string out = "<html><body>";
    for (int i = 0; i < rows; ++i)
        out += row + text + std::to_string(i);
    return "From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" + out + "\r\n";
}
const std::string table_row = "<table><tr><td><img src=x><td><b>x</b><a href='http://x.example/'><i>";
const std::string list_row = "<ul><li><p><span>y</span></p></li></ul><hr><h2>z</h2><blockquote></blockquote>";

struct fixture {
    scratch_directory scratch;
    std::unique_ptr<state::environments> state =
        state::environments::open({.directory = scratch.path, .map_size = byte_count{64U << 20U}},
                                  state::user::contentfilter)
            .value();
    known_book book;
    writer_of_texts texts{7};

    message_ptr made(const std::string& text, const std::string& account, std::size_t recipients = 1) {
        message_options how;
        how.account = account;
        auto m = std::make_shared<message>(*make_message(text, how));
        for (std::size_t i = 0; i < recipients; ++i)
            m->envelope.recipients.push_back(smtp::parse_path_argument("<r" + std::to_string(i) + "@x>").value());
        return m;
    }
    std::string look(const message_ptr& m) {
        auto resources = std::make_shared<check_resources>();
        resources->accounts = {nullptr, nullptr, &state->time(), &state->sent_campaigns(), &book};
        std::string out;
        for (const auto& f : run_check("fingerprint", m, resources))
            out += (out.empty() ? "" : " ") + f.symbol;
        return out;
    }
    /// As the pipeline does: looked at, then learned.
    std::string send(const std::string& text, const std::string& account, std::size_t recipients = 1) {
        const auto m = made(text, account, recipients);
        auto out = look(m);
        const auto& bounds = m->settings->fingerprints;
        state->sent_campaigns()
            .learn(m->notes->fingerprints(), account, recipients_of(*m), state->time().now(), campaign_bounds(bounds))
            .value();
        return out;
    }
    std::string from_many(const std::vector<std::string>& each) {
        std::string last;
        for (std::size_t i = 0; i < each.size(); ++i)
            last = send(each[i], "u" + std::to_string(i) + "@example.org");
        return last;
    }
    void add_bad(const std::string& text) {
        const auto m = made(text, "-");
        const auto tree = tree_of(*m);
        state::known_fingerprint known;
        known.id = "BAD00001";
        known.why = "the invoice";
        known.of = fingerprints_of(tree.get(), mime::content{m, tree}, m->settings->fingerprints).all;
        book.use({known});
    }
};

double like(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    const auto one = joined(a), two = joined(b);
    return likeness(sketch_of_text({one}, 40).value(), sketch_of_text({two}, 40).value());
}

} // namespace

BOOST_AUTO_TEST_SUITE(check_fingerprint_test)

BOOST_FIXTURE_TEST_CASE(one_text_from_many_accounts_is_a_campaign, fixture) {
    const auto text = texts.words(150);
    std::vector<std::string> each;
    for (int i = 0; i < 5; ++i)
        each.push_back(letter("Dear " + joined(texts.words(1)) + ",\r\n" + joined(text) + " 4711" + std::to_string(i)));
    BOOST_TEST(from_many(each) == "CAMPAIGN_ACCOUNTS");
    BOOST_TEST(send(each[0], "u0@example.org") == "CAMPAIGN_ACCOUNTS");
    BOOST_TEST(look(made(each[0], "other@example.org")) == "CAMPAIGN_ACCOUNTS");
    BOOST_TEST(look(made(each[0], "-")) == ""); // nobody's
}

BOOST_FIXTURE_TEST_CASE(what_is_no_campaign, fixture) {
    const auto text = letter(joined(texts.words(150)));
    for (int i = 0; i < 20; ++i)
        BOOST_TEST(send(text, "news@example.org", 20) == ""); // one account, 400 recipients
    BOOST_TEST(from_many({text, text, text}) == "");          // with it they are four accounts
    std::vector<std::string> others;
    for (int i = 0; i < 10; ++i)
        others.push_back(letter(joined(texts.words(150))));
    BOOST_TEST(from_many(others) == "");
    const auto few = letter(joined(texts.words(39)));
    BOOST_TEST(from_many({few, few, few, few, few, few}) == ""); // "See you on Monday."
    const std::string quoted = "I agree.\r\n> " + joined(texts.words(11)) + "\r\n-- \r\n" + joined(texts.words(200));
    BOOST_TEST(from_many(std::vector<std::string>(8, letter(quoted))) == ""); // what others said, and a disclaimer
}

BOOST_FIXTURE_TEST_CASE(one_account_that_writes_to_very_many_is_told_mildly, fixture) {
    const auto text = letter(joined(texts.words(150)));
    BOOST_TEST(send(text, "a@example.org", 250) == "");
    BOOST_TEST(send(text, "a@example.org", 249) == "");
    BOOST_TEST(send(text, "a@example.org", 1) == "CAMPAIGN_RECIPIENTS");
    BOOST_TEST(send(text, "b@example.org", 499) == "");
    // With the defaults a newsletter is neither tagged nor held for it.
    const auto found = run_check("fingerprint", made(text, "a@example.org"), [&] {
        auto resources = std::make_shared<check_resources>();
        resources->accounts = {nullptr, nullptr, &state->time(), &state->sent_campaigns(), &book};
        return resources;
    }());
    const config::profile defaults;
    BOOST_TEST((decide(found, {defaults, config::filter_error_policy::tempfail, false}).kind == verdict_kind::pass));
}

BOOST_FIXTURE_TEST_CASE(one_file_from_many_accounts_is_found, fixture) {
    const auto with = [&](const std::string& content) {
        return with_attachment(
            "Content-Type: application/pdf; name=\"list.pdf\"\r\nContent-Transfer-Encoding: base64\r\n",
            base64(content));
    };
    const std::string content = "%PDF-1.4 " + joined(texts.words(2000));
    BOOST_TEST(from_many(std::vector<std::string>(5, with(content))) == "CAMPAIGN_FILE");
    std::vector<std::string> others, logos;
    for (int i = 0; i < 6; ++i)
        others.push_back(with(content + std::to_string(i)));
    BOOST_TEST(from_many(others) == "");
    BOOST_TEST(from_many(std::vector<std::string>(6, with("%PDF-1.4 a small one"))) == "");
}

BOOST_FIXTURE_TEST_CASE(one_layout_from_many_accounts_is_found, fixture) {
    std::vector<std::string> same, others;
    for (int i = 0; i < 5; ++i)
        same.push_back(page(table_row, 15 + i % 2, texts.words(1)[0]));
    BOOST_TEST(from_many(same) == "CAMPAIGN_LAYOUT");
    const std::string other = from_many({page(list_row, 15, "x"), page(list_row, 15, "y")});
    BOOST_TEST(other == "");
    BOOST_TEST(from_many(std::vector<std::string>(6, page("<p>", 20, "x"))) == ""); // few elements
}

BOOST_FIXTURE_TEST_CASE(what_an_operator_added_is_known_again, fixture) {
    const auto words = texts.words(200);
    add_bad(letter(joined(words)));
    const auto near = letter(joined(texts.changed(words, 40)));
    BOOST_TEST(look(made(near, "a@example.org")) == "KNOWN_FINGERPRINT");
    BOOST_TEST(look(made(near, "-")) == "KNOWN_FINGERPRINT");
    BOOST_TEST(look(made(letter(joined(texts.changed(words, 4))), "a@example.org")) == ""); // another text
    book.use({});
    BOOST_TEST(look(made(near, "a@example.org")) == "");
}

BOOST_FIXTURE_TEST_CASE(a_file_of_what_an_operator_added_is_known_again, fixture) {
    const auto with = [&](const std::string& content, std::size_t words) {
        return with_attachment(
                   "Content-Type: application/pdf; name=\"list.pdf\"\r\nContent-Transfer-Encoding: base64\r\n",
                   base64(content)) +
               joined(texts.words(words));
    };
    const std::string content = "%PDF-1.4 " + joined(texts.words(2000));
    add_bad(with(content, 0));
    const auto m = made(with(content, 20), "a@example.org");
    auto resources = std::make_shared<check_resources>();
    resources->accounts.bad = &book;
    const auto found = run_check("fingerprint", m, resources);
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].symbol == "KNOWN_FINGERPRINT");
    BOOST_TEST(found[0].score == 15);
    BOOST_TEST((found[0].action == config::forced_verdict::quarantine));
    BOOST_TEST((found[0].strikes == strike_kind::spam));
    BOOST_TEST(found[0].evidence == "1.2 (list.pdf) is that of BAD00001: the invoice");
    auto other = content;
    other.back() = '!'; // one octet
    BOOST_TEST(look(made(with(other, 20), "a@example.org")) == "");
}

BOOST_FIXTURE_TEST_CASE(a_layout_alone_is_not_the_message_that_was_added, fixture) {
    add_bad(page(table_row, 15, joined(texts.words(30))));
    BOOST_TEST(look(made(page(table_row, 15, joined(texts.words(30))), "a@example.org")) == "KNOWN_LAYOUT");
    BOOST_TEST(look(made(page(list_row, 15, joined(texts.words(30))), "a@example.org")) == "");
}

BOOST_FIXTURE_TEST_CASE(more_files_or_layouts_than_are_looked_at_are_a_finding, fixture) {
    const auto with = [](std::size_t count, const std::string& type, const std::string& content) {
        std::string out = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
        for (std::size_t i = 0; i < count; ++i)
            out += "--b\r\nContent-Type: " + type + "\r\n\r\n" + std::to_string(i) + content + "\r\n";
        return out + "--b--\r\n";
    };
    const std::string file(2 * config::fingerprint_settings{}.min_file.value, 'x');
    const std::string html = page(table_row, 15, "").substr(page(table_row, 15, "").find("<html>"));
    BOOST_TEST(look(made(with(20, "application/pdf; name=\"a.pdf\"", file), "a@example.org")) == "");
    BOOST_TEST(look(made(with(21, "application/pdf; name=\"a.pdf\"", file), "a@example.org")) == "FINGERPRINT_BOUND");
    BOOST_TEST(look(made(with(4, "text/html", html), "a@example.org")) == "");
    BOOST_TEST(look(made(with(5, "text/html", html), "a@example.org")) == "FINGERPRINT_BOUND");
}

BOOST_AUTO_TEST_CASE(false_matches_of_texts_that_have_nothing_to_do_with_each_other) {
    writer_of_texts texts{11};
    for (const std::size_t size : {40, 150}) {
        std::vector<min_hash> all;
        for (int i = 0; i < 1000; ++i) {
            const auto text = joined(texts.words(size));
            all.push_back(sketch_of_text({text}, 40).value());
        }
        double highest = 0;
        for (std::size_t i = 0; i < all.size(); ++i)
            for (std::size_t j = 0; j < i; ++j)
                highest = std::max(highest, likeness(all[i], all[j]));
        BOOST_TEST_MESSAGE(size << " words: the two of 1000 most like each other are so to " << highest);
        BOOST_TEST(highest < 0.3); // none of 499,500 pairs comes near 0.8
    }
}

BOOST_AUTO_TEST_CASE(false_matches_and_misses_of_texts_that_share_some) {
    writer_of_texts texts{13};
    const auto share = [&](std::size_t size, std::size_t each) {
        int matched = 0;
        for (int i = 0; i < 1000; ++i) {
            const auto words = texts.words(size);
            matched += like(words, texts.changed(words, each)) >= 0.8 ? 1 : 0;
        }
        BOOST_TEST_MESSAGE(size << " words, each " << each << "th another: " << matched << " of 1000 match");
        return matched;
    };
    for (const std::size_t size : {40, 150}) {
        BOOST_TEST(share(size, 50) > 980); // 2 % of the words
        BOOST_TEST(share(size, 4) == 0);   // a quarter of them
    }
}

BOOST_AUTO_TEST_CASE(case_blanks_and_numbers_make_no_other_text) {
    writer_of_texts texts{17};
    const auto words = texts.words(60);
    auto shouted = joined(words);
    for (auto& c : shouted)
        c = c == ' ' ? '\t' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    BOOST_TEST((sketch_of_text({joined(words) + "12 EUR"}, 40) == sketch_of_text({shouted + "3400 eur"}, 40)));
    BOOST_TEST(!sketch_of_text({joined(texts.words(39))}, 40).has_value());
    BOOST_TEST(!sketch_of_text({}, 1).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
