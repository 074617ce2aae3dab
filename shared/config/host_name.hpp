// SPDX-License-Identifier: Apache-2.0
// The name this host greets with where the configuration has none: Postfix's myhostname from its main.cf, as far as it
// is plain text there; else the host's own name, with Postfix's mydomain or the domain in /etc/hostname where it has
// none itself. No program is run; an unreadable file is as one without the name.
#pragma once

#include <filesystem>
#include <string>

namespace postsluice::config {

[[nodiscard]] std::string host_name(const std::filesystem::path& main_cf, const std::filesystem::path& hostname_file,
                                    std::string own_name);
/// With the files and the name of this machine.
[[nodiscard]] std::string host_name();

} // namespace postsluice::config
