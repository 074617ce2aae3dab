// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "check_fixture.hpp"

#include <fstream>
#include <malloc.h>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

std::string decoded_of(const mime::part& p, std::uint64_t most = 1U << 30U) {
    std::string text;
    mime::decoded(p, most, [&](std::string_view piece) { return text += piece, true; }).value();
    return text;
}
std::string text_of(const mime::part& p) {
    std::string text;
    mime::text(p, 1U << 30U, [&](std::string_view piece) { return text += piece, true; }).value();
    return text;
}
/// "1 multipart/mixed+, 1.1 text/plain, ...": + is a container.
std::string shape(const mime::tree& t) {
    std::string text;
    for (const auto& p : t.parts())
        text += (text.empty() ? "" : ", ") + p.path + " " + p.fields.type + (p.container ? "+" : "");
    return text;
}
failure failure_of(const message& m) {
    const auto built = mime::tree::build(m.content, m.header, m.settings->contentfilter);
    return built ? failure{} : built.error();
}
/// Peak of the resident memory, in KiB.
long peak_memory() {
    std::ifstream in{"/proc/self/status"};
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("VmHWM:")) return std::stol(line.substr(6));
    return 0;
}
void reset_peak_memory() {
    ::malloc_trim(0);
    std::ofstream{"/proc/self/clear_refs"} << "5";
}

} // namespace

BOOST_AUTO_TEST_SUITE(mime_tree_test)

BOOST_AUTO_TEST_CASE(shapes_of_messages) {
    struct row {
        const char* about;
        std::string text, shape;
    };
    const row rows[] = {
        {"no MIME at all", "Subject: x\r\n\r\nbody\r\n", "1 text/plain"},
        {"an empty message", "", "1 text/plain"},
        {"two parts", with_attachment("Content-Type: image/png\r\n", "x"),
         "1 multipart/mixed+, 1.1 text/plain, 1.2 image/png"},
        {"an unreadable type", "Content-Type: nonsense\r\n\r\nx", "1 text/plain"},
        {"a multipart without boundary is text", "Content-Type: multipart/mixed\r\n\r\nx", "1 multipart/mixed"},
        {"a multipart whose boundary never comes is text", "Content-Type: multipart/mixed; boundary=q\r\n\r\nx\r\n",
         "1 multipart/mixed"},
        {"an embedded message",
         with_attachment("Content-Type: message/rfc822\r\n", "Subject: in\r\nContent-Type: text/html\r\n\r\n<p>"),
         "1 multipart/mixed+, 1.1 text/plain, 1.2 message/rfc822+, 1.2.1 text/html"},
        {"an embedded message in base64 is opened too",
         with_attachment("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n",
                         base64(with_attachment("Content-Type: image/gif\r\n", "y"))),
         "1 multipart/mixed+, 1.1 text/plain, 1.2 message/rfc822, 1.2.1 multipart/mixed+, 1.2.1.1 text/plain, 1.2.1.2 "
         "image/gif"},
        {"a digest's parts are messages",
         "Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: 1\r\n\r\none\r\n--d--\r\n",
         "1 multipart/digest+, 1.1 message/rfc822+, 1.1.1 text/plain"},
        {"an outer boundary ends the inner multiparts",
         "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/mixed; "
         "boundary=i\r\n\r\n--i\r\n\r\nin\r\n--o\r\n\r\n"
         "out\r\n--o--\r\n",
         "1 multipart/mixed+, 1.1 multipart/mixed+, 1.1.1 text/plain, 1.2 text/plain"},
        {"a boundary that begins like the outer one",
         "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; "
         "boundary=ab\r\n\r\n--ab\r\n\r\nx\r\n--ab--\r\n--a--\r\n",
         "1 multipart/mixed+, 1.1 multipart/mixed+, 1.1.1 text/plain"},
        {"no closing boundary", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx",
         "1 multipart/mixed+, 1.1 text/plain"},
        {"blanks after a boundary", "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a \t\r\n\r\nx\r\n--a-- \r\n",
         "1 multipart/mixed+, 1.1 text/plain"},
        {"bare LF", "Content-Type: multipart/mixed; boundary=a\n\n--a\n\nx\n--a--\n",
         "1 multipart/mixed+, 1.1 text/plain"},
        {"a boundary in a part's header",
         "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: image/png\r\n--a\r\n\r\nx\r\n--a--\r\n",
         "1 multipart/mixed+, 1.1 image/png, 1.2 text/plain"},
        {"a broken line ends a part's header",
         "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nbroken\r\nContent-Type: image/png\r\n\r\n--a--\r\n",
         "1 multipart/mixed+, 1.1 text/plain"},
        {"a boundary of RFC 2231 pieces",
         "Content-Type: multipart/mixed; boundary*0=x; boundary*1=y\r\n\r\n--xy\r\n\r\nt\r\n--xy--\r\n",
         "1 multipart/mixed+, 1.1 text/plain"},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.about) {
            BOOST_TEST(shape(*tree_of(*make_message(r.text))) == r.shape);
        }
}

BOOST_AUTO_TEST_CASE(the_structure_does_not_depend_on_where_pieces_are_cut) {
    scratch_directory dir;
    // Boundaries around the 64 KiB at which a file is read: every offset of the cut within a boundary line.
    for (std::size_t shift = 0; shift < 40; ++shift) {
        const std::string head = "Content-Type: multipart/mixed; boundary=bound\r\n\r\n--bound\r\n\r\n";
        const std::string filler(65536 - head.size() - shift, 'x');
        auto content = std::make_shared<spool>(byte_count{0}, dir.path);
        content->append(head + filler + "\r\n--bound\r\nContent-Type: image/png\r\n\r\nabc\r\n--bound--\r\n").value();
        const auto m = make_message(content);
        const auto t = tree_of(*m);
        BOOST_TEST_CONTEXT("shift " << shift) {
            BOOST_REQUIRE(shape(*t) == "1 multipart/mixed+, 1.1 text/plain, 1.2 image/png");
            BOOST_TEST((decoded_of(t->parts()[1]) == filler.substr(0, t->parts()[1].end - t->parts()[1].begin)));
            BOOST_TEST(decoded_of(t->parts()[1]).size() == filler.size());
            BOOST_TEST(decoded_of(t->parts()[2]) == "abc");
        }
    }
}

BOOST_AUTO_TEST_CASE(contents_are_decoded) {
    struct row {
        const char* about;
        std::string header, content, decoded;
    };
    const row rows[] = {
        {"identity", "", "a=3Db", "a=3Db"},
        {"quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n", "a=3Db=\r\nc", "a=bc"},
        {"base64", "Content-Transfer-Encoding: base64\r\n", "aGVsbG8gd29ybGQ=", "hello world"},
        {"base64 in odd case with a comment", "Content-Transfer-Encoding: BASE64 \r\n", "aGVsbG8=", "hello"},
        {"base64 with rubbish between", "Content-Transfer-Encoding: base64\r\n",
         "aG*Vs\r\n!bG8g\r\nd29 ybGQ=", "hello world"},
        {"base64 without its end", "Content-Transfer-Encoding: base64\r\n", "aGVsbG8gd29ybG", "hello wor"},
        {"an unknown encoding is as it is", "Content-Transfer-Encoding: x-foo\r\n", "aGk=", "aGk="},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.about) {
            const auto t =
                tree_of(*make_message(with_attachment("Content-Type: application/x-y\r\n" + r.header, r.content)));
            BOOST_REQUIRE(t->parts().size() == 3u);
            BOOST_TEST(decoded_of(t->parts()[2]) == r.decoded);
        }
}

BOOST_AUTO_TEST_CASE(no_more_is_decoded_than_asked_for) {
    const auto t = tree_of(
        *make_message(with_attachment("Content-Transfer-Encoding: base64\r\n", base64(std::string(1000, 'x')))));
    BOOST_TEST(decoded_of(t->parts()[2], 10) == std::string(10, 'x'));
}

BOOST_AUTO_TEST_CASE(text_becomes_utf8) {
    struct row {
        const char* charset;
        std::string octets, utf8;
    };
    const row rows[] = {
        {"iso-8859-1", "caf\xe9", "caf\u00e9"},
        {"utf-8", "caf\u00e9", "caf\u00e9"},
        {"windows-1252", "\x80", "\u20ac"},
        {"iso-2022-jp", "\x1b$B$\"\x1b(B", "\u3042"},
        {"utf-16le", std::string("h\0i\0", 4), "hi"},
        {"no-such-charset", "abc", "abc"},
        {"koi8-r", "\xc1", "\u0430"},
        {"UTF-8//IGNORE", "x", "x"},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.charset) {
            const auto t = tree_of(*make_message("Content-Type: text/plain; charset=\"" + std::string{r.charset} +
                                                 "\"\r\n\r\n" + r.octets));
            BOOST_TEST(text_of(t->parts().at(0)) == r.utf8);
        }
}

BOOST_AUTO_TEST_CASE(a_character_cut_between_two_pieces_is_whole) {
    std::string octets, wanted; // three octets a pair: one of them lies across the 64 KiB at which pieces are cut
    for (int i = 0; i < 30000; ++i) {
        octets += "\x82\xa0z"; // Shift_JIS
        wanted += "\u3042z";
    }
    const auto t = tree_of(*make_message("Content-Type: text/plain; charset=shift_jis\r\n\r\n" + octets));
    BOOST_TEST((text_of(t->parts().at(0)) == wanted));
}

BOOST_AUTO_TEST_CASE(what_is_no_character_becomes_a_question_mark) {
    const auto t = tree_of(*make_message("Content-Type: text/plain; charset=shift_jis\r\n\r\na\x82\x20z"));
    const auto text = text_of(t->parts().at(0));
    BOOST_TEST(text.starts_with("a?"));
    BOOST_TEST(text.ends_with("z"));
}

BOOST_AUTO_TEST_CASE(all_file_names_are_seen) {
    struct row {
        const char* about;
        std::string header;
        std::vector<std::string> names;
    };
    const row rows[] = {
        {"disposition", "Content-Disposition: attachment; filename=\"a.pdf\"\r\n", {"a.pdf"}},
        {"type", "Content-Type: application/pdf; name=a.pdf\r\n", {"a.pdf"}},
        {"both, different",
         "Content-Type: application/pdf; name=a.pdf\r\nContent-Disposition: attachment; filename=b.exe\r\n",
         {"a.pdf", "b.exe"}},
        {"RFC 2231", "Content-Disposition: attachment; filename*=utf-8''caf%C3%A9.exe\r\n", {"caf\u00e9.exe"}},
        {"RFC 2231 continuations",
         "Content-Disposition: attachment; filename*0=\"inv\"; filename*1=\"oice\"; filename*2=\".exe\"\r\n",
         {"invoice.exe"}},
        {"RFC 2231 continuations, encoded and out of order",
         // GMime leaves the charset there then; the extension is what counts.
         "Content-Disposition: attachment;\r\n filename*1*=%2Eexe;\r\n filename*0*=utf-8''caf%C3%A9\r\n",
         {"utf-8''caf\u00e9.exe"}},
        {"RFC 2047 in quotes", "Content-Disposition: attachment; filename=\"=?utf-8?Q?a=2Eexe?=\"\r\n", {"a.exe"}},
        {"two of one kind", "Content-Disposition: attachment; filename=a.txt; filename=b.exe\r\n", {"a.txt", "b.exe"}},
        {"two fields",
         "Content-Disposition: attachment; filename=a.txt\r\nContent-Disposition: inline; filename=b.exe\r\n",
         {"a.txt", "b.exe"}},
        {"blanks without quotes", "Content-Disposition: attachment; filename=a b.exe\r\n", {"a b.exe"}},
        {"folded", "Content-Disposition: attachment;\r\n\tfilename=a.exe\r\n", {"a.exe"}},
    };
    for (const auto& r : rows)
        BOOST_TEST_CONTEXT(r.about) {
            const auto t = tree_of(*make_message(with_attachment(r.header, "x")));
            const auto& names = t->parts().at(2).fields.names;
            for (const auto& name : r.names)
                BOOST_TEST_CONTEXT(name) {
                    BOOST_TEST((std::find(names.begin(), names.end(), name) != names.end()));
                }
        }
}

BOOST_AUTO_TEST_CASE(more_parts_than_allowed_give_no_tree) {
    message_options how;
    how.filter.max_parts = 3;
    std::string text = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\n\r\nx\r\n";
    BOOST_TEST(tree_of(*make_message(text, how))->parts().size() == 3u);
    BOOST_TEST(failure_of(*make_message(text + "--b\r\n\r\nx\r\n", how)).code == errc::too_large);
}

BOOST_AUTO_TEST_CASE(deep_nesting_gives_no_tree) {
    const auto nested = [](int levels) {
        std::string text;
        for (int i = 0; i < levels; ++i)
            text += "Content-Type: multipart/mixed; boundary=b" + std::to_string(i) + "\r\n\r\n--b" +
                    std::to_string(i) + "\r\n";
        return text + "\r\nx\r\n";
    };
    BOOST_TEST(tree_of(*make_message(nested(50)))->parts().size() == 51u);
    BOOST_TEST(failure_of(*make_message(nested(51))).code == errc::too_large);
    BOOST_TEST(failure_of(*make_message(nested(20000))).code == errc::too_large);
    std::string messages; // message in message
    for (int i = 0; i < 20000; ++i)
        messages += "Content-Type: message/rfc822\r\n\r\n";
    BOOST_TEST(failure_of(*make_message(messages)).code == errc::too_large);
}

BOOST_AUTO_TEST_CASE(headers_over_their_bounds_give_no_tree) {
    std::string many;
    for (int i = 0; i < 10000; ++i)
        many += "X: y\r\n";
    BOOST_TEST(failure_of(*make_message(many + "\r\n")).code == errc::too_large);
    const std::string head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
    BOOST_TEST(failure_of(*make_message(head + "X: " + std::string(5U << 20U, 'y') + "\r\n\r\n")).code ==
               errc::too_large);
    std::string folded = head + "X: y\r\n";
    for (int i = 0; i < 300000; ++i)
        folded += " y\r\n";
    BOOST_TEST(failure_of(*make_message(folded)).code == errc::too_large);
    BOOST_TEST(failure_of(*make_message(head + "Content-Type: a/b" + std::string(20000, ';') + "\r\n\r\n")).code ==
               errc::too_large);
}

BOOST_AUTO_TEST_CASE(a_hundred_mebibytes_of_empty_parts_need_little_memory) {
    scratch_directory dir;
    auto content = std::make_shared<spool>(byte_count{256U << 10U}, dir.path);
    content->append("Content-Type: multipart/mixed; boundary=b\r\n\r\n").value();
    std::string block;
    while (block.size() < 1U << 20U)
        block += "--b\r\n\r\n";
    for (int i = 0; i < 100; ++i)
        content->append(block).value();
    const auto m = make_message(content);
    reset_peak_memory();
    const auto before = peak_memory();
    BOOST_TEST(failure_of(*m).code == errc::too_large);
    BOOST_TEST(peak_memory() - before < 16 * 1024);
}

BOOST_AUTO_TEST_CASE(a_hundred_mebibytes_before_the_first_boundary_need_little_memory) {
    scratch_directory dir;
    auto content = std::make_shared<spool>(byte_count{256U << 10U}, dir.path);
    content->append("Content-Type: multipart/mixed; boundary=b\r\n\r\n").value();
    const std::string block(1U << 20U, 'x');
    for (int i = 0; i < 100; ++i)
        content->append(block).value();
    content->append("\r\n--b\r\n\r\nx\r\n--b--\r\n").value();
    const auto m = make_message(content);
    reset_peak_memory();
    const auto before = peak_memory();
    BOOST_TEST(shape(*tree_of(*m)) == "1 multipart/mixed+, 1.1 text/plain");
    BOOST_TEST(peak_memory() - before < 16 * 1024);
}

BOOST_AUTO_TEST_SUITE_END()
