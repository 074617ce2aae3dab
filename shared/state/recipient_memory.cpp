// SPDX-License-Identifier: Apache-2.0
// Keys of the `filter` environment:
//   K <hash of account> <bucket>   some of the recipients an account wrote to
#include "shared/state/recipient_memory.hpp"

#include "shared/state/known_recipients.hpp"

#include <algorithm>
#include <cstring>

namespace postsluice::state {
namespace {

record_key key_of(std::string_view secret, std::string_view account) {
    const auto key = hashed_key('K', secret, {account});
    record_key out{};
    std::copy_n(key.begin(), std::min(key.size(), out.size()), out.begin());
    return out;
}

std::uint64_t hash_of(std::string_view secret, std::string_view recipient) {
    const auto key = hashed_key('r', secret, {recipient});
    std::uint64_t out = 0;
    std::memcpy(&out, key.data() + 1, sizeof out);
    return out;
}

} // namespace

recipient_memory::recipient_memory(store& where, std::string hash_secret)
    : store_{where}
    , secret_{std::move(hash_secret)} {}

result<recipient_memory::novelty> recipient_memory::ask(std::string_view account,
                                                        const std::vector<std::string>& recipients) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    const auto key = key_of(secret_, account);
    novelty out;
    for (const auto& one : recipients)
        out.fresh += knows_recipient(*txn, key, hash_of(secret_, one)) ? 0U : 1U;
    if (out.fresh > 0) out.known = count_recipients(*txn, key);
    return out;
}

result<void> recipient_memory::learn(std::string_view account, const std::vector<std::string>& recipients,
                                     std::size_t most) {
    const auto key = key_of(secret_, account);
    const auto known = [&](const read_txn& txn, const std::string& one) {
        return knows_recipient(txn, key, hash_of(secret_, one));
    };
    {
        // Most mail goes to where mail went before: no writer's turn for that.
        const auto txn = store_.read();
        if (!txn) return txn.error();
        if (std::all_of(recipients.begin(), recipients.end(), [&](const std::string& one) { return known(*txn, one); }))
            return {};
    }
    auto txn = store_.write();
    if (!txn) return txn.error();
    for (const auto& one : recipients)
        if (auto learned = learn_recipient(*txn, key, hash_of(secret_, one), most); !learned) return learned;
    return txn->commit();
}

} // namespace postsluice::state
