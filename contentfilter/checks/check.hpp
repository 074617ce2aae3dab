// SPDX-License-Identifier: Apache-2.0
// A check: one question the content filter asks of a message. One source file, one line in checks.def, one test file,
// one section of the manual. run() executes on a pool thread, concurrently with the other checks, under its own
// deadline; it reports findings and decides nothing. Exceptions and time-outs become that check's temperror in the
// runner. Checks are stateless per message; what they load (rules, the worker pool) comes in check_resources, an
// immutable snapshot.
#pragma once

#include "contentfilter/intake/message.hpp"
#include "contentfilter/verdict.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string_view>
#include <vector>

namespace postsluice {
class clock;
}
namespace postsluice::maps {
class map_set;
}
namespace postsluice::state {
class account_store;
class recipient_memory;
class verdict_history;
class token_statistics;
class campaigns;
class overrides;
} // namespace postsluice::state

namespace postsluice::contentfilter {

namespace mime {
class tree;
class content;
} // namespace mime
class pattern_database;
class scan_workers;
class external_scanners;
class hash_lists;
class known_book;
struct rule_set;

/// What the state knows of accounts: the daemon's, which outlives every reload; null where there is none.
struct account_memory {
    state::account_store* strikes = nullptr;
    state::recipient_memory* recipients = nullptr;
    const clock* time = nullptr;
    state::campaigns* campaigns = nullptr;
    const known_book* bad = nullptr;    ///< fingerprints that operators added
    state::overrides* limits = nullptr; ///< of single accounts
    state::verdict_history* verdicts = nullptr;
};

/// What checks share; rebuilt on reload, old ones live as long as a message uses them.
struct check_resources {
    std::shared_ptr<const pattern_database> patterns;
    std::shared_ptr<const rule_set> rules; ///< extensions and lists; its patterns are in the database
    std::shared_ptr<scan_workers> workers;
    std::shared_ptr<maps::map_set> maps;
    std::shared_ptr<external_scanners> scanners; ///< null: none is configured
    std::shared_ptr<const hash_lists> hashes;
    account_memory accounts;
    state::token_statistics* learned = nullptr; ///< the daemon's; null: nothing
};

struct check_context {
    message_ptr message;
    std::shared_ptr<const mime::tree>
        mime; ///< null where the MIME bounds were exceeded (finding MIME_BOUND is there already)
    std::shared_ptr<const check_resources> resources;
    std::shared_ptr<const mime::content> content; ///< texts, links, URLs; made when first asked
};

struct check {
    std::string_view name;  ///< "file_names"
    std::string_view group; ///< "attachments"
    boost::asio::awaitable<std::vector<finding>> (*run)(check_context);
    bool asks = false; ///< a server, and waits for it: others need not wait behind it
};

/// All checks, in the order of checks.def.
[[nodiscard]] const std::vector<check>& all_checks();

} // namespace postsluice::contentfilter
