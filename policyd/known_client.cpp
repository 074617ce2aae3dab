// SPDX-License-Identifier: Apache-2.0
#include "policyd/known_client.hpp"

#include "shared/core/account_name.hpp"

#include <utility>

namespace postsluice::policyd {

bool known_client::is(const config::settings_ptr& settings, const request& what) const noexcept {
    return settings_ == settings && login_ == what.sasl_username && address_ == what.client_address &&
           certificate_ == what.ccert_fingerprint && public_key_ == what.ccert_pubkey_fingerprint;
}

void known_client::look(const config::settings_ptr& settings, const request& what) {
    if (is(settings, what)) {
        return;
    }
    settings_ = nullptr; // should memory run out half way, nothing is known
    login_ = what.sasl_username;
    address_ = what.client_address;
    certificate_ = what.ccert_fingerprint;
    public_key_ = what.ccert_pubkey_fingerprint;
    auto found = account::identify(*settings, {login_, address_, std::nullopt, certificate_, public_key_});
    ours_ = found.has_value();
    who_ = ours_ ? std::move(*found) : account::identity_of(*settings, no_account);
    profile_ = account::select_profile(*settings, who_);
    settings_ = settings;
}

} // namespace postsluice::policyd
