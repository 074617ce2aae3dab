// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/letter.hpp"

#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace postsluice::contentfilter::mime {

namespace {

/// What readers of mail show, unless it is a file. A part that is a page by its name alone is one.
bool may_be_shown(const part& of) {
    return of.is_text() && (of.fields.type.starts_with("text/") || of.fields.type.starts_with("multipart/") ||
                            of.fields.type == "application/xhtml+xml");
}

/// What every reader of mail shows, whatever else it is called. A multipart in which nothing was found is shown as
/// text.
bool is_always_shown(const part& of) {
    return of.is_html() || of.fields.type == "text/plain" || of.fields.type.starts_with("multipart/");
}

std::string_view parent_of(std::string_view path) {
    const auto dot = path.rfind('.');
    return dot == std::string_view::npos ? std::string_view{} : path.substr(0, dot);
}

} // namespace

void mark_letter(std::span<part> parts) {
    std::unordered_map<std::string_view, const part*> by_path;
    std::unordered_map<std::string_view, std::string_view> message_of; // of each part, by the path of that message
    std::unordered_set<std::string_view> with_text;                    // messages that have shown some
    for (auto& p : parts) {
        const auto above = by_path.find(parent_of(p.path));
        const auto* const parent = above == by_path.end() ? nullptr : above->second;
        const bool root = !parent || !parent->fields.type.starts_with("multipart/");
        const std::string_view of = root ? parent_of(p.path) : message_of.at(parent->path);
        by_path.emplace(p.path, &p);
        message_of.emplace(p.path, of);
        if (!may_be_shown(p)) continue;
        // Of a related the first part is what is shown; the others belong to it.
        const bool first = !root && parent->fields.type == "multipart/related" && p.path.ends_with(".1");
        const bool alternative = first || (!root && parent->fields.type == "multipart/alternative");
        const bool shown = is_always_shown(p);
        const bool attached = p.fields.disposition == "attachment";
        p.letter = shown ? !attached || root || alternative || !with_text.contains(of) : !p.is_attachment() || root;
        if (p.letter) with_text.insert(of);
    }
}

} // namespace postsluice::contentfilter::mime
