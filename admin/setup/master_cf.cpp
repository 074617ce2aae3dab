// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/master_cf.hpp"

#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::admin::setup {
namespace {

constexpr std::string_view blanks = " \t\r\n\v\f";
constexpr auto columns = static_cast<std::size_t>(column::program) + 1;

bool is_blank(char c) noexcept {
    return blanks.find(c) != std::string_view::npos;
}

/// "name=value", or "{ name = value }".
std::pair<std::string, std::string> name_and_value(std::string_view text) {
    if (text.size() >= 2 && text.front() == '{' && text.back() == '}') text = trim(text.substr(1, text.size() - 2));
    const auto equals = std::min(text.find('='), text.size());
    const auto value = equals == text.size() ? std::string_view{} : text.substr(equals + 1);
    return {std::string{trim(text.substr(0, equals))}, normalized(trim(value))};
}

std::string option_text(std::string_view name, std::string_view value) {
    std::string out = "-o ";
    if (value.find_first_of(" \t{}") == std::string_view::npos) return out.append(name).append("=").append(value);
    return out.append("{ ").append(name).append(" = ").append(value).append(" }");
}

} // namespace

std::optional<service> service::of(const piece& p) {
    if (!p.entry) return std::nullopt;
    service made{p.raw};
    if (made.words().size() < columns) return std::nullopt;
    return made;
}

// Blanks part words, braces hold one together; comment lines inside an entry are none of it.
std::vector<service::word> service::words() const {
    std::vector<word> out;
    std::size_t at = 0, depth = 0;
    bool inside = false;
    while (at < raw_.size()) {
        if (at == 0 || raw_[at - 1] == '\n') {
            const auto end = std::min(raw_.find('\n', at), raw_.size());
            if (is_comment(std::string_view{raw_}.substr(at, end - at))) {
                at = end + 1;
                continue;
            }
        }
        const char c = raw_[at];
        if (is_blank(c) && depth == 0) {
            inside = false;
        } else {
            if (!inside) out.push_back({at, at});
            inside = true;
            if (c == '{') ++depth;
            if (c == '}' && depth > 0) --depth;
            out.back().end = at + 1;
        }
        ++at;
    }
    return out;
}

std::string service::get(column which) const {
    return text(words()[static_cast<std::size_t>(which)]);
}

void service::set(column which, std::string_view value) {
    const auto at = words()[static_cast<std::size_t>(which)];
    raw_.replace(at.begin, at.end - at.begin, value);
}

std::string service::program() const {
    const auto path = get(column::program);
    return path.substr(path.rfind('/') + 1);
}

// As getopt(3) reads them: up to the first word that is no option (flags=, argv= of pipe(8)).
std::vector<service::option> service::options() const {
    std::vector<option> out;
    const auto all = words();
    for (auto i = columns; i < all.size(); ++i) {
        const auto one = text(all[i]);
        if (!one.starts_with('-') || one == "--") break;
        if (!one.starts_with("-o")) continue;
        const bool apart = one.size() == 2;
        if (apart && i + 1 == all.size()) break;
        const auto last = apart ? all[++i] : all[i];
        auto [name, value] = name_and_value(apart ? text(last) : one.substr(2));
        out.push_back({std::move(name), std::move(value), apart ? all[i - 1].begin : last.begin, last.end});
    }
    return out;
}

std::optional<std::string> service::find(std::string_view name) const {
    std::optional<std::string> out;
    for (auto& one : options())
        if (one.name == name) out = std::move(one.value);
    return out;
}

void service::set(std::string_view name, std::string_view value) {
    const auto all = options();
    const auto last = std::find_if(all.rbegin(), all.rend(), [&](const option& o) { return o.name == name; });
    if (last != all.rend()) {
        raw_.replace(last->begin, last->end - last->begin, option_text(name, value));
        return;
    }
    const auto at = all.empty() ? words()[columns - 1].end : all.back().end;
    // indented as the lines that are there
    const auto line = raw_.find('\n');
    std::string indent = "  ";
    if (line != std::string::npos && line + 1 < raw_.size() && (raw_[line + 1] == ' ' || raw_[line + 1] == '\t'))
        indent = raw_.substr(line + 1, raw_.find_first_not_of(" \t", line + 1) - line - 1);
    raw_.insert(at, '\n' + indent + option_text(name, value));
}

// A later word must not come to the start of its line: a "#" there would make a comment of what was an argument. So
// what follows an option that began a line goes to the word before it, as set() found it.
void service::erase(std::string_view name) {
    for (;;) {
        const auto all = options();
        const auto one = std::ranges::find(all, name, &option::name);
        if (one == all.end()) return;
        const auto before = word_before(one->begin);
        const auto line = raw_.rfind('\n', one->begin) + 1;
        if (line <= before) {
            raw_.erase(before, one->end - before);
            continue;
        }
        const auto end = std::min(raw_.find('\n', one->end), raw_.size());
        const auto rest = raw_.substr(one->end, end - one->end);
        raw_.erase(line - 1, end - (line - 1)); // the line end above it, so that the entry keeps its own
        raw_.insert(before, rest);
    }
}

std::size_t service::word_before(std::size_t at) const {
    std::size_t out = 0;
    for (const auto& one : words())
        if (one.end <= at) out = one.end;
    return out;
}

std::optional<std::size_t> find_service(const logical_lines& master, std::string_view label) {
    for (std::size_t i = 0; i < master.pieces.size(); ++i)
        if (const auto one = service::of(master.pieces[i]); one && one->label() == label) return i;
    return std::nullopt;
}

} // namespace postsluice::admin::setup
