// SPDX-License-Identifier: Apache-2.0
// `postsluice-policyd --simulate [--config FILE] [--json] [--propose] RECORD... | --maillog FILE...`, which is what
// `postsluice simulate` runs. A mode of the daemon's own program and no program of its own, because the answer is worth
// something only if rules, limits and locks are the daemon's to the last octet; admin may not link them.
//
// Files are read in the order of their first time; "-" is standard input. State lies in a scratch directory below
// TMPDIR (default /tmp), removed at the end. Exit codes: 0 done (whoever was refused), 1 failed, 2 usage, 78
// configuration.
#pragma once

namespace postsluice::policyd::simulation {

/// argv[0] is "--simulate".
[[nodiscard]] int run(int argc, char** argv);

} // namespace postsluice::policyd::simulation
