// SPDX-License-Identifier: Apache-2.0
// The list of nouns, in the order of --help. A new noun is a file here and a line in each of the two lists.
#include "admin/commands/commands.hpp"

namespace postsluice::admin {

const std::vector<command>& all_commands() {
    static const std::vector<command> all = [] {
        std::vector<command> out;
        for (const auto& noun :
             {status_commands(), why_commands(), account_commands(), limit_commands(), message_commands(),
              learn_commands(), fingerprint_commands(), quarantine_commands(), whois_commands(), spf_commands(),
              dkim_commands(), config_commands(), setup_commands(), simulate_commands(), doctor_commands()})
            out.insert(out.end(), noun.begin(), noun.end());
        return out;
    }();
    return all;
}

} // namespace postsluice::admin
