// SPDX-License-Identifier: Apache-2.0
// As much of CSS as decides whether a reader sees a text: the declarations of a style attribute, and style sheets with
// simple selectors (an element's kind, a class, an id, or kind.class). Others, and those inside @-rules, are taken for
// rules of another screen. All of it is read in linear time; only the rules that are kept are bounded. Pure; any
// octets.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace postsluice::contentfilter::mime {

struct colour {
    bool known = false; ///< false: an image or a gradient, or words that we do not know
    std::uint8_t red = 0, green = 0, blue = 0;
    bool operator==(const colour&) const = default;
};
/// So near that letters of the one are not seen on the other; colours that are not known never are.
[[nodiscard]] bool looks_like(const colour& a, const colour& b) noexcept;
/// nullopt: transparent, or not a colour at all.
[[nodiscard]] std::optional<colour> read_colour(std::string_view text);

/// What is declared for one element; absent is what is not said.
struct declarations {
    std::optional<bool> displayed, visible, clipped; ///< display, visibility, overflow:hidden
    std::optional<double> opacity;
    std::optional<std::string> font_size; ///< a number and its unit, or a word
    std::optional<colour> letters, behind;
    bool no_extent = false; ///< a height or width of nothing
    bool aside = false;     ///< moved off the screen

    /// What `later` says goes before.
    void add(const declarations& later);
};
[[nodiscard]] declarations read_declarations(std::string_view css);

class style_sheet {
public:
    /// Distinct selectors; no letter needs as many. What is beyond holds for nothing, and is told.
    static constexpr std::size_t max_rules = 10'000;
    void add(std::string_view sheet);
    [[nodiscard]] bool empty() const noexcept { return rules_.empty(); }
    [[nodiscard]] bool cut() const noexcept { return cut_; }
    /// `classes`: the class attribute.
    [[nodiscard]] declarations of(std::string_view kind, std::string_view classes, std::string_view id) const;

private:
    void add_rule(std::string_view selectors, const declarations& what);
    std::map<std::string, declarations, std::less<>> rules_; // by "p", ".class", "p.class", "#id"
    bool cut_ = false;
};

/// What an element inherits, and what becomes of it with its declarations.
struct shown_style {
    bool gone = false; ///< nothing inside can be seen again
    bool visible = true;
    double font_size = 13; ///< CSS pixels
    colour letters{true, 0, 0, 0};
    colour behind{true, 255, 255, 255};

    void apply(const declarations& what);
    [[nodiscard]] bool hides() const noexcept;
};

} // namespace postsluice::contentfilter::mime
