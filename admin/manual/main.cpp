// SPDX-License-Identifier: Apache-2.0
// build/manual PAGE fills a manual page in; --completion, --sample and --nouns print the completion, the commented
// configuration, and the nouns that want a page.
#include "admin/command.hpp"
#include "admin/manual/manual.hpp"
#include "shared/config/load.hpp"

#include <fstream>
#include <iostream>

namespace {

int fill_in(const char* file) {
    std::ifstream page{file};
    std::string wrong;
    if (!page) {
        std::cerr << file << ": cannot be read\n";
        return 1;
    }
    if (postsluice::admin::manual::fill(page, std::cout, wrong)) return 0;
    std::cerr << file << ": there is no such list: " << wrong << '\n';
    return 1;
}

void print_nouns() {
    std::string_view last;
    for (const auto& c : postsluice::admin::all_commands()) {
        if (c.noun != last) std::cout << c.noun << '\n';
        last = c.noun;
    }
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc == 2 ? argv[1] : "";
    if (what.empty()) {
        std::cerr << "usage: manual PAGE | --completion | --sample | --nouns\n";
        return 2;
    }
    if (what == "--completion")
        std::cout << postsluice::admin::manual::bash_completion();
    else if (what == "--sample")
        std::cout << postsluice::config::print_sample();
    else if (what == "--nouns")
        print_nouns();
    else
        return fill_in(argv[1]);
    return std::cout.flush() ? 0 : 1;
}
