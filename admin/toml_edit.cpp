// SPDX-License-Identifier: Apache-2.0
#include "admin/toml_edit.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <optional>

namespace postsluice::admin {
namespace {

using key_path = std::vector<std::string>;

constexpr std::string_view bare_characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/// A header, or a key with its value. Offsets are those of the text.
struct statement {
    key_path path; ///< of the table, or of the key from the root on
    bool header = false;
    bool list = false;              ///< [[...]], or a key in such a table: not to be named
    std::size_t begin = 0, end = 0; ///< its lines, with the last line end
    std::size_t value_begin = 0, value_end = 0;
};

class scanner {
public:
    explicit scanner(std::string_view text)
        : text_{text} {}

    /// nullopt: not TOML.
    std::optional<std::vector<statement>> all() {
        std::vector<statement> out;
        key_path table;
        bool list = false;
        while (skip_to_statement()) {
            statement made;
            made.begin = line_begin();
            made.header = peek() == '[';
            if (!(made.header ? header(made) : key_and_value(made, table))) return std::nullopt;
            if (made.header) table = made.path, list = made.list || below(table, lists_);
            if (made.header && made.list) lists_.push_back(made.path);
            made.list = list;
            to_line_end();
            made.end = at_;
            out.push_back(std::move(made));
        }
        return out;
    }

private:
    static bool below(const key_path& path, const std::vector<key_path>& of) {
        return std::ranges::any_of(of, [&](const key_path& one) {
            return path.size() >= one.size() && std::equal(one.begin(), one.end(), path.begin());
        });
    }
    [[nodiscard]] char peek(std::size_t ahead = 0) const {
        return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
    }
    [[nodiscard]] std::size_t line_begin() const {
        const auto last = at_ == 0 ? std::string_view::npos : text_.rfind('\n', at_ - 1);
        return last == std::string_view::npos ? 0 : last + 1;
    }
    void blanks() {
        while (peek() == ' ' || peek() == '\t')
            ++at_;
    }
    void to_line_end() {
        at_ = std::min(text_.find('\n', at_), text_.size());
        if (at_ < text_.size()) ++at_;
    }
    bool skip_to_statement() {
        for (;;) {
            while (at_ < text_.size() && std::string_view{" \t\r\n"}.find(peek()) != std::string_view::npos)
                ++at_;
            if (peek() != '#') return at_ < text_.size();
            to_line_end();
        }
    }

    bool header(statement& made) {
        ++at_;
        made.list = peek() == '[';
        if (made.list) ++at_;
        if (!key(made.path) || peek() != ']') return false;
        return !made.list || peek(1) == ']';
    }

    bool key_and_value(statement& made, const key_path& table) {
        made.path = table;
        if (!key(made.path) || peek() != '=') return false;
        ++at_;
        blanks();
        made.value_begin = at_;
        if (!value()) return false;
        made.value_end = at_;
        while (made.value_end > made.value_begin &&
               std::string_view{" \t\r"}.find(text_[made.value_end - 1]) != std::string_view::npos)
            --made.value_end;
        return made.value_end > made.value_begin;
    }

    /// Dotted; ends before what follows it.
    bool key(key_path& into) {
        for (;;) {
            blanks();
            const auto begin = at_;
            if (peek() == '"' || peek() == '\'') {
                const char quote = peek();
                if (!string()) return false;
                auto part = std::string{text_.substr(begin + 1, at_ - begin - 2)};
                if (quote == '"' && part.find('\\') != std::string::npos) return false; // an escape: nobody's key
                into.push_back(std::move(part));
            } else {
                at_ = std::min(text_.find_first_not_of(bare_characters, at_), text_.size());
                if (at_ == begin) return false;
                into.emplace_back(text_.substr(begin, at_ - begin));
            }
            blanks();
            if (peek() != '.') return true;
            ++at_;
        }
    }

    /// Behind the closing quotes.
    bool string() {
        const char quote = peek();
        const bool lines = peek(1) == quote && peek(2) == quote;
        const std::string close(lines ? 3 : 1, quote);
        at_ += close.size();
        while (at_ < text_.size()) {
            if (peek() == '\\' && quote == '"') {
                at_ += 2;
                continue;
            }
            if (text_.substr(at_).starts_with(close)) {
                at_ += close.size();
                while (lines && peek() == quote) // up to two more quotes belong to the text
                    ++at_;
                return true;
            }
            if (peek() == '\n' && !lines) return false;
            ++at_;
        }
        return false;
    }

    /// To the end of the line or to its comment; over lines inside of brackets.
    bool value() {
        int depth = 0;
        while (at_ < text_.size()) {
            const char c = peek();
            if (c == '"' || c == '\'') {
                if (!string()) return false;
                continue;
            }
            if (c == '#' && depth > 0) {
                to_line_end();
                continue;
            }
            if ((c == '\n' || c == '#') && depth == 0) return true;
            if (c == '[' || c == '{') ++depth;
            if (c == ']' || c == '}') --depth;
            ++at_;
        }
        return depth == 0;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::vector<key_path> lists_;
};

std::string written(const key_path& path) {
    std::string out;
    for (const auto& one : path) {
        const bool bare = !one.empty() && one.find_first_not_of(bare_characters) == std::string::npos;
        out += (out.empty() ? "" : ".") + (bare ? one : '"' + one + '"');
    }
    return out;
}

/// The line "#key = ..." between two offsets: where its end is.
std::optional<std::size_t> sample_line(std::string_view text, std::size_t from, std::size_t to,
                                       const std::string& key) {
    while (from < to) {
        const auto end = std::min(text.find('\n', from), to - 1) + 1;
        auto line = trim(text.substr(from, end - from));
        if (line.starts_with('#')) {
            line = trim(line.substr(1));
            if (line.starts_with(key) && trim(line.substr(key.size())).starts_with('=')) return end;
        }
        from = end;
    }
    return std::nullopt;
}

struct region {
    std::size_t begin, end; ///< from behind the header to the next one
    std::size_t last;       ///< behind the last statement
};

/// Of a table that is there; the root always is.
std::optional<region> region_of(std::string_view text, const std::vector<statement>& all, const key_path& table) {
    const auto opened =
        std::ranges::find_if(all, [&](const statement& s) { return s.header && !s.list && s.path == table; });
    if (!table.empty() && opened == all.end()) return std::nullopt;
    const auto first = table.empty() ? all.begin() : opened + 1;
    const auto next = std::find_if(first, all.end(), [](const statement& s) { return s.header; });
    region out{table.empty() ? 0 : opened->end, next == all.end() ? text.size() : next->begin, 0};
    out.last = first == next ? out.begin : (next - 1)->end;
    return out;
}

std::string inserted(std::string_view text, std::size_t at, std::string line) {
    std::string out{text.substr(0, at)};
    if (!out.empty() && !out.ends_with('\n')) out += '\n';
    return out.append(line).append(text.substr(at));
}

} // namespace

key_path split_key(std::string_view key) {
    const auto all = scanner{std::string{key} + " = 0"}.all();
    return all && all->size() == 1 && !all->front().header ? all->front().path : key_path{};
}

bool sets_key(std::string_view toml, const key_path& key) {
    const auto all = scanner{toml}.all();
    return all && std::ranges::any_of(*all, [&](const statement& s) { return !s.header && !s.list && s.path == key; });
}

result<std::string> set_key(std::string_view toml, const key_path& key, std::string_view value) {
    const auto all = scanner{toml}.all();
    if (!all || key.empty()) return failure{errc::malformed, "not TOML"};
    for (const auto& one : *all) {
        if (one.header || one.list || one.path.size() > key.size()) continue;
        if (!std::equal(one.path.begin(), one.path.end(), key.begin())) continue;
        if (one.path.size() < key.size())
            return failure{errc::unsupported, written(key) + " is part of the value of " + written(one.path)};
        std::string out{toml.substr(0, one.value_begin)};
        return out.append(value).append(toml.substr(one.value_end));
    }
    const auto line = written({key.back()}) + " = " + std::string{value} + '\n';
    const key_path table{key.begin(), key.end() - 1};
    if (const auto there = region_of(toml, *all, table)) {
        const auto sample = sample_line(toml, there->begin, there->end, key.back());
        return inserted(toml, sample.value_or(there->last), line);
    }
    return inserted(toml, toml.size(), (toml.empty() ? "[" : "\n[") + written(table) + "]\n" + line);
}

} // namespace postsluice::admin
