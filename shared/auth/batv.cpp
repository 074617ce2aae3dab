// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/batv.hpp"

#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <ostream>

namespace postsluice::auth {

namespace {

constexpr std::string_view scheme = "prvs=";
constexpr std::size_t digits = 10;                        // KDDDSSSSSS
constexpr std::size_t added = scheme.size() + digits + 1; // and the '=' after them
constexpr std::size_t max_local = 64;                     // RFC 5321 section 4.5.3.1.1
constexpr unsigned days_around = 1000;
constexpr seconds day{86400};

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
bool is_hex(char c) noexcept {
    return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f');
}

std::string three_digits(unsigned number) {
    auto out = std::to_string(1000 + number % days_around);
    return out.substr(1);
}

/// SRS0=..., SRS1+... (the separator after it may be '=', '+' or '-').
bool is_srs(std::string_view local) noexcept {
    const bool named = istarts_with(local, "SRS0") || istarts_with(local, "SRS1");
    return named && local.size() > 4 && (local[4] == '=' || local[4] == '+' || local[4] == '-');
}

unsigned lifetime_in_days(const config::batv_settings& settings) noexcept {
    return static_cast<unsigned>((settings.lifetime + day - seconds{1}) / day);
}

bool is_past(unsigned last, unsigned lifetime, instant now) noexcept {
    return (last + days_around - batv_day(now)) % days_around > lifetime;
}

} // namespace

unsigned batv_day(instant at) noexcept {
    const auto days = std::chrono::floor<std::chrono::days>(at).time_since_epoch().count();
    return static_cast<unsigned>((days % int{days_around} + int{days_around}) % int{days_around});
}

std::optional<batv_tag> read_batv_tag(std::string_view local) {
    if (!istarts_with(local, scheme) || local.size() <= added || local[added - 1] != '=') return std::nullopt;
    const auto value = local.substr(scheme.size(), digits);
    if (!std::all_of(value.begin(), value.begin() + 4, is_digit) ||
        !std::all_of(value.begin() + 4, value.end(), is_hex))
        return std::nullopt;
    batv_tag out;
    out.key = static_cast<unsigned>(value[0] - '0');
    for (const char c : value.substr(1, 3))
        out.day = out.day * 10 + static_cast<unsigned>(c - '0');
    out.signature = value.substr(4);
    out.local = local.substr(added);
    return out;
}

std::string batv_signature(std::string_view secret, unsigned key, unsigned day_number, std::string_view address) {
    const auto source = std::to_string(key % 10) + three_digits(day_number) + std::string{address};
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned size = 0;
    if (HMAC(EVP_sha1(), secret.data(), static_cast<int>(secret.size()),
             reinterpret_cast<const unsigned char*>(source.data()), source.size(), mac.data(), &size) == nullptr)
        return {};
    constexpr std::string_view hex = "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < 3; ++i) {
        out += hex[mac[i] >> 4U];
        out += hex[mac[i] & 0x0FU];
    }
    return out;
}

std::string_view to_string(batv_verdict verdict) noexcept {
    switch (verdict) {
    case batv_verdict::not_asked:
        return "not-asked";
    case batv_verdict::valid:
        return "valid";
    case batv_verdict::untagged:
        return "untagged";
    case batv_verdict::expired:
        return "expired";
    case batv_verdict::forged:
        break;
    }
    return "forged";
}

std::ostream& operator<<(std::ostream& out, batv_verdict verdict) {
    return out << to_string(verdict);
}

bool batv_keys::is_ours(const mail_address& address) const {
    const auto& domains = settings_.domains;
    return !address.local.empty() && std::any_of(domains.begin(), domains.end(), [&address](const auto& domain) {
        return iequals(domain, address.domain);
    });
}

bool batv_keys::signs(const mail_address& address) const {
    return is_ours(address) && !read_batv_tag(address.local) && !is_srs(address.local) &&
           address.local.size() + added <= max_local;
}

bool batv_keys::tags(const mail_address& reverse_path) const {
    const std::lock_guard lock{mutex_};
    return signs(reverse_path);
}

result<mail_address> batv_keys::tag(const mail_address& reverse_path, instant now) {
    const std::lock_guard lock{mutex_};
    if (!signs(reverse_path)) return reverse_path;
    reread();
    if (keys_.empty()) return failure{errc::unavailable, settings_.key_file.string() + ": there is no BATV key"};
    const auto& newest = keys_.front();
    const auto last = (batv_day(now) + lifetime_in_days(settings_)) % days_around;
    const auto signature = batv_signature(newest.secret, newest.number, last, reverse_path.key());
    if (signature.empty()) return failure{errc::internal, "an address could not be signed"};
    auto out = reverse_path;
    out.local =
        std::string{scheme} + std::to_string(newest.number) + three_digits(last) + signature + "=" + reverse_path.local;
    return out;
}

/// As we sign, as it stands, and both without what VERP may have appended.
bool batv_keys::is_signed_by_us(const batv_tag& tag, const std::string& domain) const {
    std::vector<std::string> forms = {tag.local + "@" + domain};
    if (const auto plus = tag.local.rfind('+'); plus != std::string::npos && plus > 0)
        forms.push_back(tag.local.substr(0, plus) + "@" + domain);
    for (const auto& one : keys_) {
        if (one.number != tag.key) continue;
        for (const auto& form : forms)
            for (const auto& address : {to_lower(form), form}) {
                const auto signature = batv_signature(one.secret, one.number, tag.day, address);
                if (!signature.empty() && iequals(signature, tag.signature)) return true;
            }
    }
    return false;
}

result<batv_verdict> batv_keys::check(const mail_address& recipient, instant now) {
    const std::lock_guard lock{mutex_};
    if (!is_ours(recipient)) return batv_verdict::not_asked;
    const auto tag = read_batv_tag(recipient.local);
    const auto plain = tag ? mail_address{tag->local, recipient.domain} : recipient;
    const bool exempt = iequals(plain.local, "postmaster") || // RFC 5321 section 4.5.1
                        std::any_of(settings_.exempt.begin(), settings_.exempt.end(),
                                    [key = plain.key()](const auto& one) { return iequals(one, key); });
    if (exempt) return batv_verdict::not_asked;
    if (!tag) return signs(recipient) ? batv_verdict::untagged : batv_verdict::not_asked;
    reread();
    if (keys_.empty()) return failure{errc::unavailable, settings_.key_file.string() + ": there is no BATV key"};
    if (!is_signed_by_us(*tag, recipient.domain)) return batv_verdict::forged;
    return is_past(tag->day, lifetime_in_days(settings_), now) ? batv_verdict::expired : batv_verdict::valid;
}

result<std::unique_ptr<batv_keys>> batv_keys::open(const config::batv_settings& settings, bool makes) {
    std::unique_ptr<batv_keys> out{new batv_keys{makes}};
    if (auto used = out->use(settings); !used) return used.error();
    return out;
}

result<void> batv_keys::use(const config::batv_settings& settings) {
    const std::lock_guard lock{mutex_};
    if (settings.domains.empty()) {
        settings_ = settings;
        keys_.clear();
        seen_ = {};
        refused_.reset();
        return {};
    }
    if (makes_ && version_of(settings.key_file) == file_version{}) {
        if (auto made = make(settings.key_file); !made) return made.error();
    }
    file_version seen;
    auto keys = read(settings.key_file, seen);
    if (!keys && (makes_ || keys.error().code != errc::not_found)) return keys.error();
    settings_ = settings;
    keys_ = keys ? std::move(*keys) : std::vector<key>{};
    seen_ = seen;
    refused_.reset();
    return {};
}

// One stat(2) for each message or bounce. What cannot be used is read again when it has changed.
void batv_keys::reread() {
    const auto there = version_of(settings_.key_file);
    if (there == seen_ || there == refused_) return;
    file_version seen;
    auto keys = read(settings_.key_file, seen);
    if (!keys) {
        refused_ = there;
        log::error("BATV keys not reread: the old ones stay").kv("why", keys.error().message());
        return;
    }
    keys_ = std::move(*keys);
    seen_ = seen;
    refused_.reset();
    log::info("BATV keys read").kv("file", settings_.key_file.string()).kv("keys", keys_.size());
}

} // namespace postsluice::auth
