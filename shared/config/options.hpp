// SPDX-License-Identifier: Apache-2.0
// The option table: one row per member of settings, profile, account_entry and assign_entry: key, how it is read and printed, its range,
// one sentence of help. --check-config, --print-defaults, the sample file, `postsluice config defaults` and the lints use these rows and
// nothing else. Internal to shared/config.
#pragma once

#include "shared/config/codec.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::config {

template <class Subject>
struct option {
    std::string_view key; ///< "policyd.max_connections"; within a profile or entry "limits"
    std::function<complaint(const toml::node&, Subject&)> read;
    std::function<std::string(const Subject&)> print; ///< as TOML; empty where nothing is set
    std::string range;
    std::string_view help;
};

[[nodiscard]] const std::vector<option<settings>>& setting_options();
[[nodiscard]] const std::vector<option<profile>>& profile_options();
[[nodiscard]] const std::vector<option<account_entry>>& account_options();
[[nodiscard]] const std::vector<option<assign_entry>>& assign_options();

/// What a profile without `inherits` begins with: no limits, own-domain, locks on proof of abuse.
[[nodiscard]] profile built_in_profile();
/// The profile `default` where the file has none.
[[nodiscard]] profile default_profile();

/// A row for a member reached through `path` (pointers to members, outermost first).
template <class Subject, class Get>
option<Subject> make_option(std::string_view key, Get get, bounds within, std::string_view help) {
    using value = std::remove_cvref_t<decltype(get(std::declval<Subject&>()))>;
    return {key, [get, within](const toml::node& node, Subject& s) { return codec<value>::read(node, get(s), within); },
            [get](const Subject& s) { return codec<value>::print(get(const_cast<Subject&>(s))); }, codec<value>::range(within), help};
}

} // namespace postsluice::config
