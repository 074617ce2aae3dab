// SPDX-License-Identifier: Apache-2.0
#include "policyd/rules/rule.hpp"

#include <array>

namespace postsluice::policyd {

namespace {

constexpr std::array registered = {
#define POSTSLUICE_RULE(name) rule{#name, &rules::name, nullptr},
#define POSTSLUICE_WAITING_RULE(name) rule{#name, nullptr, &rules::name, nullptr, &rules::name##_asks},
#define POSTSLUICE_MAP_RULE(name) rule{#name, &rules::name, &rules::name##_waiting, &rules::name##_waits},
#include "shared/core/rules.def"
#undef POSTSLUICE_RULE
#undef POSTSLUICE_WAITING_RULE
#undef POSTSLUICE_MAP_RULE
};
constexpr std::array inbound = {
#define POSTSLUICE_RULE(name) rule{#name, &rules::name, nullptr},
#define POSTSLUICE_WAITING_RULE(name) rule{#name, nullptr, &rules::name, nullptr, &rules::name##_asks},
#include "shared/core/inbound.def"
#undef POSTSLUICE_RULE
#undef POSTSLUICE_WAITING_RULE
};
static_assert(registered.back().name == "limits", "what charges comes last");

} // namespace

std::span<const rule> all_rules() noexcept {
    return registered;
}
std::span<const rule> inbound_rules() noexcept {
    return inbound;
}

} // namespace postsluice::policyd
