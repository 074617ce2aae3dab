// SPDX-License-Identifier: Apache-2.0
#include "shared/maps/address_query.hpp"

#include "shared/config/settings.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::maps {

namespace asio = boost::asio;

namespace {

struct key_form {
    std::string key;
    bool whole = false; ///< the whole address: patterns are asked too
};

class key_list {
public:
    explicit key_list(std::vector<key_form>& into)
        : into_{into} {}
    void add(std::string key, bool whole = false) {
        if (!key.empty()) into_.push_back({std::move(key), whole});
    }
    /// Quoted, then as it is.
    void add_address(const mail_address& address, std::string_view tail, bool whole = false) {
        auto quoted = mail_address{address.local, {}}.to_smtp() + std::string{tail};
        auto plain = address.local + std::string{tail};
        const bool same = quoted == plain;
        add(std::move(quoted), whole);
        if (!same) add(std::move(plain), whole);
    }

private:
    std::vector<key_form>& into_;
};

void add_owner_keys(const mail_address& address, const std::optional<mail_address>& bare, const address_rules& rules,
                    key_list& keys) {
    const auto& own = rules.own_domains;
    if (std::find(own.begin(), own.end(), address.domain) != own.end()) {
        keys.add_address(address, {});
        if (bare) keys.add_address(*bare, {});
    }
    keys.add("@" + address.domain);
}

void add_access_keys(const mail_address& address, const std::optional<mail_address>& bare, key_list& keys) {
    keys.add("@" + address.domain);
    keys.add(address.domain);
    std::string_view rest = address.domain;
    for (auto dot = rest.find('.'); dot != std::string_view::npos; dot = rest.find('.')) {
        rest.remove_prefix(dot);
        keys.add("@" + std::string{rest});
        keys.add(std::string{rest});
        rest.remove_prefix(1);
        keys.add(std::string{rest});
    }
    keys.add_address(address, "@");
    if (bare) keys.add_address(*bare, "@");
}

// split_addr(3): never before the first character; some local parts are no user's and have no extension.
std::size_t length_without_extension(std::string_view local, std::string_view delimiter) {
    for (const auto* reserved : {"postmaster", "mailer-daemon", "double-bounce"})
        if (iequals(local, reserved)) return local.size();
    if (delimiter.find('-') != std::string_view::npos &&
        (istarts_with(local, "owner-") || (local.size() > 8 && iequals(local.substr(local.size() - 8), "-request"))))
        return local.size();
    const auto at = local.find_first_of(delimiter);
    return at == 0 || at == std::string_view::npos ? local.size() : at;
}

failure empty_value(const question& q) {
    return {errc::corrupt, std::string{q.map} + ": the value of " + printable(q.key, 100) + " is empty"};
}

} // namespace

address_rules address_rules_of(const config::settings& settings) {
    address_rules out{settings.recipient_delimiter, {}};
    for (const auto* domain : {&settings.hostname, &settings.default_domain})
        if (!domain->empty()) out.own_domains.push_back(to_lower(*domain));
    return out;
}

mail_address without_extension(const mail_address& address, std::string_view delimiter) {
    return {address.local.substr(0, length_without_extension(address.local, delimiter)), address.domain};
}

bool names_map(std::string_view entry) noexcept {
    const auto colon = entry.find(':');
    return colon != std::string_view::npos && colon < entry.find('@');
}
bool any_map(const std::vector<std::string>& entries) noexcept {
    return std::any_of(entries.begin(), entries.end(), [](const auto& e) { return names_map(e); });
}
bool any_remote(const std::vector<std::string>& entries) noexcept {
    return std::any_of(entries.begin(), entries.end(), [](const auto& e) { return is_remote(e); });
}

std::vector<question> questions_about(const mail_address& as_written, const std::vector<std::string>& maps, search how,
                                      const address_rules& rules) {
    const mail_address address{to_lower(as_written.local), as_written.domain};
    std::optional<mail_address> bare;
    if (auto stripped = without_extension(address, rules.delimiter); stripped != address) bare = std::move(stripped);
    std::vector<key_form> forms;
    key_list keys{forms};
    const auto tail = address.domain.empty() ? std::string{} : "@" + address.domain;
    keys.add_address(address, tail, true);
    if (bare) keys.add_address(*bare, tail);
    if (!address.domain.empty()) {
        if (how == search::owner)
            add_owner_keys(address, bare, rules, keys);
        else
            add_access_keys(address, bare, keys);
    }
    std::vector<question> out;
    for (const auto& form : forms)
        for (const auto& map : maps)
            if (names_map(map) && (form.whole || !is_pattern(map))) out.push_back({map, form.key});
    return out;
}

answer ask(map_set& maps, const std::vector<question>& questions) {
    for (const auto& q : questions) {
        auto got = maps.get(q.map, q.key);
        if (!got) return got;
        if (*got && (*got)->empty()) return empty_value(q);
        if (*got) return got;
    }
    return std::optional<std::string>{};
}

asio::awaitable<answer> ask_waiting(map_set& maps, std::vector<question> questions, remote_options how) {
    for (const auto& q : questions) {
        auto got = co_await maps.find(std::string{q.map}, q.key, how);
        if (!got) co_return got;
        if (*got && (*got)->empty()) co_return empty_value(q);
        if (*got) co_return got;
    }
    co_return std::optional<std::string>{};
}

} // namespace postsluice::maps
