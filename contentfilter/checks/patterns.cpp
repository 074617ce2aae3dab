// SPDX-License-Identifier: Apache-2.0
// patterns (content): the operator's and the shipped rule files. Each part is read once, up to max_pattern_input octets
// of it; its octets, and the text or the source that they are, in that one pass: a part whose text is its octets
// (ASCII, UTF-8) is scanned once for both. What HTML shows and the URLs come from the message's content. Without a MIME
// tree (MIME_BOUND) the message as it is counts as one raw input. PATTERNS_BOUND tells of what lies beyond the bound.
// Evidence is the part, never its text.
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/pattern_database.hpp"
#include "contentfilter/mime/content.hpp"
#include "contentfilter/mime/decoders.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <stdexcept>

namespace postsluice::contentfilter::checks {

namespace {

std::uint8_t both(std::uint8_t a, int b) {
    return static_cast<std::uint8_t>(a | b);
}

class matcher {
public:
    matcher(const pattern_database& database, std::uint64_t most)
        : database_{database}
        , most_{most} {}

    /// Scans a text that is there as a whole.
    void short_text(std::string_view text, std::uint8_t where, const std::string& evidence) {
        if (!(database_.places() & where) || text.empty()) return;
        pattern_database::scan scan{database_, where};
        scan.feed(text);
        note(scan, evidence);
    }

    void part(const mime::part& p) {
        const auto text_place = static_cast<std::uint8_t>(p.is_html() ? in_html : in_text);
        mime::charset_decoder charset{p.fields.charset};
        const bool same = p.is_text() && !charset.converts();
        std::optional<pattern_database::scan> octets, text;
        if (const auto where = same ? both(in_raw, text_place) : static_cast<std::uint8_t>(in_raw);
            database_.places() & where)
            octets.emplace(database_, where);
        if (p.is_text() && !same && (database_.places() & text_place)) text.emplace(database_, text_place);
        const auto evidence = "part " + p.label();
        for (const auto& name : p.fields.names)
            short_text(name, in_file_name, evidence + ", its name");
        if (!octets && !text) return;
        std::uint64_t left = most_;
        const auto read = mime::decoded(p, most_ + 1, [&](std::string_view piece) {
            piece = within(piece, left, evidence);
            if (octets) octets->feed(piece);
            if (text) text->feed(charset.feed(piece));
            return true;
        });
        if (!read) throw std::runtime_error{"part " + p.path + ": " + read.error().message()};
        if (octets) note(*octets, evidence);
        if (text) note(*text, evidence);
    }

    void shown(const mime::content& content) {
        if (database_.places() & in_text)
            for (const auto& body : content.bodies())
                if (body.page()) short_text(body.text(), in_text, "part " + body.of().label());
        if (database_.places() & in_url)
            for (const auto* all : {&content.urls(), &content.bare_urls()})
                for (const auto& url : *all)
                    short_text(url.to.text, in_url, url.where + ", a URL");
    }

    void whole_message(const spool& content) {
        if (!(database_.places() & in_raw)) return;
        pattern_database::scan scan{database_, in_raw};
        std::uint64_t left = most_;
        const auto read = content.for_each(0, [&](std::string_view piece) {
            const auto looked_at = within(piece, left, "the message as it was sent");
            scan.feed(looked_at);
            return looked_at.size() == piece.size();
        });
        if (!read) throw std::runtime_error{read.error().message()};
        note(scan, "the message as it was sent");
    }

    /// One finding a symbol, with the highest of its rules' scores.
    std::vector<finding> take() {
        std::vector<finding> found;
        for (auto& [symbol, f] : found_)
            found.push_back(std::move(f));
        return found;
    }

private:
    /// What of a piece may still be looked at.
    std::string_view within(std::string_view piece, std::uint64_t& left, const std::string& evidence) {
        const auto some = piece.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), left)));
        left -= some.size();
        if (some.size() < piece.size()) {
            auto& f = found_["PATTERNS_BOUND"];
            f.symbol = "PATTERNS_BOUND";
            f.group = "content";
            if (f.evidence.empty()) f.evidence = evidence + ": over contentfilter.max_pattern_input";
        }
        return some;
    }
    void note(pattern_database::scan& scan, const std::string& evidence) {
        for (const auto index : scan.finish()) {
            const auto& rule = database_.rules()[index];
            auto& f = found_[rule.found.symbol];
            if (!f.symbol.empty() && f.score >= rule.found.score) continue;
            f = rule.found;
            f.evidence = evidence;
        }
    }
    const pattern_database& database_;
    std::uint64_t most_;
    std::map<std::string, finding> found_;
};

} // namespace

boost::asio::awaitable<std::vector<finding>> patterns(check_context context) {
    const auto database = context.resources->patterns;
    if (!database || database->rules().empty()) co_return std::vector<finding>{};
    const auto& message = *context.message;
    matcher match{*database, message.settings->contentfilter.max_pattern_input.value};
    if (const auto* subject = message.header.find("Subject"))
        match.short_text(mime::decode_text(subject->value()), in_subject, "Subject");
    if (context.mime) {
        for (const auto& part : context.mime->parts())
            if (!part.container) match.part(part);
    } else {
        match.whole_message(*message.content);
    }
    if (context.content) match.shown(*context.content);
    co_return match.take();
}

} // namespace postsluice::contentfilter::checks
