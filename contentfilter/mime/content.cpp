// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/content.hpp"

#include "contentfilter/mime/cpu_time.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <unordered_set>

namespace postsluice::contentfilter::mime {

namespace {

using namespace std::string_view_literals;

/// Fields that mail systems write, full of hosts that are no links.
constexpr std::array trace_fields{"Received"sv,
                                  "DKIM-Signature"sv,
                                  "ARC-Seal"sv,
                                  "Message-ID"sv,
                                  "ARC-Message-Signature"sv,
                                  "X-Postsluice-Ticket"sv,
                                  "References"sv,
                                  "ARC-Authentication-Results"sv,
                                  "In-Reply-To"sv,
                                  "Return-Path"sv,
                                  "Authentication-Results"sv};
/// Of one field encoded words are undone so far; what comes then is read as it stands.
constexpr std::size_t longest_decoded = 65536;
/// Of one message: a part that comes after so much work on HTML is read without its layout.
constexpr std::chrono::seconds max_html_time{2};

bool is_trace(std::string_view name) {
    return std::any_of(trace_fields.begin(), trace_fields.end(),
                       [&](std::string_view one) { return iequals(one, name); });
}

/// Is a URL too long for its host to be seen: does what is before its path go on beyond what is read?
bool hides_host(std::string_view text) {
    if (text.size() <= url::max_length) return false;
    const auto colon = text.find(':');
    const bool scheme = colon < text.find_first_of("/\\?#");
    const auto begin = text.find_first_not_of("/\\ \t\r\n", scheme ? colon + 1 : 0);
    return begin == std::string_view::npos || text.find_first_of("/\\?#", begin) >= url::max_length;
}

/// The content of a part with its transfer encoding undone.
struct octets {
    std::string owned;
    std::string_view all;
    bool borrowed = false; ///< `all` lies in the spool or in the tree, which outlive the model
    bool cut = false;
};

/// The content where it lies in memory as it is: in the spool, or decoded.
std::optional<std::string_view> in_memory(const part& of) {
    if (of.fields.encoding != transfer_encoding::identity) return kept_octets(of);
    const auto memory = of.source->memory();
    if (memory.size() < of.end) return std::nullopt;
    return memory.substr(static_cast<std::size_t>(of.begin), static_cast<std::size_t>(of.end - of.begin));
}

octets read_part(const part& of, std::uint64_t most) {
    octets out;
    if (const auto there = in_memory(of)) {
        const auto& whole = *there;
        out.all = whole.substr(0, static_cast<std::size_t>(most));
        out.cut = out.all.size() < whole.size();
        out.borrowed = true;
        return out;
    }
    const auto read = decoded(of, most + 1, [&](std::string_view piece) {
        out.owned += piece;
        return true;
    });
    if (!read) throw std::runtime_error{"part " + of.path + ": " + read.error().message()};
    out.cut = out.owned.size() > most;
    if (out.cut) out.owned.pop_back();
    out.all = out.owned;
    return out;
}

} // namespace

/// Fills the facts of a content, part by part.
class content_maker {
public:
    content_maker(const message& of, const tree* parts, content::facts& into)
        : message_{of}
        , tree_{parts}
        , bounds_{of.settings->content}
        , into_{into} {}

    void make() {
        read_header();
        if (tree_) read_parts();
    }

private:
    void read_parts() {
        for (const auto& p : tree_->parts()) {
            for (const auto& name : p.fields.names)
                urls_in(name, url_place::file_name, "part " + p.path + ", its name");
            if (p.is_html() && !p.container)
                read_page(p);
            else if (p.is_text())
                read_text(p);
        }
    }

    void read_header() {
        for (const auto& field : message_.header.fields) {
            if (is_trace(field.name())) continue;
            const std::string name{field.name()};
            const auto value = field.value();
            const auto coded = value.substr(0, longest_decoded).find("=?") != std::string_view::npos;
            if (!coded) {
                urls_in(field.unfolded(), url_place::header, name);
            } else {
                urls_in(decode_text(value.substr(0, longest_decoded)), url_place::header, name);
                // A URL on the border is seen whole in one of the two.
                if (value.size() > longest_decoded)
                    urls_in(value.substr(longest_decoded - url::max_length), url_place::header, name);
            }
            if (value.size() > longest_decoded && value.find("=?", longest_decoded) != std::string_view::npos)
                beyond(name + ": encoded words after " + std::to_string(longest_decoded / 1024) + " KiB of the field");
        }
    }

    void read_text(const part& p) {
        auto source = read_part(p, bounds_.max_text.value);
        if (source.cut) into_.texts_beyond.push_back("part " + p.path + ": text over " + to_string(bounds_.max_text));
        std::string converted;
        charset_faults faults;
        const auto utf8 = to_utf8(source.all, p.fields.charset, converted, faults);
        if (!converted.empty())
            into_.bodies.emplace_back(p, std::move(converted));
        else if (source.borrowed)
            into_.bodies.emplace_back(p, utf8);
        else if (utf8.size() == source.owned.size())
            into_.bodies.emplace_back(p, std::move(source.owned));
        else
            into_.bodies.emplace_back(p, std::string{utf8});
        into_.bodies.back().note(faults);
        links_in(into_.bodies.back().text(), url_place::text, "part " + p.path);
    }

    void read_page(const part& p) {
        const auto source = read_part(p, bounds_.max_html.value);
        if (source.cut) into_.texts_beyond.push_back("part " + p.path + ": HTML over " + to_string(bounds_.max_html));
        std::string converted;
        const auto charset = p.fields.charset.empty() ? html_charset(source.all) : std::string_view{p.fields.charset};
        charset_faults faults;
        auto page = shown(to_utf8(source.all, charset, converted, faults));
        if (!page.beyond.empty()) into_.texts_beyond.push_back("part " + p.path + ": " + page.beyond);
        if (!page.links_beyond.empty()) beyond(page.links_beyond);
        const auto where = "part " + p.path;
        for (const auto& link : page.links)
            add_url(link, url_place::html, where);
        for (auto& link : page.anchors)
            add_anchor(std::move(link), where);
        into_.bodies.emplace_back(p, std::move(page));
        into_.bodies.back().note(faults);
        links_in(into_.bodies.back().text(), url_place::html, where);
    }

    html_text shown(std::string_view utf8) {
        html_text page;
        if (html_time_ > max_html_time) {
            page.shown = without_tags(utf8);
            page.beyond = "HTML that costs more than 2 s in all";
            return page;
        }
        const auto began = thread_time();
        page = read_html(utf8, bounds_);
        html_time_ += thread_time() - began;
        return page;
    }

    void add_anchor(html_anchor link, const std::string& where) {
        auto to = read_url(link.href);
        if (!to || link.text.empty()) return;
        if (into_.anchors.size() >= bounds_.max_anchors)
            return beyond("more than " + std::to_string(bounds_.max_anchors) + " links");
        into_.anchors.push_back({std::move(*to), std::move(link.text), where});
    }

    void urls_in(std::string_view text, url_place place, const std::string& where) {
        find_urls(text, [&](std::string_view found) { return add_url(found, place, where); });
    }

    /// In what a reader sees: also what only his program makes a link of.
    void links_in(std::string_view text, url_place place, const std::string& where) {
        auto rest = text;
        const auto bare_before = [&](std::string_view stop) {
            const auto size = static_cast<std::size_t>(stop.data() - rest.data());
            find_bare_urls(rest.substr(0, size),
                           [&](url found) { return add_bare_url(std::move(found), place, where); });
            rest.remove_prefix(size + stop.size());
        };
        find_urls(text, [&](std::string_view found) {
            bare_before(found);
            return add_url(found, place, where);
        });
        bare_before(text.substr(text.size()));
    }

    bool add_bare_url(url to, url_place place, const std::string& where) {
        const auto known = [&](const char* scheme) { return known_.contains(scheme + to.text); };
        if (known("") || known("http://") || known("https://")) return true;
        if (into_.bare_urls.size() >= bounds_.max_urls) {
            beyond("more than " + std::to_string(bounds_.max_urls) + " URLs without a scheme");
            return false;
        }
        known_.insert(to.text);
        into_.bare_urls.push_back({std::move(to), place, where});
        return true;
    }

    /// False where no more are taken.
    bool add_url(std::string_view text, url_place place, const std::string& where) {
        if (hides_host(text))
            beyond("a URL with more than " + std::to_string(url::max_length) + " octets before its path, " + where);
        if (into_.urls.size() >= bounds_.max_urls) {
            const bool known = known_.contains(std::string{text});
            if (!known) beyond("more than " + std::to_string(bounds_.max_urls) + " URLs");
            return known;
        }
        if (auto to = read_url(text); to && known_.insert(to->text).second)
            into_.urls.push_back({std::move(*to), place, where});
        return true;
    }

    void beyond(std::string text) {
        auto& all = into_.links_beyond;
        if (std::find(all.begin(), all.end(), text) == all.end()) all.push_back(std::move(text));
    }

    const message& message_;
    const tree* tree_;
    const config::content_settings& bounds_;
    content::facts& into_;
    std::unordered_set<std::string> known_;
    std::chrono::nanoseconds html_time_{};
};

const content::facts& content::made() const {
    // Where it throws, the next check that asks tries again.
    std::call_once(once_, [this] {
        facts out;
        content_maker{*message_, tree_.get(), out}.make();
        facts_ = std::move(out);
    });
    return facts_;
}

} // namespace postsluice::contentfilter::mime
