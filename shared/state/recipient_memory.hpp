// SPDX-License-Identifier: Apache-2.0
// Whom an account wrote to, as the content filter saw it: recipients of mail that the next hop took, in the `filter`
// environment, written by contentfilter alone (known_recipients.hpp says how they are kept and where it may err).
// policyd has a memory of its own, which it fills before the filter sees a message: it could not tell what is new in
// it. Any thread; each verb is a transaction of its own. Recipients are in key form.
#pragma once

#include "shared/core/result.hpp"
#include "shared/state/store.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace postsluice::state {

class recipient_memory {
public:
    recipient_memory(store& where, std::string hash_secret);

    struct novelty {
        std::size_t known = 0; ///< recipients that the account is remembered to have written to
        std::size_t fresh = 0; ///< of those that were asked about: never written to
    };
    [[nodiscard]] result<novelty> ask(std::string_view account, const std::vector<std::string>& recipients);
    /// `most`: that one account keeps. Nothing is written where all are known.
    [[nodiscard]] result<void> learn(std::string_view account, const std::vector<std::string>& recipients,
                                     std::size_t most);

private:
    store& store_;
    std::string secret_;
};

} // namespace postsluice::state
