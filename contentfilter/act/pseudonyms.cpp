// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/pseudonyms.hpp"

#include "shared/auth/aes_siv.hpp"
#include "shared/auth/secret_file.hpp"
#include "shared/core/random.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <algorithm>
#include <charconv>

namespace postsluice::contentfilter::act {

namespace {

constexpr std::size_t max_file = 1U << 20U;
constexpr std::size_t padded_to = 32, longest_account = 256;
constexpr std::string_view comment =
    "# Keys of the pseudonyms in contentfilter.identity_header: the first one makes them, the others are for\n"
    "# `postsluice whois`. Whoever has this file knows whose mail is whose.\n";

template <class Number>
bool number_of(std::string_view text, Number& out) {
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
    return problem == std::errc{} && end == text.data() + text.size();
}

} // namespace

result<std::vector<pseudonyms::key>> pseudonyms::parse(std::string_view text) {
    std::vector<key> keys;
    std::size_t number = 0;
    for (const auto line : split(text, '\n')) {
        ++number;
        if (trim(line).empty() || line.front() == '#') continue;
        const auto parts = split(line, ' ');
        key k;
        std::int64_t began = 0;
        if (parts.size() != 3 || !number_of(parts[0], k.number) || !number_of(parts[1], began) ||
            !base64url_decode(parts[2], k.secret) || k.secret.size() != auth::aes_siv_key)
            return failure{errc::corrupt, "line " + std::to_string(number) + " is no key of pseudonyms"};
        k.began = instant{milliseconds{began}};
        if (!keys.empty() && k.number >= keys.back().number)
            return failure{errc::corrupt, "line " + std::to_string(number) + " is not older than the line above it"};
        keys.push_back(std::move(k));
    }
    if (keys.empty()) return failure{errc::corrupt, "holds no key of pseudonyms"};
    return keys;
}

std::string pseudonyms::to_text(const std::vector<key>& keys) {
    std::string out{comment};
    for (const auto& k : keys)
        out += std::to_string(k.number) + " " + std::to_string(k.began.time_since_epoch().count()) + " " +
               base64url_encode(k.secret) + "\n";
    return out;
}

pseudonyms::key pseudonyms::next_key(std::uint64_t number) const {
    return {number, clock_.now(), random_bytes(auth::aes_siv_key)};
}

result<std::unique_ptr<pseudonyms>> pseudonyms::open(const config::filter_settings& settings, const clock& time) {
    std::unique_ptr<pseudonyms> out{new pseudonyms{time}};
    if (auto taken = out->use(settings); !taken) return taken.error();
    return out;
}

result<void> pseudonyms::use(const config::filter_settings& settings) {
    const auto& file = settings.identity_key_file;
    auto text = auth::read_secret_file(file, max_file);
    const bool missing = !text && text.error().code == errc::not_found;
    if (missing && !settings.identity_header.empty()) {
        if (auto made = auth::make_secret_file(file, to_text({next_key(1)})); !made) return made;
        text = auth::read_secret_file(file, max_file);
    }
    std::vector<key> keys;
    if (text) {
        auto parsed = parse(*text);
        if (!parsed) return failure{parsed.error().code, file.string() + ": " + parsed.error().detail};
        keys = std::move(*parsed);
    } else if (!missing || !settings.identity_header.empty()) {
        return text.error();
    }
    const std::lock_guard guard{mutex_};
    settings_ = settings;
    keys_ = std::move(keys);
    return {};
}

result<void> pseudonyms::rotate() {
    const std::lock_guard guard{mutex_};
    if (settings_.identity_header.empty() || keys_.empty()) return {};
    const auto now = clock_.now();
    const auto rotation = settings_.identity_key_rotation;
    auto keys = keys_;
    if (rotation > seconds{0} && keys.front().began + rotation <= now)
        keys.insert(keys.begin(), next_key(keys.front().number + 1));
    // A key was replaced when the one above it began.
    for (std::size_t i = 1; i < keys.size(); ++i)
        if (keys[i - 1].began + settings_.identity_key_retention < now) keys.resize(i);
    if (keys.size() == keys_.size() && keys.front().number == keys_.front().number) return {};
    if (auto written = auth::replace_secret_file(settings_.identity_key_file, to_text(keys)); !written) return written;
    if (keys.front().number != keys_.front().number)
        log::info("identity: a new key; every account has a new pseudonym").kv("key", keys.front().number);
    keys_ = std::move(keys);
    return {};
}

std::string pseudonyms::of(std::string_view account) const {
    const std::lock_guard guard{mutex_};
    if (keys_.empty()) return {};
    const auto number = std::to_string(keys_.front().number);
    std::string padded{account.substr(0, longest_account)};
    padded.resize(std::max<std::size_t>(1, (padded.size() + padded_to - 1) / padded_to) * padded_to, '\0');
    return number + "." + base64url_encode(auth::aes_siv_seal(keys_.front().secret, number, padded));
}

result<pseudonyms::meaning> pseudonyms::who(std::string_view pseudonym) const {
    const auto dot = pseudonym.find('.');
    std::uint64_t number = 0;
    std::string sealed;
    if (dot == std::string_view::npos || !number_of(pseudonym.substr(0, dot), number) ||
        !base64url_decode(pseudonym.substr(dot + 1), sealed))
        return failure{errc::malformed, "that is no pseudonym; they look like \"1.2ZQnT...\""};
    const std::lock_guard guard{mutex_};
    const auto at = std::find_if(keys_.begin(), keys_.end(), [number](const key& k) { return k.number == number; });
    if (at == keys_.end())
        return failure{errc::not_found, "the key of that pseudonym, number " + std::to_string(number) +
                                            ", is not there; see contentfilter.identity_key_retention"};
    auto padded = auth::aes_siv_open(at->secret, std::to_string(number), sealed);
    if (!padded) return failure{errc::denied, "that pseudonym was not made here, or is not whole"};
    meaning out;
    out.account = padded->substr(0, padded->find('\0'));
    out.from = at->began;
    if (at != keys_.begin()) out.until = std::prev(at)->began;
    return out;
}

} // namespace postsluice::contentfilter::act
