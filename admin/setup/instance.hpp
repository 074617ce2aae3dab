// SPDX-License-Identifier: Apache-2.0
// A Postfix instance of this machine: where its files lie, whether it runs, and the commands that are put to it.
// Blocking, bounded as admin/doctor/run.hpp says; failures carry what the command complained of.
#pragma once

#include "admin/doctor/postfix.hpp"
#include "admin/setup/plan.hpp"

namespace postsluice::admin::setup {

class instance {
public:
    /// `directory` empty: Postfix's own default.
    [[nodiscard]] static result<instance> open(const std::filesystem::path& directory);

    [[nodiscard]] const doctor::postfix_facts& facts() const noexcept { return facts_; }
    [[nodiscard]] std::filesystem::path config_directory() const { return facts_.parameter("config_directory"); }
    [[nodiscard]] std::filesystem::path queue_directory() const { return facts_.parameter("queue_directory"); }
    /// Of the same machine, as its default instance lists them.
    [[nodiscard]] std::vector<std::string> other_instances() const;

    /// main.cf, master.cf, and those other files that setup writes, where they are there.
    [[nodiscard]] result<file_set> read() const;
    /// Makes the files as `wanted` says, where `now` says otherwise. master.cf leads to what main.cf defines: it comes
    /// last on the way in, and first on the way out, so that each state on the way is one that works.
    [[nodiscard]] result<void> write(const file_set& now, const file_set& wanted, bool way_in) const;

    [[nodiscard]] bool running() const;
    /// "postfix", "-c", DIR, and then `what`
    [[nodiscard]] std::vector<std::string> command(std::string program, std::vector<std::string> what) const;

private:
    doctor::postfix_facts facts_;
};

/// Why mail or a process of the instance still needs the transport into the filter or the way back: a sentence;
/// nullopt: nothing does. Looks at each queued message (postqueue -j, postcat) and at the smtpd processes that were
/// started before a reload. What cannot be looked at counts as a need.
[[nodiscard]] std::optional<std::string> still_needed(const instance& at);

} // namespace postsluice::admin::setup
