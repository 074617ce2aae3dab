// SPDX-License-Identifier: Apache-2.0
#include "admin/command.hpp"
#include "admin/manual/manual.hpp"

#include <map>
#include <set>

namespace postsluice::admin::manual {
namespace {

struct words {
    std::string text;
    void add(std::string_view word) { text += (text.empty() ? "" : " ") + std::string{word}; }
};

/// What the shell is told of the commands: which words follow "", "account", "account lock".
struct table {
    std::map<std::string, words> next;                                 ///< by what stands before, in words
    std::set<std::string> valued{"--config", "--control"};             ///< options that a value follows
    std::set<std::string> files{"--config"}, directories{"--control"}; ///< of these, a path
    std::set<std::string> with_files;                                  ///< commands whose arguments are files

    void add(const command& c, const std::string& name) {
        auto& here = next[name];
        for (const auto& a : c.takes) {
            const std::string argument_name{a.name};
            if (!a.name.starts_with("-")) {
                if (a.name == "FILE" || a.name == "RECORD") with_files.insert(name);
                continue;
            }
            here.add(a.name);
            if (a.value == "FLAG") continue;
            valued.insert(argument_name);
            if (a.value == "FILE") files.insert(argument_name);
            if (a.value == "DIR") directories.insert(argument_name);
        }
    }
};

table of_all_commands() {
    table out;
    for (const auto& c : all_commands()) {
        const std::string noun{c.noun};
        if (!out.next.contains(noun)) out.next[""].add(noun);
        if (!c.verb.empty()) out.next[noun].add(c.verb);
        out.add(c, c.verb.empty() ? noun : noun + " " + std::string{c.verb});
        if (c.short_form.empty()) continue;
        out.next[""].add(c.short_form);
        out.add(c, std::string{c.short_form});
    }
    return out;
}

std::string alternatives(const std::set<std::string>& of) {
    std::string out;
    for (const auto& one : of)
        out += (out.empty() ? "\"" : " | \"") + one + "\"";
    return out.empty() ? "\"\"" : out;
}

constexpr const char* head = R"(# SPDX-License-Identifier: Apache-2.0
# bash completion for postsluice(8); made from its table of commands.

_postsluice() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command="" next="" word skip="" i
    COMPREPLY=()
)";

constexpr const char* tail = R"(    esac
    COMPREPLY=($(compgen -W "$next --json --config --control --help" -- "$cur"))
}
complete -F _postsluice postsluice
)";

} // namespace

std::string bash_completion() {
    const auto known = of_all_commands();
    std::string out = head;
    out += "    case $prev in\n        " + alternatives(known.files) +
           ") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n        " +
           alternatives(known.directories) +
           ") compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n        " +
           alternatives(known.valued) + ") return ;;\n    esac\n";
    // The command is the first word, or the first two where there is such a pair; values of options are none of them.
    out += "    for ((i = 1; i < COMP_CWORD; i++)); do\n        word=${COMP_WORDS[i]}\n"
           "        if [ -n \"$skip\" ]; then skip=\"\"; continue; fi\n        case $word in\n            " +
           alternatives(known.valued) + ") skip=yes; continue ;;\n            -*) continue ;;\n        esac\n";
    std::set<std::string> names;
    for (const auto& [name, ignored] : known.next)
        if (!name.empty()) names.insert(name);
    out += "        case \"${command:+$command }$word\" in\n            " + alternatives(names) +
           ") command=\"${command:+$command }$word\" ;;\n        esac\n    done\n";
    out += "    case $command in\n        " + alternatives(known.with_files) +
           ") [[ $cur == -* ]] || { compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$cur\")); return; } "
           ";;\n"
           "    esac\n    case $command in\n";
    for (const auto& [name, following] : known.next)
        out += "        \"" + name + "\") next=\"" + following.text + "\" ;;\n";
    return out + tail;
}

} // namespace postsluice::admin::manual
