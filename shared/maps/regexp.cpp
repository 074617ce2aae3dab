// SPDX-License-Identifier: Apache-2.0
// regexp (regexp_table(5)): "/pattern/flags value", "!/pattern/flags value", "/pattern/!/but not this/ value", and
// "if /pattern/" ... "endif"; $1, ${1}, $(1) in the value are what the pattern's parentheses matched, $$ is a dollar.
// POSIX extended expressions by regcomp(3), case ignored; flags i, x and m turn these (and REG_NEWLINE) over. A line
// that means nothing is passed over with a warning, as Postfix does.
#include "shared/core/text.hpp"
#include "shared/maps/table.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <regex.h>

namespace postsluice::maps {

namespace {

/// A line's defect.
struct defect {
    std::string what;
};

class expression {
public:
    expression(const std::string& text, int flags) {
        const int wrong = ::regcomp(&compiled_, text.c_str(), flags);
        if (wrong == 0) return;
        std::array<char, 256> why{};
        (void)::regerror(wrong, &compiled_, why.data(), why.size());
        throw defect{why.data()};
    }
    expression(const expression&) = delete;
    expression& operator=(const expression&) = delete;
    ~expression() { ::regfree(&compiled_); }
    [[nodiscard]] std::size_t groups() const noexcept { return compiled_.re_nsub; }
    /// REG_NOMATCH, 0, or trouble.
    int run(const std::string& text, std::vector<regmatch_t>& groups) const {
        return ::regexec(&compiled_, text.c_str(), groups.size(), groups.data(), 0);
    }

private:
    regex_t compiled_{};
};

struct pattern {
    std::string text;
    int flags = REG_EXTENDED | REG_ICASE;
    bool positive = true;
    std::unique_ptr<expression> compiled;
    void compile(int more = 0) { compiled = std::make_unique<expression>(text, flags | more); }
    [[nodiscard]] bool holds(const std::string& key, std::vector<regmatch_t>& groups, std::string& trouble) const {
        const int got = compiled->run(key, groups);
        if (got == REG_NOMATCH) return !positive;
        if (got == 0) return positive;
        trouble = "regexec: error " + std::to_string(got);
        return false;
    }
};

/// A piece of a value: text, or what a group matched.
struct piece {
    std::string text;
    std::size_t group = 0;
};

struct step {
    enum class kind { value, condition, end } what = kind::value;
    pattern first;
    std::optional<pattern> second;
    std::vector<piece> value;
    std::size_t groups = 0;
    std::size_t end = 0; ///< of a condition: the step after its endif; 0: it has none
};

void skip_blanks(std::string_view& rest) {
    while (!rest.empty() && is_space(rest.front()))
        rest.remove_prefix(1);
}

pattern take_pattern(std::string_view& rest) {
    pattern out;
    for (; !rest.empty() && (rest.front() == '!' || is_space(rest.front())); rest.remove_prefix(1))
        if (rest.front() == '!') out.positive = !out.positive;
    if (rest.empty()) throw defect{"no pattern"};
    const char delimiter = rest.front();
    std::size_t i = 1;
    while (i < rest.size() && rest[i] != delimiter)
        i += rest[i] == '\\' ? 2 : 1;
    if (i >= rest.size()) throw defect{std::string{"no closing delimiter "} + delimiter};
    out.text = rest.substr(1, i - 1);
    for (++i; i < rest.size() && !is_space(rest[i]) && rest[i] != '!'; ++i) {
        if (rest[i] == 'i')
            out.flags ^= REG_ICASE;
        else if (rest[i] == 'm')
            out.flags ^= REG_NEWLINE;
        else if (rest[i] == 'x')
            out.flags ^= REG_EXTENDED;
        else
            throw defect{std::string{"unknown flag "} + rest[i]};
    }
    rest.remove_prefix(i);
    return out;
}

bool is_name_char(char c) noexcept {
    const char l = ascii_lower(c);
    return (c >= '0' && c <= '9') || (l >= 'a' && l <= 'z') || c == '_';
}

/// The name after a '$', which is taken off `rest`: "1", "(1)", "{1}".
std::string_view take_name(std::string_view& rest) {
    std::size_t skip = 0, length = 0;
    const char open = rest.empty() ? '\0' : rest.front();
    if (open == '(' || open == '{') {
        const auto close = rest.find(open == '(' ? ')' : '}');
        if (close == std::string_view::npos) throw defect{"a $ name does not end"};
        skip = 1;
        length = close - 1;
    } else {
        while (length < rest.size() && is_name_char(rest[length]))
            ++length;
    }
    const auto name = rest.substr(skip, length);
    rest.remove_prefix(length + 2 * skip);
    return name;
}

std::size_t group_number(std::string_view name) {
    std::size_t number = 0;
    const auto [end, wrong] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (wrong != std::errc{} || end != name.data() + name.size() || number == 0)
        throw defect{"$" + printable(name, 20) + " is not the number of a group"};
    return number;
}

void read_value(std::string_view rest, step& into) {
    piece text;
    while (!rest.empty()) {
        const char c = rest.front();
        rest.remove_prefix(1);
        if (c != '$') {
            text.text.push_back(c);
        } else if (rest.starts_with('$')) {
            text.text.push_back('$');
            rest.remove_prefix(1);
        } else {
            if (!text.text.empty()) into.value.push_back(std::exchange(text, {}));
            const auto group = group_number(take_name(rest));
            into.value.push_back({{}, group});
            into.groups = std::max(into.groups, group);
        }
    }
    if (!text.text.empty()) into.value.push_back(std::move(text));
}

step read_rule(std::string_view rest) {
    step out;
    out.first = take_pattern(rest);
    if (rest.starts_with('!')) out.second = take_pattern(rest);
    skip_blanks(rest);
    read_value(rest, out);
    if (out.groups > 0 && !out.first.positive) throw defect{"$number in the value of a negative match"};
    out.first.compile(out.groups == 0 ? REG_NOSUB : 0);
    if (out.groups > out.first.compiled->groups())
        throw defect{"$" + std::to_string(out.groups) + ": the pattern has no such group"};
    if (out.second) out.second->compile(REG_NOSUB);
    return out;
}

bool is_word(std::string_view line, std::string_view word) {
    return istarts_with(line, word) &&
           (line.size() == word.size() || !is_name_char(line[word.size()]) || line[word.size()] == '_');
}

class regexp final : public table {
public:
    explicit regexp(std::string_view text) {
        std::vector<std::size_t> open;
        for (const auto& line : logical_lines(text, warnings)) {
            try {
                add(line.text, open);
            } catch (const defect& d) {
                warnings.push_back("line " + std::to_string(line.number) + ": " + d.what);
            }
        }
        if (!open.empty()) warnings.emplace_back("an \"if\" has no \"endif\"");
    }

    answer get(std::string_view key) override {
        const std::string text{key};
        std::string trouble;
        std::vector<regmatch_t> none;
        for (std::size_t i = 0; i < steps_.size() && trouble.empty(); ++i) {
            const auto& s = steps_[i];
            if (s.what == step::kind::end) continue;
            std::vector<regmatch_t> groups(s.groups == 0 ? 0 : s.groups + 1);
            const bool holds = s.first.holds(text, groups, trouble);
            if (s.what == step::kind::condition) {
                if (holds) continue;
                if (s.end == 0) break;
                i = s.end;
            } else if (holds && (!s.second || s.second->holds(text, none, trouble))) {
                return std::optional{expand(s, text, groups)};
            }
        }
        if (!trouble.empty()) return failure{errc::unavailable, trouble};
        return std::optional<std::string>{};
    }

private:
    void add(std::string_view line, std::vector<std::size_t>& open) {
        if (!is_name_char(line.front()) || line.front() == '_') {
            steps_.push_back(read_rule(line));
        } else if (is_word(line, "if")) {
            auto rest = line.substr(2);
            skip_blanks(rest);
            step s;
            s.what = step::kind::condition;
            s.first = take_pattern(rest);
            s.first.compile(REG_NOSUB);
            open.push_back(steps_.size());
            steps_.push_back(std::move(s));
            if (skip_blanks(rest); !rest.empty()) throw defect{"text after an \"if\" is passed over"};
        } else if (is_word(line, "endif")) {
            if (open.empty()) throw defect{"an \"endif\" without its \"if\""};
            steps_[open.back()].end = steps_.size();
            open.pop_back();
            step s;
            s.what = step::kind::end;
            steps_.push_back(std::move(s));
        } else {
            throw defect{"is no rule"};
        }
    }
    static std::string expand(const step& s, const std::string& text, const std::vector<regmatch_t>& groups) {
        std::string out;
        for (const auto& one : s.value) {
            if (one.group == 0) {
                out += one.text;
            } else if (const auto& m = groups[one.group]; m.rm_so >= 0) {
                out.append(text, static_cast<std::size_t>(m.rm_so), static_cast<std::size_t>(m.rm_eo - m.rm_so));
            }
        }
        return out;
    }
    std::vector<step> steps_;
};

} // namespace

result<table_ptr> open_regexp(const std::string& path) {
    const auto text = read_whole(path);
    if (!text) return text.error();
    return table_ptr{std::make_unique<regexp>(*text)};
}

} // namespace postsluice::maps
