// SPDX-License-Identifier: Apache-2.0
// What the DKIM tests share: a temporary directory, fresh keys, messages as fields and body, and the verifiers, none of
// which is our own code.
#pragma once

#include "shared/auth/dkim_key.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::auth::test {

class temporary_directory {
public:
    temporary_directory();
    ~temporary_directory();
    temporary_directory(const temporary_directory&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    std::filesystem::path write(const std::filesystem::path& name, std::string_view text, unsigned mode = 0600) const;

private:
    std::filesystem::path path_;
};

struct message {
    std::vector<std::string> fields; ///< raw, without the final CRLF
    std::string body;
    [[nodiscard]] std::vector<std::string_view> views() const;
    [[nodiscard]] std::string text() const;
    [[nodiscard]] message with_on_top(const std::vector<std::string>& more) const;
};

[[nodiscard]] std::string rsa_pem(unsigned bits = 2048);
[[nodiscard]] std::string ed25519_pem();
/// An RSA and an Ed25519 key of example.org, made once per run.
[[nodiscard]] const std::vector<signing_key>& key_pair();
[[nodiscard]] std::map<std::string, std::string> records_of(std::span<const signing_key> keys);
[[nodiscard]] message plain_message();
[[nodiscard]] std::string sha256_of(std::string_view text);
[[nodiscard]] std::string body_sha256(std::string_view body);
[[nodiscard]] constexpr instant some_time() {
    return instant{milliseconds{1767225600000}};
}

/// Signed by us with key_pair(), default settings.
[[nodiscard]] message signed_message(const message& m, const config::dkim_settings& settings = {});
/// The signatures that libopendkim makes.
[[nodiscard]] result<std::vector<std::string>> sign_by_library(const message& m,
                                                               const config::dkim_settings& settings = {});
/// "pass pass", "fail pass", ...: what libopendkim says of each signature, in their order.
[[nodiscard]] std::string opendkim_verdicts(const message& m);

struct program_result {
    int exit_code = -1;
    std::string output;
};
/// tests/support/dkim-verify (Mail::DKIM) over files, with the records of key_pair().
[[nodiscard]] program_result mail_dkim(const temporary_directory& directory,
                                       const std::vector<std::filesystem::path>& files);

/// Messages that are odd in one way each, all of them valid for an SMTP server that takes 8-bit text.
[[nodiscard]] std::vector<std::pair<std::string, message>> odd_messages();

} // namespace postsluice::auth::test
