// SPDX-License-Identifier: Apache-2.0
// Recorded traffic against a configuration: runs `postsluice-policyd --simulate`, since the rules are the daemon's and
// this program links none of them. Its output and exit code are the command's.
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"

#include <cerrno>
#include <cstring>
#include <ostream>
#include <unistd.h>

namespace postsluice::admin {
namespace {

namespace fs = std::filesystem;

/// The daemon of this installation: beside us (a build tree), or where `make install` puts it.
fs::path policyd_program() {
    std::error_code error;
    const auto here = fs::read_symlink("/proc/self/exe", error).parent_path();
    for (const auto& candidate : {here / "postsluice-policyd", here.parent_path() / "sbin/postsluice-policyd"})
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    return "/usr/sbin/postsluice-policyd";
}

int simulate(context& ctx, const arguments& given) {
    const auto program = policyd_program();
    std::vector<std::string> words{program.string(), "--simulate", "--config", ctx.config_file().string()};
    if (ctx.json()) words.emplace_back("--json");
    for (const char* flag : {"--propose", "--maillog"})
        if (given.get(flag)) words.emplace_back(flag);
    for (const auto& file : given.all("RECORD"))
        words.push_back(file);
    std::vector<char*> pointers;
    for (auto& word : words)
        pointers.push_back(word.data());
    pointers.push_back(nullptr);
    ctx.out.flush();
    ::execv(program.c_str(), pointers.data());
    return ctx.fail(exit_refused, program.string() + ": " + std::strerror(errno), "unavailable");
}

} // namespace

std::vector<command> simulate_commands() {
    return {{"simulate",
             "",
             "who would have been refused: recorded requests, or a mail log, against a configuration",
             {{"RECORD", "files of policyd.record, or mail logs; \"-\" is standard input", true, "MANY"},
              {"--maillog", "they are Postfix's mail logs", false, "FLAG"},
              {"--propose", "propose limits from what each account really sent", false, "FLAG"}},
             "",
             simulate}};
}

} // namespace postsluice::admin
