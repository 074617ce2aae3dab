// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include <boost/test/unit_test.hpp>

#include "archive_fixture.hpp"
#include "check_fixture.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;

namespace {

std::string uuencoded(const std::string& name, std::string_view content, const std::string& end = "`\r\nend\r\n") {
    const auto letter = [](unsigned six) { return static_cast<char>(six % 64 == 0 ? '`' : six % 64 + 0x20); };
    std::string out = "begin 644 " + name + "\r\n";
    for (std::size_t at = 0; at < content.size(); at += 45) {
        const auto line = content.substr(at, 45);
        out += letter(static_cast<unsigned>(line.size()));
        for (std::size_t i = 0; i < line.size(); i += 3) {
            unsigned bits = 0;
            for (std::size_t j = 0; j < 3; ++j)
                bits = bits << 8U | (i + j < line.size() ? static_cast<unsigned char>(line[i + j]) : 0U);
            for (const unsigned shift : {18U, 12U, 6U, 0U})
                out += letter(bits >> shift);
        }
        out += "\r\n";
    }
    return out + end;
}

std::string attribute(std::uint32_t id, const std::string& data) {
    return '\2' + le32(id) + le32(data.size()) + data + le16(0);
}
std::string tnef(const std::string& attributes) {
    return le32(0x223E9F78) + le16(1) + attribute(0x00089006, le32(0x10000)) + attribute(0x00069003, "message") +
           attributes;
}
/// A property of one value: PidTagAttachLongFilename in 16 bits a character.
std::string long_name(const std::string& ascii) {
    std::string wide;
    for (const char c : ascii + '\0')
        wide += le16(static_cast<unsigned char>(c));
    return le32(1) + le32(0x3707001F) + le32(1) + le32(wide.size()) + wide;
}
const std::string begins = attribute(0x00069002, std::string(14, '\0'));
std::string attached(const std::string& title, const std::string& content) {
    return begins + attribute(0x00018010, title + '\0') + attribute(0x0006800F, content);
}

/// A message that is attached, as a stream of its own, behind so many other properties.
std::string forwarded(const std::string& stream, const std::string& before = "") {
    const std::string kind("\x07\x03\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46", 16);
    return begins +
           attribute(0x00069005, le32(2) + before + le32(0x3701000D) + le32(1) + le32(kind.size() + stream.size()) +
                                     kind + stream + long_name("forwarded.msg").substr(4));
}

/// "1.1 [run.exe] 12, ...": the files that are found in the text, with names and octets.
std::string files_in(const std::string& text, const std::string& header = "Content-Type: text/plain") {
    const auto m = make_message(header + "\r\n\r\n" + text);
    const auto tree = tree_of(*m);
    std::string out;
    for (const auto& p : tree->parts()) {
        if (p.path == "1") continue;
        std::string octets;
        mime::decoded(p, 1U << 30U, [&](std::string_view piece) { return octets += piece, true; }).value();
        out += (out.empty() ? "" : ", ") + p.path + " [";
        for (std::size_t i = 0; i < p.fields.names.size(); ++i)
            out += (i == 0 ? "" : "|") + p.fields.names[i];
        out += "] " + octets;
    }
    return out;
}

std::string symbols(const std::string& check, const std::string& message) {
    static const auto workers =
        std::make_shared<scan_workers>(scan_workers::options{worker_program(), 1, std::chrono::seconds{20}});
    auto resources = std::make_shared<check_resources>();
    resources->workers = workers;
    std::string out;
    for (const auto& f : run_check(check, make_message(message), resources))
        out += (out.empty() ? "" : " ") + f.symbol;
    return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(mime_enclosed_test)

BOOST_AUTO_TEST_CASE(files_in_a_text_are_parts_of_it) {
    const auto one = uuencoded("run.exe", "hello");
    BOOST_TEST(files_in(one) == "1.1 [run.exe] hello");
    BOOST_TEST(files_in("Hello,\r\nhere it is.\r\n\r\n" + one + "\r\nBye\r\n") == "1.1 [run.exe] hello");
    BOOST_TEST(files_in(one + one + uuencoded("my letter.doc ", std::string(100, 'x'))) ==
               "1.1 [run.exe] hello, 1.2 [run.exe] hello, 1.3 [my letter.doc ] " + std::string(100, 'x'));
    // Without an end, and where another one begins before it.
    BOOST_TEST(files_in(uuencoded("a", "cut", "")) == "1.1 [a] cut");
    BOOST_TEST(files_in(uuencoded("a", "one", "") + uuencoded("b", "two")) == "1.1 [a] one, 1.2 [b] two");
    // The text may be encoded, or a part among others.
    BOOST_TEST(files_in(base64("Hello\r\n" + one), "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64") ==
               "1.1 [run.exe] hello");
    const auto m = make_message(with_attachment("Content-Type: text/plain\r\n", one));
    const auto tree = tree_of(*m);
    BOOST_REQUIRE(tree->parts().size() == 4u);
    BOOST_TEST(tree->parts()[3].path == "1.2.1");
    BOOST_TEST(!tree->parts()[3].letter);
    BOOST_TEST(tree->parts()[2].letter);
}

BOOST_AUTO_TEST_CASE(a_file_is_found_wherever_a_piece_of_the_message_ends) {
    scratch_directory dir;
    const auto one = uuencoded("run.exe", "hello");
    for (std::size_t before = 65'500; before < 65'560; ++before) {
        auto content = std::make_shared<spool>(byte_count{0}, dir.path);
        content->append("Subject: s\r\n\r\n" + std::string(before, 'x') + "\r\n" + one).value();
        const auto m = make_message(content);
        BOOST_TEST_CONTEXT(before) {
            BOOST_TEST(tree_of(*m)->parts().size() == 2u);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_part_that_is_uuencoded_itself_is_decoded) {
    for (const std::string before : {"", "some prose\r\nbeginning\r\n"}) {
        const auto m =
            make_message("Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: x-uuencode\r\n"
                         "\r\n" +
                         before + uuencoded("a.pdf", "hello, " + std::string(100, 'x')) + "more\r\n");
        const auto tree = tree_of(*m);
        BOOST_REQUIRE(tree->parts().size() == 1u);
        std::string octets;
        mime::decoded(tree->parts()[0], 1000, [&](std::string_view piece) { return octets += piece, true; }).value();
        BOOST_TEST(octets == "hello, " + std::string(100, 'x'));
    }
}

BOOST_AUTO_TEST_CASE(prose_is_no_file) {
    for (const char* text : {
             "begin 644 the work\r\nand go on with it\r\nend\r\n",
             "begin 644 run.exe\r\n",
             "begin 644 run.exe\r\n\r\n%:&5L;&\\\r\nend\r\n",
             "BEGIN 644 RUN.EXE\r\n%:&5L;&\\\r\nEND\r\n",
             "We begin 644 run.exe\r\n%:&5L;&\\\r\nend\r\n",
             "> begin 644 run.exe\r\n> %:&5L;&\\\r\n> end\r\n",
             "begin 6 run.exe\r\n%:&5L;&\\\r\nend\r\n",
             "begin 644 \r\n%:&5L;&\\\r\nend\r\n",
             "begin\r\n  writeln('HELLO');\r\nend.\r\n",
             "begin 644 run.exe\r\n`\r\nend\r\n",
         })
        BOOST_TEST_CONTEXT(text) {
            BOOST_TEST(files_in(text) == "");
        }
    BOOST_TEST(files_in(uuencoded("run.exe", "hello"), "Content-Type: text/html") == "");
    // Its own encoding is that of the part, whose content is no text any more.
    BOOST_TEST(files_in(uuencoded("a", "x"), "Content-Transfer-Encoding: x-uuencode") == "");
}

BOOST_AUTO_TEST_CASE(names_and_content_of_enclosed_files_are_judged) {
    const auto message = [](const std::string& text) { return "From: a@example.org\r\nSubject: s\r\n\r\n" + text; };
    BOOST_TEST(symbols("file_names", message(uuencoded("invoice.pdf.exe", "x"))) == "EXECUTABLE_NAME DOUBLE_EXTENSION");
    BOOST_TEST(symbols("file_names", message(uuencoded("invoice.pdf", "x"))) == "");
    BOOST_TEST(symbols("file_types", message(uuencoded("holiday.txt", windows_program()))) == "EXECUTABLE_FILE");
    BOOST_TEST(symbols("file_types", message(uuencoded("holiday.txt", "Dear all"))) == "");
    BOOST_TEST(symbols("archives", message(uuencoded("a.zip", zip({{"run.exe", "x"}})))) == "ARCHIVE_EXECUTABLE_NAME");
    const auto wrapped = [](const std::string& octets) {
        return with_attachment("Content-Type: application/ms-tnef; name=winmail.dat\r\n"
                               "Content-Transfer-Encoding: base64\r\n",
                               base64(octets));
    };
    BOOST_TEST(symbols("file_names", wrapped(tnef(attached("run.exe", "x")))) == "EXECUTABLE_NAME");
    BOOST_TEST(symbols("file_names", wrapped(tnef(attached("letter.doc", "x")))) == "");
    BOOST_TEST(symbols("file_types", wrapped(tnef(attached("letter.doc", windows_program())))) == "EXECUTABLE_FILE");
    BOOST_TEST(symbols("file_types", wrapped(tnef(attached("letter.txt", "Dear all")))) == "");
}

BOOST_AUTO_TEST_CASE(a_message_in_a_winmail_dat_is_no_file_with_its_subject_for_a_name) {
    const auto narrow = [](std::uint32_t tag, const std::string& text) {
        return le32(tag << 16U | 0x1E) + le32(1) + le32(text.size() + 1) + text + '\0';
    };
    const std::string message("\x07\x03\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46", 16);
    const auto inner = message + narrow(0x3001, "joe@example.com");
    const auto properties =
        attribute(0x00069005, le32(2) + narrow(0x3001, "order at example.com") + le32(0x3701000D) + le32(1) +
                                  le32(inner.size()) + inner + narrow(0x3707, "forwarded.msg"));
    const std::string type = "Content-Type: application/ms-tnef";
    const auto title = attribute(0x00018010, std::string("order at example.com") + '\0');
    BOOST_TEST(files_in(tnef(begins + title + properties), type) == "1.1 [forwarded.msg] ");
    // What has content is a file, whatever its properties say, before or behind it.
    const auto content = attribute(0x0006800F, "x");
    BOOST_TEST(files_in(tnef(begins + title + content + properties), type).starts_with("1.1 [order at example.com|"));
    BOOST_TEST(files_in(tnef(begins + title + properties + content), type) ==
               "1.1 [forwarded.msg|order at example.com] x");
    // A winmail.dat that calls itself text, or is uuencoded.
    BOOST_TEST(files_in(tnef(attached("a.doc", "x")), "Content-Type: text/plain; name=winmail.dat") == "1.1 [a.doc] x");
}

BOOST_AUTO_TEST_CASE(what_a_message_in_a_winmail_dat_encloses_are_parts_of_it) {
    const std::string type = "Content-Type: application/ms-tnef";
    const auto file = attached("run.exe", windows_program());
    BOOST_TEST(files_in(tnef(forwarded(tnef(attached("a.doc", "one") + attached("b.doc", "two")))), type) ==
               "1.1 [forwarded.msg] , 1.1.1 [a.doc] one, 1.1.2 [b.doc] two");
    BOOST_TEST(files_in(tnef(forwarded(tnef(forwarded(tnef(attached("a.doc", "one"))))) + attached("b.doc", "two")),
                        type) == "1.1 [forwarded.msg] , 1.1.1 [forwarded.msg] , 1.1.1.1 [a.doc] one, 1.2 [b.doc] two");
    // Behind properties larger than what is kept of them, and larger than that itself.
    const std::string large(200'000, 'x');
    const auto found = files_in(tnef(forwarded(tnef(attached("a.doc", large)), large)), type);
    BOOST_TEST(found.ends_with("1.1.1 [a.doc] " + large));
    // What is no such stream, one that is cut off, one that is longer than what it lies in.
    BOOST_TEST(files_in(tnef(forwarded("no such thing")), type) == "1.1 [forwarded.msg] ");
    const auto whole = tnef(forwarded(tnef(attached("a.doc", "one"))));
    for (std::size_t size = 0; size < whole.size(); ++size)
        (void)files_in(whole.substr(0, size), type);
    const auto wrapped = [](const std::string& octets) {
        return with_attachment("Content-Type: application/ms-tnef; name=winmail.dat\r\n"
                               "Content-Transfer-Encoding: base64\r\n",
                               base64(octets));
    };
    BOOST_TEST(symbols("file_names", wrapped(tnef(forwarded(tnef(file))))) == "EXECUTABLE_NAME");
    BOOST_TEST(symbols("file_types", wrapped(tnef(forwarded(tnef(file))))) == "EXECUTABLE_FILE");
    BOOST_TEST(symbols("file_types", wrapped(tnef(forwarded(tnef(attached("letter.txt", "Dear all")))))) == "");
}

BOOST_AUTO_TEST_CASE(a_message_in_a_winmail_dat_is_found_wherever_a_piece_ends) {
    scratch_directory dir;
    for (std::size_t before = 65'300; before < 65'460; ++before) {
        auto content = std::make_shared<spool>(byte_count{0}, dir.path);
        content
            ->append("Content-Type: application/ms-tnef\r\n\r\n" +
                     tnef(forwarded(tnef(attached("a.doc", "one")), std::string(before, 'x'))))
            .value();
        const auto m = make_message(content);
        BOOST_TEST_CONTEXT(before) {
            BOOST_TEST(tree_of(*m)->parts().back().path == "1.1.1");
        }
    }
}

BOOST_AUTO_TEST_CASE(messages_in_messages_in_a_winmail_dat_are_bounded) {
    auto stream = tnef(attached("a.doc", "one"));
    for (int level = 0; level < 60; ++level)
        stream = tnef(forwarded(stream));
    const auto m = make_message("Content-Type: application/ms-tnef\r\n\r\n" + stream);
    const auto built = mime::tree::build(m->content, m->header, m->settings->contentfilter);
    BOOST_TEST(!built);
    BOOST_TEST((built.error().code == errc::too_large));
}

BOOST_AUTO_TEST_CASE(the_texts_in_a_winmail_dat_are_parts_of_the_letter) {
    const std::string type = "Content-Type: application/ms-tnef";
    std::string wide;
    for (const char c : std::string{"wide text"})
        wide += le16(static_cast<unsigned char>(c));
    const auto property = [](std::uint32_t tag, const std::string& value) {
        return le32(tag) + le32(1) + le32(value.size()) + value;
    };
    const auto message =
        le32(0x223E9F78) + le16(1) + attribute(0x0002800C, "narrow text") +
        attribute(0x00069003, le32(2) + property(0x1000001F, wide) + property(0x10130102, "<p>shown<p hidden>gone"));
    BOOST_TEST(files_in(message, type) == "1.1 [] narrow text, 1.2 [] " + wide + ", 1.3 [] <p>shown<p hidden>gone");
    const auto texts_of = [](const std::string& octets) {
        const auto m = make_message("Content-Type: application/ms-tnef\r\n\r\n" + octets);
        const mime::content all{m, tree_of(*m)};
        std::string out;
        for (const auto& body : all.bodies())
            out += (out.empty() ? "" : "|") + std::string{body.text()} + (body.in_letter() ? "" : " (no letter)");
        return out;
    };
    BOOST_TEST(texts_of(message) == "narrow text|wide text|shown\n");
    BOOST_TEST(texts_of(tnef(forwarded(message))) == "narrow text|wide text|shown\n");
    // Lies about size and count.
    BOOST_TEST(texts_of(le32(0x223E9F78) + le16(1) +
                        attribute(0x00069003, le32(0x1000001E) + le32(1) + le32(0xffffffff) + "cut") +
                        attribute(0x00069003, le32(0x1000001E) + le32(2) + le32(3) + "two") +
                        attribute(0x00069003, le32(0x1000001E) + le32(1))) == "cut");
}

BOOST_AUTO_TEST_CASE(files_in_a_winmail_dat_are_parts_of_it) {
    const std::string type = "Content-Type: application/ms-tnef";
    const auto two =
        attached("a.doc", "one") + attached("b.doc", "two") + attribute(0x00069005, long_name("Bericht.exe"));
    BOOST_TEST(files_in(tnef(two), type) == "1.1 [a.doc] one, 1.2 [b.doc|Bericht.exe] two");
    BOOST_TEST(files_in(tnef(two), "Content-Type: application/octet-stream; name=WINMAIL.DAT") ==
               "1.1 [a.doc] one, 1.2 [b.doc|Bericht.exe] two");
    BOOST_TEST(files_in(base64(tnef(two)), type + "\r\nContent-Transfer-Encoding: base64") ==
               "1.1 [a.doc] one, 1.2 [b.doc|Bericht.exe] two");
    // The content before the name, an empty one, one that is cut off.
    BOOST_TEST(files_in(tnef(begins + attribute(0x0006800F, "x") + attribute(0x00018010, "n.txt")), type) ==
               "1.1 [n.txt] x");
    BOOST_TEST(files_in(tnef(attached("a", "")), type) == "1.1 [a] ");
    const auto whole = tnef(attached("a.doc", "content"));
    BOOST_TEST(files_in(whole.substr(0, whole.size() - 5), type) == "1.1 [a.doc] cont");
    // A letter without files, something else, and a file of another type.
    BOOST_TEST(files_in(tnef(""), type) == "");
    BOOST_TEST(files_in("no such thing" + whole, type) == "");
    BOOST_TEST(files_in("", type) == "");
    BOOST_TEST(files_in(whole, "Content-Type: application/pdf") == "");
    for (std::size_t size = 0; size < whole.size(); ++size)
        (void)files_in(whole.substr(0, size), type);
}

BOOST_AUTO_TEST_CASE(more_files_than_parts_are_looked_at_give_no_tree) {
    const auto no_tree = [](const std::string& text, const message_options& how) {
        const auto m = make_message(text, how);
        const auto built = mime::tree::build(m->content, m->header, m->settings->contentfilter);
        return !built && built.error().code == errc::too_large;
    };
    const auto many = [](const std::string& one, int count) {
        std::string out;
        while (count-- > 0)
            out += one;
        return out;
    };
    message_options few;
    few.filter.max_parts = 10;
    const std::string type = "Content-Type: application/ms-tnef\r\n\r\n";
    BOOST_TEST(!no_tree("\r\n" + many(uuencoded("a", "x"), 9), few));
    BOOST_TEST(no_tree("\r\n" + many(uuencoded("a", "x"), 10), few));
    BOOST_TEST(!no_tree(type + tnef(many(attached("a", "x"), 9)), few));
    BOOST_TEST(no_tree(type + tnef(many(attached("a", "x"), 10)), few));
    // Names without end are more files, too.
    std::string names;
    for (int i = 0; i < 1000; ++i)
        names += attribute(0x00018010, "n" + std::to_string(i));
    BOOST_TEST(no_tree(type + tnef(names), few));
    message_options flat;
    flat.filter.max_part_depth = 1;
    const auto nested = with_attachment("Content-Type: text/plain\r\n", uuencoded("a", "x"));
    BOOST_TEST(no_tree(nested, flat));
    BOOST_TEST(!no_tree(nested, {}));
}

BOOST_AUTO_TEST_SUITE_END()
