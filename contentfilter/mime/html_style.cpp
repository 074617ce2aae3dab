// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/html_style.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace postsluice::contentfilter::mime {

namespace {

constexpr double smallest_letters = 2; // pixels: nobody reads smaller ones
constexpr double least_opacity = 0.1;
constexpr int least_contrast = 12; // of 255, in any of the three

struct named_colour {
    std::string_view name;
    std::uint8_t red, green, blue;
};
constexpr std::array<named_colour, 18> names{{{"white", 255, 255, 255},
                                              {"black", 0, 0, 0},
                                              {"red", 255, 0, 0},
                                              {"green", 0, 128, 0},
                                              {"lime", 0, 255, 0},
                                              {"blue", 0, 0, 255},
                                              {"navy", 0, 0, 128},
                                              {"gray", 128, 128, 128},
                                              {"grey", 128, 128, 128},
                                              {"silver", 192, 192, 192},
                                              {"yellow", 255, 255, 0},
                                              {"maroon", 128, 0, 0},
                                              {"purple", 128, 0, 128},
                                              {"teal", 0, 128, 128},
                                              {"aqua", 0, 255, 255},
                                              {"whitesmoke", 245, 245, 245},
                                              {"snow", 255, 250, 250},
                                              {"ivory", 255, 255, 240}}};

std::optional<double> leading_number(std::string_view text, std::string_view& unit) {
    text = trim(text);
    if (text.starts_with('+')) text.remove_prefix(1);
    double value = 0;
    const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc{}) return std::nullopt;
    unit = trim(text.substr(static_cast<std::size_t>(at - text.data())));
    return value;
}

std::optional<colour> hex_colour(std::string_view digits) {
    std::uint32_t value = 0;
    const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc{} || at != digits.data() + digits.size()) return std::nullopt;
    const auto octet = [&](unsigned shift) { return static_cast<std::uint8_t>(value >> shift & 0xff); };
    const auto half = [&](unsigned shift) { return static_cast<std::uint8_t>((value >> shift & 0xf) * 17); };
    if (digits.size() == 3) return colour{true, half(8), half(4), half(0)};
    if (digits.size() == 6) return colour{true, octet(16), octet(8), octet(0)};
    if (digits.size() == 8 && octet(0) > 25) return colour{true, octet(24), octet(16), octet(8)};
    return std::nullopt;
}

/// "255, 0, 0" or "255 0 0 / 0.5"; nullopt where it is transparent.
std::optional<colour> rgb_colour(std::string_view inside) {
    std::array<double, 4> values{0, 0, 0, 1};
    std::size_t count = 0;
    while (!inside.empty() && count < values.size()) {
        inside.remove_prefix(std::min(inside.find_first_not_of(" ,/\t"), inside.size()));
        std::string_view unit;
        const auto end = inside.find_first_of(" ,/\t");
        const auto number = leading_number(inside.substr(0, end), unit);
        if (!number) break;
        values[count] = unit == "%" ? *number * (count < 3 ? 2.55 : 0.01) : *number;
        ++count;
        inside.remove_prefix(std::min(end, inside.size()));
    }
    if (count < 3 || values[3] < least_opacity) return std::nullopt;
    const auto octet = [](double v) { return static_cast<std::uint8_t>(std::lround(std::clamp(v, 0.0, 255.0))); };
    return colour{true, octet(values[0]), octet(values[1]), octet(values[2])};
}

/// A size of nothing: "0", "0px", "0.0em"; 1px is what old mailers took where they meant nothing.
bool is_nothing(std::string_view value) {
    std::string_view unit;
    const auto number = leading_number(value, unit);
    return number && *number >= 0 && (*number == 0 || (*number <= 1 && unit == "px"));
}

bool far_off(std::string_view value) {
    std::string_view unit;
    const auto number = leading_number(value, unit);
    return number && *number <= -900;
}

/// A size of bounded length, since a rule for many selectors keeps it as often.
std::string size_as_kept(std::string_view value) {
    std::string_view unit;
    const auto number = leading_number(value, unit);
    return number ? std::to_string(*number).append(unit.substr(0, 8)) : std::string{value.substr(0, 32)};
}

std::optional<colour> background_of(std::string_view value) {
    if (value.find("url(") != std::string_view::npos || value.find("gradient") != std::string_view::npos)
        return colour{};
    if (auto whole = read_colour(value)) return whole;
    for (const auto word : split(value, ' '))
        if (auto found = read_colour(word)) return found;
    return std::nullopt;
}

void declare(declarations& into, std::string_view name, std::string_view value) {
    if (name == "display")
        into.displayed = value != "none";
    else if (name == "visibility")
        into.visible = value != "hidden" && value != "collapse";
    else if (name == "overflow" || name == "overflow-y" || name == "overflow-x")
        into.clipped = value == "hidden" || value == "clip";
    else if (name == "opacity") {
        std::string_view unit;
        if (const auto number = leading_number(value, unit)) into.opacity = unit == "%" ? *number / 100 : *number;
    } else if (name == "font-size")
        into.font_size = size_as_kept(value);
    else if (name == "color") {
        into.letters = read_colour(value);
        if (!into.letters && value != "transparent") into.letters = colour{};
    } else if (name == "background" || name == "background-color")
        into.behind = background_of(value);
    else if (name == "background-image" && value != "none")
        into.behind = colour{};
    else if (name == "height" || name == "max-height" || name == "width" || name == "max-width")
        into.no_extent = into.no_extent || is_nothing(value);
    else if (name == "text-indent" || name == "left" || name == "top" || name == "margin-left" || name == "margin-top")
        into.aside = into.aside || far_off(value);
}

/// Behind the first of `ends` from `at` on that no backslash stands before.
std::size_t behind_first(std::string_view css, std::size_t at, std::string_view ends) {
    for (; at < css.size(); ++at) {
        if (css[at] == '\\')
            ++at;
        else if (ends.find(css[at]) != std::string_view::npos)
            return at + 1;
    }
    return css.size();
}

/// Where what begins at `at` ends in which a comment is none: a string, or url(...) without quotes; `at` if it is
/// neither.
std::size_t end_of_literal(std::string_view css, std::size_t at) {
    if (css[at] == '"' || css[at] == '\'') return behind_first(css, at + 1, css[at] == '"' ? "\"\n" : "'\n");
    if (css[at] != '(' || at < 3 || !iequals(css.substr(at - 3, 3), "url")) return at;
    const auto first = css.find_first_not_of(" \t\r\n", at + 1);
    if (first == std::string_view::npos || css[first] == '"' || css[first] == '\'') return at;
    return behind_first(css, at + 1, ")");
}

/// A comment may stand between any two words, and parts them.
std::string without_comments(std::string_view css) {
    std::string out;
    out.reserve(css.size());
    for (std::size_t at = 0; at < css.size();) {
        if (css.substr(at, 2) == "/*") {
            const auto end = css.find("*/", at + 2);
            if (end == std::string_view::npos) break;
            out += ' ';
            at = end + 2;
            continue;
        }
        const auto end = std::max(end_of_literal(css, at), at + 1);
        out += css.substr(at, end - at);
        at = end;
    }
    return out;
}

double pixels(const std::string& size, double inherited) {
    std::string_view unit;
    const auto number = leading_number(size, unit);
    if (!number || *number < 0) return inherited > smallest_letters ? inherited : 13; // "small", "inherit"
    if (unit == "pt") return *number * 4 / 3;
    if (unit == "em") return *number * inherited;
    if (unit == "rem") return *number * 16;
    if (unit == "%") return *number * inherited / 100;
    return *number;
}

} // namespace

bool looks_like(const colour& a, const colour& b) noexcept {
    const auto near = [](int x, int y) { return std::abs(x - y) < least_contrast; };
    return a.known && b.known && near(a.red, b.red) && near(a.green, b.green) && near(a.blue, b.blue);
}

std::optional<colour> read_colour(std::string_view text) {
    text = trim(text);
    if (text.starts_with('#')) return hex_colour(text.substr(1));
    const auto word = to_lower(text);
    if (word.starts_with("rgb")) {
        const auto open = word.find('('), close = word.find(')');
        if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
        return rgb_colour(std::string_view{word}.substr(open + 1, close - open - 1));
    }
    for (const auto& one : names)
        if (one.name == word) return colour{true, one.red, one.green, one.blue};
    // <font color=ff0000> does without the '#'.
    return word.size() == 6 ? hex_colour(word) : std::nullopt;
}

void declarations::add(const declarations& later) {
    const auto take = [](auto& mine, const auto& other) {
        if (other) mine = other;
    };
    take(displayed, later.displayed);
    take(visible, later.visible);
    take(clipped, later.clipped);
    take(opacity, later.opacity);
    take(font_size, later.font_size);
    take(letters, later.letters);
    take(behind, later.behind);
    no_extent = no_extent || later.no_extent;
    aside = aside || later.aside;
}

declarations read_declarations(std::string_view css) {
    declarations out;
    const auto lower = to_lower(css.find("/*") == std::string_view::npos ? std::string{css} : without_comments(css));
    std::string_view rest = lower;
    while (!rest.empty()) {
        // A semicolon within url(data:...;...) ends nothing.
        std::size_t end = 0;
        for (int depth = 0; end < rest.size() && (rest[end] != ';' || depth > 0); ++end)
            depth += rest[end] == '(' ? 1 : rest[end] == ')' && depth > 0 ? -1 : 0;
        const auto one = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const auto colon = one.find(':');
        if (colon == std::string_view::npos) continue;
        const auto value = one.substr(colon + 1);
        declare(out, trim(one.substr(0, colon)), trim(value.substr(0, value.find('!'))));
    }
    return out;
}

void style_sheet::add(std::string_view sheet) {
    const auto text = without_comments(sheet);
    std::string_view css = text;
    while (!css.empty()) {
        const auto open = css.find('{');
        if (open == std::string_view::npos) return;
        auto selectors = css.substr(0, open);
        std::size_t end = open + 1;
        for (int depth = 1; end < css.size() && depth > 0; ++end)
            depth += css[end] == '{' ? 1 : css[end] == '}' ? -1 : 0;
        const auto inside = css.substr(open + 1, end - open - 2 + (end == css.size() && css[end - 1] != '}' ? 1U : 0U));
        css.remove_prefix(end);
        selectors = trim(selectors);
        if (selectors.starts_with("<!--")) selectors = trim(selectors.substr(4));
        if (const auto statement = selectors.rfind(';'); statement != std::string_view::npos)
            selectors = trim(selectors.substr(statement + 1)); // @import ...;
        if (!selectors.starts_with('@')) add_rule(selectors, read_declarations(inside));
    }
}

void style_sheet::add_rule(std::string_view selectors, const declarations& what) {
    for (auto one : split(selectors, ',')) {
        one = trim(one);
        if (one.empty() || one.find_first_of(" \t\r\n>+~:[*") != std::string_view::npos) continue;
        const auto name = to_lower(one);
        auto at = rules_.find(name);
        if (at == rules_.end()) {
            if (rules_.size() >= max_rules) {
                cut_ = true;
                continue;
            }
            at = rules_.emplace(name, declarations{}).first;
        }
        at->second.add(what);
    }
}

declarations style_sheet::of(std::string_view kind, std::string_view classes, std::string_view id) const {
    declarations out;
    const auto take = [&](const std::string& selector) {
        if (const auto at = rules_.find(selector); at != rules_.end()) out.add(at->second);
    };
    take(std::string{kind});
    const auto lower = to_lower(classes);
    for (std::string_view rest = lower; !rest.empty();) {
        rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n\f"), rest.size()));
        const auto word = rest.substr(0, rest.find_first_of(" \t\r\n\f"));
        rest.remove_prefix(word.size());
        if (word.empty()) break;
        take("." + std::string{word});
        take(std::string{kind} + "." + std::string{word});
    }
    if (!id.empty()) take("#" + to_lower(id));
    return out;
}

void shown_style::apply(const declarations& what) {
    if (what.displayed == false) gone = true;
    if (what.opacity && *what.opacity < least_opacity) gone = true;
    if (what.aside || (what.no_extent && what.clipped == true)) gone = true;
    if (what.visible) visible = *what.visible;
    if (what.font_size) font_size = pixels(*what.font_size, font_size);
    if (what.letters) letters = *what.letters;
    if (what.behind) behind = *what.behind;
}

bool shown_style::hides() const noexcept {
    return gone || !visible || font_size <= smallest_letters || looks_like(letters, behind);
}

} // namespace postsluice::contentfilter::mime
