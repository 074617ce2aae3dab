// SPDX-License-Identifier: Apache-2.0
#include "admin/manual/manual.hpp"

#include <istream>
#include <ostream>

namespace postsluice::admin::manual {
namespace {

constexpr std::string_view mark = R"(.\" generated: )";

std::string list(std::string_view asked) {
    const auto blank = asked.find(' ');
    const auto what = asked.substr(0, blank);
    const auto noun = blank == std::string_view::npos ? std::string_view{} : asked.substr(blank + 1);
    if (what == "synopsis") return synopsis(noun);
    if (what == "commands") return command_list(noun);
    if (asked == "options") return option_list();
    if (asked == "overview") return overview();
    return {};
}

} // namespace

std::string text(std::string_view plain) {
    std::string out;
    if (plain.starts_with('.') || plain.starts_with('\'')) out = "\\&";
    for (std::size_t i = 0; i < plain.size(); ++i) {
        const bool sentence_ends =
            plain.substr(i).starts_with(". ") && i + 2 < plain.size() && plain[i + 2] >= 'A' && plain[i + 2] <= 'Z';
        if (sentence_ends) {
            out += ".\n";
            ++i;
        } else {
            out += plain[i] == '\\' ? std::string{"\\e"} : std::string(1, plain[i]);
        }
    }
    return out;
}

std::string macro_text(std::string_view plain) {
    std::string out, word;
    const auto end_word = [&] {
        // Words of two or three letters may be macros ("No", "In"), lone punctuation is moved about.
        if (!word.empty()) out += (out.empty() ? "" : " ") + std::string{word.size() <= 3 ? "\\&" : ""} + word;
        word.clear();
    };
    for (const char c : plain) {
        if (c == ' ')
            end_word();
        else
            word += c == '\\' ? "\\e" : c == '"' ? "\\(dq" : std::string(1, c);
    }
    end_word();
    return out;
}

bool fill(std::istream& page, std::ostream& out, std::string& wrong) {
    for (std::string line; std::getline(page, line);) {
        if (!line.starts_with(mark)) {
            out << line << '\n';
            continue;
        }
        const auto made = list(std::string_view{line}.substr(mark.size()));
        if (made.empty()) return wrong = line, false;
        out << made;
    }
    return true;
}

} // namespace postsluice::admin::manual
