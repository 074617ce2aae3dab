// SPDX-License-Identifier: Apache-2.0
#include "shared/config/installed.hpp"

namespace postsluice::config {

std::filesystem::path installed_program(std::string_view name) {
    return std::filesystem::path{POSTSLUICE_LIBEXECDIR} / name;
}

std::filesystem::path installed_rules() {
    return std::filesystem::path{POSTSLUICE_DATADIR} / "rules.d/*.toml";
}

} // namespace postsluice::config
