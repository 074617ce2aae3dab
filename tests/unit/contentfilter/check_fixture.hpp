// SPDX-License-Identifier: Apache-2.0
// Messages for the tests of checks, mime and runner: built in memory from their text, as the session would hand them
// over.
#pragma once

#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/pattern_database.hpp"
#include "contentfilter/checks/scan_workers.hpp"
#include "contentfilter/mime/content.hpp"
#include "contentfilter/mime/tree.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <algorithm>
#include <filesystem>
#include <future>
#include <stdexcept>
#include <string>
#include <vector>

namespace postsluice::contentfilter::testing {

/// A directory of its own that goes with the object.
struct scratch_directory {
    std::filesystem::path path;
    scratch_directory() {
        std::string name = (std::filesystem::temp_directory_path() / "postsluice-test.XXXXXX").string();
        if (!::mkdtemp(name.data())) throw std::runtime_error{"mkdtemp"};
        path = name;
    }
    ~scratch_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    scratch_directory(const scratch_directory&) = delete;
};

/// The scan worker of this build: next to the tests' directory.
inline std::filesystem::path worker_program() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "postsluice-scan-worker";
}

struct message_options {
    std::string account = "a@example.org";
    config::profile profile;
    config::filter_settings filter;
    config::archive_settings archives = {};
    config::macro_settings macros = {};
    config::content_settings content = {};
};

inline message_ptr make_message(std::shared_ptr<spool> content, const message_options& how = {}) {
    auto settings = std::make_shared<config::settings>();
    settings->contentfilter = how.filter;
    settings->archives = how.archives;
    settings->macros = how.macros;
    settings->content = how.content;
    auto made = std::make_shared<message>();
    made->header = parse_header(*content, how.filter).value();
    made->content = std::move(content);
    made->sender.account = how.account;
    made->sender.who.account = made->sender.who.login = how.account;
    made->sender.by = sender_identity::proof::ticket;
    made->sender.profile = std::make_shared<config::profile>(how.profile);
    made->settings = std::move(settings);
    made->queue_id = "4ABC";
    return made;
}

inline message_ptr make_message(std::string_view text, const message_options& how = {}) {
    auto content = std::make_shared<spool>(byte_count{text.size() + 1}, "/nonexistent");
    content->append(text).value();
    return make_message(std::move(content), how);
}

inline std::shared_ptr<const mime::tree> tree_of(const message& m) {
    return mime::tree::build(m.content, m.header, m.settings->contentfilter).value();
}

template <class T>
T run_awaitable(boost::asio::awaitable<T> what) {
    boost::asio::io_context context;
    auto outcome = boost::asio::co_spawn(context, std::move(what), boost::asio::use_future);
    context.run();
    return outcome.get();
}

inline std::vector<finding> run_check(std::string_view name, message_ptr m,
                                      std::shared_ptr<const check_resources> resources = nullptr) {
    const auto& all = all_checks();
    const auto at = std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.name == name; });
    if (at == all.end()) throw std::runtime_error{"no such check"};
    if (!resources) resources = std::make_shared<check_resources>();
    auto tree = tree_of(*m);
    auto content = std::make_shared<const mime::content>(m, tree);
    return run_awaitable(at->run({std::move(m), std::move(tree), std::move(resources), std::move(content)}));
}

inline const finding* find_symbol(const std::vector<finding>& all, std::string_view symbol) {
    const auto at = std::find_if(all.begin(), all.end(), [&](const auto& f) { return f.symbol == symbol; });
    return at == all.end() ? nullptr : &*at;
}

inline std::string base64(std::string_view octets) {
    static constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < octets.size(); i += 3) {
        unsigned bits = 0;
        for (std::size_t j = 0; j < 3; ++j)
            bits = bits << 8U | (i + j < octets.size() ? static_cast<unsigned char>(octets[i + j]) : 0U);
        for (std::size_t j = 0; j < 4; ++j)
            text += i + j <= octets.size() ? letters[bits >> (18 - 6 * j) & 63U] : '=';
        if (i / 3 % 19 == 18) text += "\r\n";
    }
    return text;
}

/// multipart/mixed of a text and one attachment with the given part header (lines with CRLF) and content.
inline std::string with_attachment(std::string_view part_header, std::string_view content) {
    return "From: a@example.org\r\nSubject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
           "boundary=\"b\"\r\n\r\n"
           "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\n" +
           std::string{part_header} + "\r\n" + std::string{content} + "\r\n--b--\r\n";
}

/// A program for Windows as far as libmagic looks.
inline std::string windows_program() {
    std::string dos("MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0\xb8", 17);
    dos.resize(0x80);
    dos[60] = char(0x80);
    std::string pe("PE\0\0\x64\x86\2\0\0\0\0\0\0\0\0\0\0\0\0\0\xf0\0\x22\0\x0b\2", 26);
    pe.resize(400);
    return dos + pe;
}

// Put together at run time, so that this source is not taken for a virus or spam.
inline std::string eicar() {
    return std::string{"X5O!P%@AP[4\\PZX54(P^)7CC)7}$"} + "EICAR-STANDARD-" + "ANTIVIRUS-TEST-FILE!$H+H*";
}
inline std::string gtube() {
    return std::string{"XJS*C4JDBQADN1.NSBN3*2IDNEN*"} + "GTUBE-STANDARD-" + "ANTI-UBE-TEST-EMAIL*C.34X";
}

} // namespace postsluice::contentfilter::testing
