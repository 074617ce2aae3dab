// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/html_text.hpp"

#include "contentfilter/mime/html_style.hpp"
#include "contentfilter/mime/html_tree.hpp"
#include "contentfilter/mime/urls.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace postsluice::contentfilter::mime {

namespace {

std::span<void* const> items(const GumboVector& of) {
    return {of.data, of.length};
}

const GumboNode& node_of(void* item) {
    return *static_cast<const GumboNode*>(item);
}

std::string_view attribute(const GumboElement& of, const char* name) {
    const auto* const found = gumbo_get_attribute(&of.attributes, name);
    return found ? std::string_view{found->value} : std::string_view{};
}

bool is_one_of(GumboTag tag, std::span<const GumboTag> list) {
    return std::find(list.begin(), list.end(), tag) != list.end();
}

constexpr std::array never_shown{GUMBO_TAG_SCRIPT, GUMBO_TAG_STYLE,  GUMBO_TAG_TEMPLATE, GUMBO_TAG_TITLE,
                                 GUMBO_TAG_IFRAME, GUMBO_TAG_OBJECT, GUMBO_TAG_NOFRAMES};
constexpr std::array blocks{
    GUMBO_TAG_P,       GUMBO_TAG_DIV,    GUMBO_TAG_BR,         GUMBO_TAG_TR,    GUMBO_TAG_TABLE,   GUMBO_TAG_LI,
    GUMBO_TAG_UL,      GUMBO_TAG_OL,     GUMBO_TAG_H1,         GUMBO_TAG_H2,    GUMBO_TAG_H3,      GUMBO_TAG_H4,
    GUMBO_TAG_H5,      GUMBO_TAG_H6,     GUMBO_TAG_BLOCKQUOTE, GUMBO_TAG_PRE,   GUMBO_TAG_HR,      GUMBO_TAG_CENTER,
    GUMBO_TAG_FORM,    GUMBO_TAG_DL,     GUMBO_TAG_DT,         GUMBO_TAG_DD,    GUMBO_TAG_SECTION, GUMBO_TAG_ARTICLE,
    GUMBO_TAG_ADDRESS, GUMBO_TAG_HEADER, GUMBO_TAG_FOOTER,     GUMBO_TAG_OPTION};
constexpr std::array cells{GUMBO_TAG_TD, GUMBO_TAG_TH};

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/// Text with its blanks joined, as lines of blocks.
class flow {
public:
    explicit flow(std::string& out)
        : out_{out} {}
    void text(std::string_view more) {
        for (const char c : more) {
            if (is_blank(c)) {
                blank_ = blank_ || !out_.empty();
                continue;
            }
            if (blank_ && out_.back() != '\n') out_ += ' ';
            blank_ = false;
            out_ += c;
        }
    }
    void blank() { blank_ = blank_ || !out_.empty(); }
    void line() {
        blank_ = false;
        if (!out_.empty() && out_.back() != '\n') out_ += '\n';
    }

private:
    std::string& out_;
    bool blank_ = false;
};

/// Walks the tree with a stack of its own: HTML may be nested as deep as it has elements.
class reader {
public:
    reader(html_text& out, const config::content_settings& bounds)
        : out_{out}
        , bounds_{bounds}
        , shown_{out.shown}
        , hidden_{out.hidden} {}

    void read(const GumboNode& root) {
        collect_styles(root);
        if (sheet_.cut())
            out_.beyond += (out_.beyond.empty() ? "more than " : ", more than ") +
                           std::to_string(style_sheet::max_rules) + " rules of style";
        enter(root, {});
        while (!stack_.empty()) {
            auto& top = stack_.back();
            const auto& children = top.element->children;
            if (top.next == children.length) {
                leave();
                continue;
            }
            const auto& child = node_of(children.data[top.next++]);
            switch (child.type) {
            case GUMBO_NODE_ELEMENT:
                enter(child, top.style);
                break;
            case GUMBO_NODE_TEXT:
            case GUMBO_NODE_WHITESPACE:
            case GUMBO_NODE_CDATA:
                text(child.v.text.text, top.style.hides());
                break;
            default:
                break;
            }
        }
    }

private:
    static constexpr std::size_t no_anchor = static_cast<std::size_t>(-1);
    struct level {
        const GumboElement* element;
        shown_style style;
        std::size_t next = 0;
    };

    void enter(const GumboNode& node, shown_style style) {
        const auto& element = node.v.element;
        note(element);
        out_.layout += static_cast<char>(element.tag);
        if (is_one_of(element.tag, never_shown)) return;
        style.apply(declared(element));
        breaks(element.tag);
        if (element.tag == GUMBO_TAG_A) begin_anchor(element);
        stack_.push_back({&element, style});
    }

    void leave() {
        const auto tag = stack_.back().element->tag;
        stack_.pop_back();
        breaks(tag);
        if (tag == GUMBO_TAG_A && anchor_ != no_anchor) end_anchor();
    }

    void breaks(GumboTag tag) {
        if (is_one_of(tag, blocks))
            shown_.line();
        else if (is_one_of(tag, cells))
            shown_.blank();
    }

    void text(std::string_view piece, bool hides) {
        if (hides) {
            hidden_.text(piece);
            hidden_.blank();
        } else {
            shown_.text(piece);
        }
    }

    void begin_anchor(const GumboElement& element) {
        const auto href = attribute(element, "href");
        if (href.empty() || anchor_ != no_anchor) return;
        if (out_.anchors.size() >= bounds_.max_anchors) return beyond("links", bounds_.max_anchors);
        anchor_ = out_.shown.size();
        out_.anchors.push_back({resolved(href), {}});
    }

    void end_anchor() {
        const auto begin = std::min(anchor_, out_.shown.size());
        out_.anchors.back().text = trim(std::string_view{out_.shown}.substr(begin, max_anchor_text));
        anchor_ = no_anchor;
    }

    declarations declared(const GumboElement& element) const {
        declarations out;
        if (!sheet_.empty())
            out =
                sheet_.of(gumbo_normalized_tagname(element.tag), attribute(element, "class"), attribute(element, "id"));
        if (element.attributes.length == 0) return out;
        if (gumbo_get_attribute(&element.attributes, "hidden")) out.displayed = false;
        if (const auto background = attribute(element, "bgcolor"); !background.empty())
            out.behind = read_colour(background);
        if (!attribute(element, "background").empty()) out.behind = colour{};
        const auto letters = attribute(element, element.tag == GUMBO_TAG_BODY ? "text" : "color");
        if (!letters.empty()) out.letters = read_colour(letters).value_or(colour{});
        if (const auto style = attribute(element, "style"); !style.empty()) out.add(read_declarations(style));
        return out;
    }

    /// Style sheets first: they hold for the whole document, wherever they stand.
    void collect_styles(const GumboNode& root) {
        std::vector<const GumboNode*> open{&root};
        while (!open.empty()) {
            const auto& element = open.back()->v.element;
            open.pop_back();
            for (auto* const item : items(element.children)) {
                const auto& child = node_of(item);
                if (child.type == GUMBO_NODE_ELEMENT)
                    open.push_back(&child);
                else if (element.tag == GUMBO_TAG_STYLE && child.type == GUMBO_NODE_TEXT &&
                         attribute(element, "media").empty())
                    sheet_.add(child.v.text.text);
            }
        }
    }

    /// The URLs and images of an element.
    void note(const GumboElement& element) {
        if (element.attributes.length == 0) return;
        for (const char* const name : {"href", "src", "action", "formaction", "background", "data"})
            if (const auto value = attribute(element, name); !value.empty()) {
                if (element.tag == GUMBO_TAG_BASE && base_.empty()) base_ = value;
                link(value);
            }
        if (element.tag == GUMBO_TAG_META && iequals(attribute(element, "http-equiv"), "refresh")) {
            const auto content = attribute(element, "content");
            const auto lower = to_lower(content);
            if (const auto at = lower.find("url="); at != std::string::npos) link(content.substr(at + 4));
        }
        if (element.tag == GUMBO_TAG_IMG && attribute(element, "width") != "1" && attribute(element, "height") != "1")
            ++out_.images;
    }

    void link(std::string_view target) {
        // Images and documents may stand in the attribute itself; nothing leads there.
        if (istarts_with(trim(target), "data:") || istarts_with(trim(target), "cid:")) return;
        if (out_.links.size() >= bounds_.max_urls) return beyond("URLs", bounds_.max_urls);
        out_.links.push_back(resolved(target));
    }

    std::string resolved(std::string_view target) const {
        target = trim(target).substr(0, max_target);
        if (target.starts_with('"') || target.starts_with('\'')) target.remove_prefix(1);
        const bool relative = target.find(':') == std::string_view::npos && !target.starts_with("//");
        if (!relative || base_.empty()) return std::string{target};
        return base_.substr(0, max_target) + (base_.ends_with('/') ? "" : "/") + std::string{target};
    }

    void beyond(std::string_view what, std::size_t bound) {
        if (out_.links_beyond.empty())
            out_.links_beyond = "more than " + std::to_string(bound) + " " + std::string{what};
    }

    // A target over url::max_length must show that it is.
    static constexpr std::size_t max_anchor_text = 1024, max_target = url::max_length + 1;
    html_text& out_;
    const config::content_settings& bounds_;
    flow shown_, hidden_;
    style_sheet sheet_;
    std::string base_;
    std::vector<level> stack_;
    std::size_t anchor_ = no_anchor; // where in out_.shown the text of the open link begins
};

} // namespace

html_text read_html(std::string_view utf8, const config::content_settings& bounds) {
    html_text out;
    const html_tree tree{utf8, bounds.max_html_elements, bounds.max_html_memory.value};
    if (!tree.root()) {
        out.shown = without_tags(utf8);
        out.beyond = "HTML that costs more than " + to_string(bounds.max_html_memory) + " or a second";
        return out;
    }
    if (tree.cut()) out.beyond = "more than " + std::to_string(bounds.max_html_elements) + " tags";
    reader{out, bounds}.read(*tree.root());
    return out;
}

std::string without_tags(std::string_view html) {
    std::string out;
    flow text{out};
    while (!html.empty()) {
        const auto tag = html.find('<');
        text.text(html.substr(0, tag));
        if (tag == std::string_view::npos) break;
        const auto end = html.find('>', tag);
        if (end == std::string_view::npos) break;
        text.blank();
        html.remove_prefix(end + 1);
    }
    return out;
}

} // namespace postsluice::contentfilter::mime
