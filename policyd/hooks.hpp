// SPDX-License-Identifier: Apache-2.0
// Where in Postfix's configuration requests come from, told by server_port and policy_context, and which stages are
// asked there. The stages cannot be configured at our end, only seen: whether an END-OF-MESSAGE hook is in place
// decides if a DATA that was never followed by one was aborted (released) or simply is not told (charged). And where
// policyd.accounting and the hooks disagree, the log says so, once for each place: this is what a misplaced
// check_policy_service looks like.
#pragma once

#include "shared/config/settings.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace postsluice::policyd {

struct hook {
    std::string server_port, policy_context;
    std::uint64_t rcpt = 0;           ///< RCPT requests
    std::uint64_t data = 0;           ///< DATA requests
    std::uint64_t data_alone = 0;     ///< those of transactions of which the connection had asked nothing at RCPT
    std::uint64_t end_of_message = 0; ///< END-OF-MESSAGE requests
    std::uint64_t unfinished = 0;     ///< transactions that saw DATA and ended without END-OF-MESSAGE
    bool warned_missing = false, warned_unused = false, warned_short = false;
};

class hook_table {
public:
    static constexpr std::size_t most = 256;           ///< places told apart; further ones share the last
    static constexpr std::uint64_t certain_after = 20; ///< unfinished transactions until a missing hook is certain

    /// The place, new where it was never seen. Stays valid for the table's life.
    [[nodiscard]] hook& at(std::string_view server_port, std::string_view policy_context);
    [[nodiscard]] const std::vector<std::unique_ptr<hook>>& all() const noexcept { return all_; }

    /// DATA, with the message's queue ID; `announced`: after RCPT on the same connection.
    void saw_data(hook& where, bool announced, std::string_view queue_id);
    void saw_end_of_message(hook& where, config::accounting_mode mode);
    /// A transaction ended; `data` and `ended` say what it had seen.
    void transaction_over(hook& where, bool data, bool ended, config::accounting_mode mode);

private:
    std::vector<std::unique_ptr<hook>> all_;
};

} // namespace postsluice::policyd
