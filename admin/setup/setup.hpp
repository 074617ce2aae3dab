// SPDX-License-Identifier: Apache-2.0
// `postsluice setup`: what is done in which order, so that whatever happens leaves a Postfix that works. Blocking, one
// thread. Output for people goes to the context's streams; each function returns the exit code.
//
// In:  plan, diff; trial; journal (applying); tables, main.cf, master.cf; reload, look; journal (applied). A step that
//      fails puts back what was there. Killed half-way: each file is whole, the journal says what was under way, and
//      `setup --undo` or `setup --apply` goes on from there.
// Out: journal (undoing); what leads mail to us goes, and with it all but the transport and the way back; those go once
//      no queued mail needs them (draining until then); then the journal.
#pragma once

#include "admin/context.hpp"
#include "admin/setup/plan.hpp"

namespace postsluice::admin::setup {

struct request {
    std::filesystem::path config_directory; ///< empty: Postfix's own
    std::optional<way> by;                  ///< nullopt: as applied, or lmtp
};
/// Shows what would change; with `apply` changes it.
int put_in(context& ctx, const request& what, bool apply);
int take_out(context& ctx, const request& what);

} // namespace postsluice::admin::setup
