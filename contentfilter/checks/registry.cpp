// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/check.hpp"

namespace postsluice::contentfilter {

namespace checks {
#define POSTSLUICE_CHECK(name, group) boost::asio::awaitable<std::vector<finding>> name(check_context context);
#include "shared/core/checks.def"
#undef POSTSLUICE_CHECK
} // namespace checks

const std::vector<check>& all_checks() {
    static const std::vector<check> all{
#define POSTSLUICE_CHECK(name, group) {#name, #group, checks::name},
#define POSTSLUICE_ASKING_CHECK(name, group) {#name, #group, checks::name, true},
#include "shared/core/checks.def"
#undef POSTSLUICE_CHECK
    };
    return all;
}

} // namespace postsluice::contentfilter
