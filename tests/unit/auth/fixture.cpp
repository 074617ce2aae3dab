// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <openssl/pem.h>
#include <sys/stat.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

namespace postsluice::auth::test {

namespace fs = std::filesystem;

temporary_directory::temporary_directory() {
    std::string name = (fs::temp_directory_path() / "postsluice-auth-XXXXXX").string();
    BOOST_TEST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
}

temporary_directory::~temporary_directory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

fs::path temporary_directory::write(const fs::path& name, std::string_view text, unsigned mode) const {
    const auto file = path_ / name;
    fs::create_directories(file.parent_path());
    std::ofstream{file, std::ios::binary} << text;
    BOOST_TEST_REQUIRE(::chmod(file.c_str(), static_cast<mode_t>(mode)) == 0);
    return file;
}

std::vector<std::string_view> message::views() const {
    return {fields.begin(), fields.end()};
}

std::string message::text() const {
    std::string out;
    for (const auto& field : fields)
        out += field + "\r\n";
    return out + "\r\n" + body;
}

message message::with_on_top(const std::vector<std::string>& more) const {
    auto out = *this;
    out.fields.insert(out.fields.begin(), more.begin(), more.end());
    return out;
}

namespace {

std::string pem_of(EVP_PKEY* raw) {
    const pkey_ptr key{raw};
    BOOST_TEST_REQUIRE(raw != nullptr);
    const std::unique_ptr<BIO, openssl_delete<BIO_free_all>> out{BIO_new(BIO_s_mem())};
    BOOST_TEST_REQUIRE(PEM_write_bio_PrivateKey(out.get(), raw, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

} // namespace

std::string rsa_pem(unsigned bits) {
    return pem_of(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(bits)));
}
std::string ed25519_pem() {
    return pem_of(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}

const std::vector<signing_key>& key_pair() {
    static const std::vector<signing_key> keys = [] {
        const temporary_directory directory;
        std::vector<signing_key> out;
        out.push_back(load_key(directory.write("rsa.pem", rsa_pem()), "example.org", "rsa2026", 1024).value());
        out.push_back(load_key(directory.write("ed.pem", ed25519_pem()), "example.org", "ed2026", 1024).value());
        return out;
    }();
    return keys;
}

std::map<std::string, std::string> records_of(std::span<const signing_key> keys) {
    std::map<std::string, std::string> out;
    for (const auto& key : keys)
        out[key.selector + "._domainkey." + key.domain] = dns_record(key);
    return out;
}

message plain_message() {
    return {{"Received: from laptop (unknown [192.0.2.7])\r\n\tby mail.example.org with ESMTPSA",
             "From: Alice <alice@example.org>", "To: Bob <bob@example.net>", "Cc: carol@example.net",
             "Subject: Minutes of the meeting", "Date: Thu, 1 Jan 2026 00:00:00 +0000", "Message-ID: <1@example.org>",
             "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 7bit",
             "X-Mailer: a mailer"},
            "Dear Bob,\r\n\r\nhere they are.\r\n"};
}

std::string sha256_of(std::string_view text) {
    std::string out(32, '\0');
    std::size_t size = 0;
    BOOST_TEST_REQUIRE(EVP_Q_digest(nullptr, "SHA256", nullptr, text.data(), text.size(),
                                    reinterpret_cast<unsigned char*>(out.data()), &size) == 1);
    return out;
}

std::string body_sha256(std::string_view body) {
    body_hash hash;
    hash.update(body);
    return hash.finish();
}

message signed_message(const message& m, const config::dkim_settings& settings) {
    const auto views = m.views();
    const auto signatures = sign(settings, key_pair(), views, body_sha256(m.body), some_time());
    BOOST_TEST_REQUIRE(signatures.has_value());
    return m.with_on_top(*signatures);
}

namespace {

// libopendkim loses 1.3 KB with each Ed25519 signature that it makes (dkim_free() frees RSA keys only). What leaks
// anywhere else is ours, so only that call is excused.
struct library_leak {
#ifdef __SANITIZE_ADDRESS__
    library_leak() {
        __lsan_disable();
    }
    ~library_leak() {
        __lsan_enable();
    }
#else
    library_leak() {}
#endif
    library_leak(const library_leak&) = delete;
};

} // namespace

result<std::vector<std::string>> sign_by_library(const message& m, const config::dkim_settings& settings) {
    const library_leak excused;
    const auto views = m.views();
    return sign_with_libopendkim(settings, key_pair(), views, m.body, some_time());
}

std::string opendkim_verdicts(const message& m) {
    const auto verdicts = verify(m.text(), records_of(key_pair()));
    if (!verdicts) return verdicts.error().message();
    std::string out;
    for (const auto& v : *verdicts)
        out += (out.empty() ? "" : " ") + std::string{v.valid ? "pass" : "fail"};
    return out;
}

program_result mail_dkim(const temporary_directory& directory, const std::vector<fs::path>& files) {
    std::string records;
    for (const auto& [name, text] : records_of(key_pair()))
        records += name + "\t" + text + "\n";
    const auto support = fs::path{__FILE__}.parent_path() / "../../support/dkim-verify";
    BOOST_TEST_REQUIRE(fs::exists(support), "run the tests from the root of the source tree");
    auto command = support.string() + " " + directory.write("records", records).string();
    for (const auto& file : files)
        command += " " + file.string();
    program_result out;
    std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    BOOST_TEST_REQUIRE(pipe != nullptr);
    char buffer[4096];
    while (const auto got = std::fread(buffer, 1, sizeof buffer, pipe))
        out.output.append(buffer, got);
    const int status = ::pclose(pipe);
    out.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return out;
}

namespace {

std::string repeated(std::string_view piece, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i)
        out += piece;
    return out;
}

/// Fields and body put together at random from pieces that canonicalizers stumble over.
message random_message(std::mt19937& random) {
    static const std::vector<std::string> body_pieces = {"\r\n",   "\r\n\r\n", " ",        "  ", "\t",  " \t ",
                                                         "word",   "a b",      "\xC3\xA4", ".",  "=20", " \r\n",
                                                         "\t\r\n", "From x",   "--",       ";"};
    static const std::vector<std::string> value_pieces = {"a", " ", "  ", "\t",   "\r\n ",         "\r\n\t",
                                                          ":", ";", "\"", "\xFC", "=?utf-8?q?x?=", "b c"};
    static const std::vector<std::string> names = {"Subject",    "To",      "Cc",       "Reply-To",
                                                   "References", "X-Other", "Received", "list-id"};
    const auto pick = [&random](const auto& from) -> const auto& {
        return from[random() % from.size()];
    };
    message out{{"From: alice@example.org"}, {}};
    for (auto n = random() % 8; n > 0; --n) {
        auto field = pick(names) + ":";
        for (auto k = random() % 8; k > 0; --k) {
            const auto& piece = pick(value_pieces);
            field += piece;
            if (piece.starts_with("\r\n")) field += "x"; // a line of blanks alone is not a continuation
        }
        out.fields.insert(out.fields.begin() + static_cast<std::ptrdiff_t>(random() % (out.fields.size() + 1)), field);
    }
    for (auto n = random() % 30; n > 0; --n)
        out.body += pick(body_pieces);
    return out;
}

} // namespace

std::vector<std::pair<std::string, message>> odd_messages() {
    std::vector<std::pair<std::string, message>> out;
    const auto body = [&out](std::string name, std::string text) {
        auto m = plain_message();
        m.body = std::move(text);
        out.emplace_back("body: " + std::move(name), std::move(m));
    };
    const auto fields = [&out](std::string name, const std::vector<std::string>& more) {
        out.emplace_back("fields: " + std::move(name), plain_message().with_on_top(more));
    };
    out.emplace_back("plain", plain_message());
    body("empty", "");
    body("one empty line", "\r\n");
    body("many empty lines", repeated("\r\n", 500));
    body("no final line end", "no end");
    body("no final line end after a blank", "no end ");
    body("blanks only", " \t \r\n  \r\n");
    body("empty lines first", "\r\n\r\n\r\ntext\r\n");
    body("empty lines last", "text\r\n" + repeated("\r\n", 300));
    body("lines of blanks last", "text\r\n \r\n\t\r\n");
    body("tabs and runs of blanks", "a\tb  c \t d\t\r\n\te\r\n");
    body("8-bit", "Gr\xC3\xBC\xC3\x9F"
                  "e und \xFF\xFE\r\n");
    body("dots", ".\r\n..\r\n.x\r\n");
    body("lines of 998 octets", repeated(std::string(998, 'x') + "\r\n", 5));
    body("a line of 100000 octets", std::string(100000, 'y') + "\r\n");
    body("a megabyte", repeated("The quick brown fox  jumps over\tthe lazy dog. \r\n", 22000));
    fields("folded", {"To: a@example.net,\r\n\tb@example.net,\r\n   c@example.net"});
    fields("duplicates", {"Subject: second", "To: x@example.net", "To: y@example.net", "From: alice@example.org"});
    fields("empty values", {"Reply-To:", "References: ", "List-Id:\t ", "In-Reply-To: \r\n "});
    fields("8-bit values", {"Reply-To: \xC3\x84rger <a@example.org>", "Sender: \xFF@example.org"});
    fields("odd case of names", {"rEPLY-tO: a@example.org", "SENDER: b@example.org"});
    fields("blanks before the colon", {"Reply-To : a@example.org", "Sender\t: b@example.org"});
    fields("no blank after the colon", {"Reply-To:a@example.org"});
    fields("broken", {"this is no field",
                      "B\xC3\xA4"
                      "d: 8-bit name",
                      "two words: x", ": no name"});
    fields("a long value", {"References: " + repeated("<0123456789@example.org>\r\n ", 400) + "<x>"});
    fields("five hundred To", std::vector<std::string>(500, "To: a@example.net"));
    fields("someone else's signature", {"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=x; h=from; bh=; b="});
    std::mt19937 random{20260101};
    for (int i = 0; i < 60; ++i)
        out.emplace_back("random " + std::to_string(i), random_message(random));
    return out;
}

} // namespace postsluice::auth::test
