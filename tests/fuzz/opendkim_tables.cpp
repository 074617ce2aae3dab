// SPDX-License-Identifier: Apache-2.0
// OpenDKIM's tables: any two files are read; what is wrong is told by file and line on one line; what a lookup finds
// was in the signing table and names a key that is there. The input is the KeyTable, a line "--", and the SigningTable.
#include "shared/auth/opendkim_tables.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>

using namespace postsluice;

namespace {

struct scratch {
    std::filesystem::path directory;
    scratch() {
        std::string name = (std::filesystem::temp_directory_path() / "postsluice-fuzz-XXXXXX").string();
        fuzz::require(::mkdtemp(name.data()) != nullptr, "a scratch directory");
        directory = name;
    }
    scratch(const scratch&) = delete;
    ~scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(directory, ignored);
    }
    void write(const char* name, std::string_view text) const {
        const auto file = directory / name;
        std::ofstream{file, std::ios::binary} << text;
        std::filesystem::permissions(file, std::filesystem::perms{0600});
    }
};

void check(const auth::opendkim_tables& tables, const std::vector<std::string>& errors) {
    for (const auto& error : errors) {
        fuzz::require(!error.empty() && error.find('\n') == error.npos, "an error is one line");
        fuzz::require(std::all_of(error.begin(), error.end(), [](unsigned char c) { return std::iscntrl(c) == 0; }),
                      "an error can be shown on a terminal");
    }
    for (const auto& [name, line] : tables.keys) {
        fuzz::require(!name.empty() && !line.key.empty() && line.line != 0, "a key has a name, a place and a line");
        fuzz::require(line.inside || line.key.starts_with('/'), "a file is named in full");
        (void)auth::fill_in(line.key, "example.org");
    }
    struct author {
        const char *local, *domain;
    };
    for (const auto& [local, domain] : {author{"Bob", "MX.example.org"}, author{"", ""}, author{"a*b", "*"},
                                        author{"x", "example.org"}, author{"%", "%.example"}}) {
        const auto all = tables.match(local, domain, true);
        const auto one = tables.match(local, domain, false);
        fuzz::require(one.size() == std::min<std::size_t>(all.size(), 1), "the first, or all");
        fuzz::require(one.empty() || one.front() == all.front(), "the first is the first of all");
        for (const auto* const line : all) {
            fuzz::require(line >= tables.signing.data() && line < tables.signing.data() + tables.signing.size(),
                          "what is found was there");
            fuzz::require(line->key_name == "%" || tables.keys.contains(line->key_name), "and names a key");
        }
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const scratch here;
    const auto input = fuzz::text_of(data, size);
    const auto cut = std::min(input.find("\n--\n"), input.size());
    here.write("KeyTable", input.substr(0, cut));
    here.write("SigningTable", input.substr(std::min(cut + 4, input.size())));
    const auto keys = (here.directory / "KeyTable").string(), signing = (here.directory / "SigningTable").string();
    for (const char* const kind : {"file:", "refile:"}) {
        std::vector<std::string> errors;
        check(auth::read_opendkim_tables(keys, kind + signing, errors), errors);
    }
    return 0;
}
