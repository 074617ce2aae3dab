// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/dkim_key.hpp"
#include "shared/auth/public_suffix.hpp"
#include "shared/core/text.hpp"

#include <libpsl.h>

namespace postsluice::auth {

namespace {

bool at_or_below(std::string_view child, std::string_view parent) {
    if (child == parent) return true;
    return child.size() > parent.size() && child.ends_with(parent) && child[child.size() - parent.size() - 1] == '.';
}

/// The newer of the system's list (publicsuffix) and the one built into the library; read once.
const psl_ctx_t* suffixes() {
    static const std::unique_ptr<psl_ctx_t, openssl_delete<psl_free>> list{psl_latest(nullptr)};
    return list ? list.get() : psl_builtin();
}

} // namespace

std::string_view organisational_domain(std::string_view lower_case_domain) {
    const std::string domain{lower_case_domain};
    const auto* const list = suffixes();
    const char* const found = list != nullptr ? psl_registrable_domain(list, domain.c_str()) : nullptr;
    if (found == nullptr) return lower_case_domain; // a public suffix itself: nobody's child
    return lower_case_domain.substr(static_cast<std::size_t>(found - domain.c_str()));
}

bool is_registrable(std::string_view host) {
    const auto* const list = suffixes();
    const auto dot = host.rfind('.');
    if (list == nullptr || dot == std::string_view::npos) return false;
    // The list takes every name that it does not know for a top-level domain, unless it is told not to.
    constexpr int known = PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE;
    const std::string name{host};
    return psl_is_public_suffix2(list, name.c_str() + dot + 1, known) != 0 &&
           psl_is_public_suffix2(list, name.c_str(), known) == 0;
}

bool relaxed_aligned(std::string_view a, std::string_view b) {
    const auto x = to_lower(a), y = to_lower(b);
    if (x == y) return !x.empty();
    const auto organisation = organisational_domain(x);
    return organisation == organisational_domain(y) && at_or_below(x, organisation) && at_or_below(y, organisation);
}

} // namespace postsluice::auth
