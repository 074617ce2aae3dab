// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/smtp/dot_stream.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <random>

using namespace postsluice::smtp;
using namespace std::string_literals;

namespace {

struct read_back {
    std::string content;
    bool ended = false;
    bool quit = false;
    std::size_t consumed = 0;
};

read_back read_in(const std::vector<std::string_view>& pieces) {
    dot_reader reader;
    read_back out;
    for (const auto piece : pieces) {
        const auto done = reader.feed(piece, out.content);
        out.consumed += done.consumed;
        out.ended = done.ended;
        if (done.ended) break;
    }
    out.quit = reader.last_line_is_quit();
    return out;
}

// A bare CR or LF is one that does not stand in a CRLF.
bool has_bare_line_end(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) return true;
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) return true;
    }
    return false;
}

std::string stuffed(std::string_view text, std::size_t cut = std::string_view::npos) {
    dot_stuffer stuffer;
    std::string out;
    cut = std::min(cut, text.size());
    stuffer.feed(text.substr(0, cut), out);
    stuffer.feed(text.substr(cut), out);
    stuffer.finish(out);
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(dot_stream)

BOOST_AUTO_TEST_CASE(content_is_read_the_same_however_it_is_cut) {
    struct row {
        std::string in, content;
        bool ended;
    };
    const row table[] = {
        {".\r\n", "", true},
        {"a\r\n.\r\n", "a\r\n", true},
        {"a\r\n..\r\n.\r\n", "a\r\n.\r\n", true},
        {"..a\r\n...\r\n.\r\n", ".a\r\n..\r\n", true},
        {".a\r\n.\r\n", "a\r\n", true},
        {"a\r\n.\r\nQUIT\r\n", "a\r\n", true},
        {"a.\r\n.\r\n", "a.\r\n", true},
        {"\r\n\r\n.\r\n", "\r\n\r\n", true},
        {"a\r\n.", "a\r\n", false},
        {"a\r\n.\r", "a\r\n", false},
        {"a\0b\xff\r\n.\r\n"s, "a\0b\xff\r\n"s, true},
    };
    for (const auto& row : table) {
        for (std::size_t cut = 0; cut <= row.in.size(); ++cut) {
            BOOST_TEST_CONTEXT(row.in << " cut at " << cut) {
                const std::string_view in = row.in;
                const auto got = read_in({in.substr(0, cut), in.substr(cut)});
                BOOST_TEST((got.content == row.content));
                BOOST_TEST(got.ended == row.ended);
            }
        }
        std::vector<std::string_view> octets;
        for (std::size_t i = 0; i < row.in.size(); ++i)
            octets.push_back(std::string_view{row.in}.substr(i, 1));
        BOOST_TEST((read_in(octets).content == row.content));
    }
}

// The end-of-data variants of SMTP smuggling (CVE-2023-51764 and kin): a second message would begin behind each.
BOOST_AUTO_TEST_CASE(smuggled_ends_of_data_end_nothing_and_leave_no_bare_line_end) {
    const std::string variants[] = {
        "\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r.\r\n",
        "\r\n.\n",
        "\r\n.\r",
        "\n.\r",
        "\r.\n",
        "\r\n\0.\r\n"s,
        "\r\n.\0\r\n"s,
        "\r\n.\r\r\n",
        "\r\r\n.\r\r\n",
        "\r\n\r.\r\n",
        "\n\n.\r\n",
        "\r\n .\r\n",
        "\r\n. \r\n",
        "\r\n.\x0b\r\n",
        "\r\n.\x85\r\n",
        "\n\r.\n\r",
        "\r\n.\n\r\n",
        "\r\n.\r.\r\n",
        "\r\n..\r\n",
        "\r\n.\r\n"s.substr(0, 4),
    };
    for (const auto& variant : variants) {
        const std::string in = "text" + variant + "MAIL FROM:<b@b>\r\n";
        for (std::size_t cut = 0; cut <= in.size(); ++cut) {
            BOOST_TEST_CONTEXT("variant " << (&variant - variants) << " cut at " << cut) {
                const auto got = read_in({std::string_view{in}.substr(0, cut), std::string_view{in}.substr(cut)});
                BOOST_TEST(!got.ended);
                BOOST_TEST(got.content.find("MAIL FROM") != std::string::npos);
                BOOST_TEST(!has_bare_line_end(got.content));
                const auto out = stuffed(in, cut);
                BOOST_TEST(!has_bare_line_end(out));
                BOOST_TEST(out == stuffed(in));
                BOOST_TEST(out.find("\r\n.\r\n") == out.size() - 5);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_final_quit_line_is_noticed_and_nothing_like_it) {
    const std::pair<std::string, bool> table[] = {
        {"a\r\nQUIT\r\n", true},       {"quit\r\n", true},           {"a\r\nqUiT\r\n", true},
        {"a\r\nQUIT\r\nb\r\n", false}, {"a\r\nQUIT", false},         {"a\r\n.QUIT\r\n", false},
        {"a QUIT\r\n", false},         {"a\nQUIT\r\n", false},       {"a\r\nQUIT \r\n", false},
        {"a\r\n QUIT\r\n", false},     {"a\r\nQUIT\r\n\r\n", false}, {"", false},
    };
    for (const auto& [in, expected] : table) {
        for (std::size_t cut = 0; cut <= in.size(); ++cut) {
            BOOST_TEST_CONTEXT(in << " cut at " << cut) {
                BOOST_TEST(read_in({std::string_view{in}.substr(0, cut), std::string_view{in}.substr(cut)}).quit ==
                           expected);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(text_is_stuffed_and_ended_the_same_however_it_is_cut) {
    const std::pair<std::string, std::string> table[] = {
        {"", ".\r\n"},
        {"a", "a\r\n.\r\n"},
        {"a\r\n", "a\r\n.\r\n"},
        {".", "..\r\n.\r\n"},
        {".\r\n", "..\r\n.\r\n"},
        {"a\r\n.b\r\n..\r\n", "a\r\n..b\r\n...\r\n.\r\n"},
        {"a.b", "a.b\r\n.\r\n"},
        {"a\r", "a \r\n.\r\n"},
        {"a\nb", "a b\r\n.\r\n"},
        {"\r\n\r\n", "\r\n\r\n.\r\n"},
        {"\r.\r\n", " .\r\n.\r\n"},
    };
    for (const auto& [in, expected] : table) {
        for (std::size_t cut = 0; cut <= in.size(); ++cut) {
            BOOST_TEST_CONTEXT(in << " cut at " << cut) {
                BOOST_TEST(stuffed(in, cut) == expected);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(what_is_stuffed_reads_back_as_it_was) {
    std::mt19937 random{4711};
    constexpr std::string_view alphabet = "..a\r\n\r\n\0"; // dense in what matters
    for (int round = 0; round < 2000; ++round) {
        std::string text;
        for (std::size_t length = random() % 60; text.size() < length;) {
            const auto c = alphabet[random() % alphabet.size()];
            text += c == '\r' || c == '\n' ? "\r\n"s : std::string(1, c);
        }
        const auto wire = stuffed(text, text.empty() ? 0 : random() % text.size());
        const auto cut = random() % wire.size();
        const auto got = read_in({std::string_view{wire}.substr(0, cut), std::string_view{wire}.substr(cut)});
        if (!text.empty() && !text.ends_with("\r\n")) text += "\r\n";
        BOOST_REQUIRE(got.ended);
        BOOST_REQUIRE((got.content == text));
        BOOST_REQUIRE(got.consumed == wire.size());
    }
}

// Searching for the next LF from each CR again would take minutes here.
BOOST_AUTO_TEST_CASE(a_megabyte_of_bare_carriage_returns_is_read_in_linear_time) {
    const std::string in(1U << 20, '\r');
    const auto begin = std::chrono::steady_clock::now();
    BOOST_TEST((read_in({in}).content == std::string(in.size() - 1, ' ')));
    BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds{30}));
}

BOOST_AUTO_TEST_SUITE_END()
