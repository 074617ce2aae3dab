// SPDX-License-Identifier: Apache-2.0
#include "policyd/control_arguments.hpp"

#include "shared/account/locks.hpp"
#include "shared/core/text.hpp"
#include "shared/core/units.hpp"

#include <algorithm>

namespace postsluice::policyd {

using nlohmann::json;

namespace {

constexpr std::size_t most_listed = 10000;
constexpr seconds longest_lock{10 * 365 * 86400};

} // namespace

result<std::string> text_argument(const json& from, const char* key, bool required) {
    const auto at = from.find(key);
    if (at == from.end()) {
        return required
                   ? result<std::string>{failure{errc::malformed, std::string{"argument \""} + key + "\" is missing"}}
                   : result<std::string>{std::string{}};
    }
    if (!at->is_string() || at->get_ref<const std::string&>().size() > 1024) {
        return failure{errc::malformed, std::string{"argument \""} + key + "\" is not a text of at most 1024 octets"};
    }
    return at->get<std::string>();
}

std::size_t number_argument(const json& from, const char* key, std::size_t otherwise) {
    const auto at = from.find(key);
    return at != from.end() && at->is_number_unsigned() ? std::min(at->get<std::size_t>(), most_listed) : otherwise;
}

result<std::string> account_argument(const config::settings& settings, const json& from, bool required) {
    auto given = text_argument(from, "account", required);
    if (!given) {
        return given.error();
    }
    std::string name = to_lower(trim(*given));
    if (name.empty()) {
        return required ? result<std::string>{failure{errc::malformed, "argument \"account\" is empty"}}
                        : result<std::string>{name};
    }
    const bool entry = std::ranges::any_of(settings.accounts, [&](const auto& a) { return to_lower(a.name) == name; });
    if (!entry && !name.starts_with("uid:") && !name.starts_with("login:") && name.find('@') == std::string::npos &&
        !settings.default_domain.empty()) {
        name += '@' + settings.default_domain;
    }
    return name;
}

result<std::string> subject_argument(const config::settings& settings, const json& from) {
    const auto given = text_argument(from, "account", true);
    if (!given) {
        return given.error();
    }
    if (account::scope_of(to_lower(trim(*given))) == limit_scope::account) {
        return account_argument(settings, from, true);
    }
    return account::parse_lock_subject(settings, *given);
}

result<seconds> duration_argument(const json& from) {
    const auto given = text_argument(from, "for", false);
    if (!given || given->empty()) {
        return given ? result<seconds>{seconds{0}} : result<seconds>{given.error()};
    }
    const auto duration = parse_duration(*given);
    if (!duration || *duration <= seconds{0} || *duration > longest_lock) {
        return failure{errc::malformed,
                       "\"" + printable(*given, 60) + "\" is not a time to lock for; as in \"2 hours\""};
    }
    return *duration;
}

} // namespace postsluice::policyd
