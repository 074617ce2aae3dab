// SPDX-License-Identifier: Apache-2.0
// Output for people: aligned columns, and lists of labelled facts. Text from strangers (subjects, file names,
// addresses) passes printable(), so nothing in it reaches the terminal as a control sequence. Width is counted in
// characters (UTF-8 code points). An empty table is a sentence. Pure: writes to the stream it is given, fails never.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postsluice::admin {

class table {
public:
    /// A header that begins with '>' aligns its column to the right.
    explicit table(std::vector<std::string> headers);
    /// Missing cells are empty, cells beyond the headers are an error (asserted).
    void row(std::vector<std::string> cells);
    [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
    /// The table, each line indented by `indent`; without rows the sentence `when_empty`.
    void print(std::ostream& out, std::string_view when_empty, std::size_t indent = 0) const;

private:
    std::vector<std::string> headers_;
    std::vector<bool> right_;
    std::vector<std::vector<std::string>> rows_;
};

/// "label    value" lines with the values aligned; facts with an empty value are left out.
class fact_list {
public:
    void add(std::string label, std::string value);
    void print(std::ostream& out, std::size_t indent = 0) const;
    /// The same within terminal_width.
    void print_wrapped(std::ostream& out, std::size_t indent = 0) const;

private:
    [[nodiscard]] std::size_t label_width() const;
    std::vector<std::pair<std::string, std::string>> facts_;
};

inline constexpr std::size_t terminal_width = 80;
/// Words of `text` in lines of at most terminal_width characters: `first` before the first line, `rest` before the
/// others. A word that is longer stands alone on its line, whole.
void print_wrapped(std::ostream& out, std::string_view text, std::string_view first, std::string_view rest);

/// Characters of a UTF-8 text.
[[nodiscard]] std::size_t display_width(std::string_view text) noexcept;

} // namespace postsluice::admin
