// SPDX-License-Identifier: Apache-2.0
// The key file of BATV: "N secret" a line, the newest first; '#' begins a comment line.
#include "shared/auth/batv.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::auth {

namespace {
constexpr std::size_t max_file = 64U << 10U;
constexpr std::size_t min_secret = 12, max_secret = 64; // 64: HMAC-SHA1's block, and what Exim takes
} // namespace

result<std::vector<batv_keys::key>> batv_keys::parse(std::string_view text) {
    std::vector<key> keys;
    std::size_t number = 0;
    for (const auto raw : split(text, '\n')) {
        ++number;
        const auto line = trim(raw);
        if (line.empty() || line.front() == '#') continue;
        const auto bad = [number](const std::string& why) {
            return failure{errc::corrupt, "line " + std::to_string(number) + " " + why};
        };
        const bool shaped = line.size() > 2 && line[0] >= '0' && line[0] <= '9' && (line[1] == ' ' || line[1] == '\t');
        if (!shaped) return bad(R"(is no BATV key; write "N secret", N from 0 to 9)");
        key k{static_cast<unsigned>(line[0] - '0'), std::string{trim(line.substr(2))}};
        if (k.secret.size() < min_secret || k.secret.size() > max_secret || k.secret.find(' ') != std::string::npos)
            return bad("has no secret of 12 to 64 octets without blanks");
        if (std::any_of(keys.begin(), keys.end(), [&k](const key& other) { return other.number == k.number; }))
            return bad("has the number of a key above it");
        keys.push_back(std::move(k));
    }
    if (keys.empty()) return failure{errc::corrupt, "holds no BATV key"};
    return keys;
}

result<std::vector<batv_keys::key>> batv_keys::read(const std::filesystem::path& file, file_version& seen) {
    // The version is taken first: a file that is replaced in between is then read once more, never once too few.
    const auto before = version_of(file);
    const auto text = read_secret_file(file, max_file);
    if (!text) return text.error();
    auto keys = parse(*text);
    if (!keys) return failure{keys.error().code, file.string() + ": " + keys.error().detail};
    seen = before;
    return keys;
}

result<void> batv_keys::make(const std::filesystem::path& file) {
    const std::string text =
        "# BATV keys, the newest first: it signs, the others still verify. To rotate, put a line with a\n"
        "# number that is not in use above the others, and take lines out after a tag's lifetime.\n"
        "0 " +
        base64url_encode(random_bytes(24)) + "\n";
    return make_secret_file(file, text);
}

} // namespace postsluice::auth
