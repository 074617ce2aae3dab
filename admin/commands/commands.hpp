// SPDX-License-Identifier: Apache-2.0
// The commands of each noun; one source file each. What the daemons' answers hold is documented beside the verbs of
// their control sockets (control_verbs.hpp of each daemon); commands read it leniently (human.hpp), since the daemon
// may be of another version.
#pragma once

#include "admin/command.hpp"

namespace postsluice::admin {

[[nodiscard]] std::vector<command> status_commands();
[[nodiscard]] std::vector<command> why_commands();
[[nodiscard]] std::vector<command> account_commands();
[[nodiscard]] std::vector<command> limit_commands();
[[nodiscard]] std::vector<command> message_commands();
[[nodiscard]] std::vector<command> learn_commands();
[[nodiscard]] std::vector<command> fingerprint_commands();
[[nodiscard]] std::vector<command> quarantine_commands();
[[nodiscard]] std::vector<command> config_commands();
[[nodiscard]] std::vector<command> simulate_commands();
[[nodiscard]] std::vector<command> doctor_commands();
[[nodiscard]] std::vector<command> whois_commands();
[[nodiscard]] std::vector<command> setup_commands();
[[nodiscard]] std::vector<command> spf_commands();
[[nodiscard]] std::vector<command> dkim_commands();

} // namespace postsluice::admin
