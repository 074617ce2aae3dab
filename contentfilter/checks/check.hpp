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

namespace postsluice::maps {
class map_set;
}

namespace postsluice::contentfilter {

namespace mime {
class tree;
}
class pattern_database;
class scan_workers;

/// What checks share; rebuilt on reload, old ones live as long as a message uses them.
struct check_resources {
    std::shared_ptr<const pattern_database> patterns;
    std::shared_ptr<scan_workers> workers;
    std::shared_ptr<maps::map_set> maps;
};

struct check_context {
    message_ptr message;
    std::shared_ptr<const mime::tree>
        mime; ///< null where the MIME bounds were exceeded (finding MIME_BOUND is there already)
    std::shared_ptr<const check_resources> resources;
};

struct check {
    std::string_view name;  ///< "file_names"
    std::string_view group; ///< "attachments"
    boost::asio::awaitable<std::vector<finding>> (*run)(check_context);
};

/// All checks, in the order of checks.def.
[[nodiscard]] const std::vector<check>& all_checks();

} // namespace postsluice::contentfilter
