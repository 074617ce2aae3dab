// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/tree.hpp"

#include "contentfilter/mime/decoded_content.hpp"
#include "contentfilter/mime/decoders.hpp"
#include "contentfilter/mime/enclosed.hpp"
#include "contentfilter/mime/letter.hpp"
#include "contentfilter/mime/structure.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace postsluice::contentfilter::mime {

using namespace std::string_view_literals;

namespace {

constexpr std::array pages = {".html"sv, ".htm"sv, ".xhtml"sv, ".xht"sv, ".shtml"sv};

/// A click opens it in a browser: that goes by the name, where the type says nothing of it.
bool is_named_as_page(const content_fields& fields) {
    if (fields.type.starts_with("text/") || fields.type.starts_with("multipart/")) return false;
    return std::any_of(fields.names.begin(), fields.names.end(), [](const std::string& name) {
        const auto end = name.find_last_not_of(" .");
        const auto lower = to_lower(std::string_view{name}.substr(0, end + 1));
        return std::any_of(pages.begin(), pages.end(), [&](auto page) { return lower.ends_with(page); });
    });
}

} // namespace

bool part::is_html() const {
    return fields.type == "text/html" || fields.type == "application/xhtml+xml" || is_named_as_page(fields);
}

bool part::is_text() const {
    return !container && (fields.type.starts_with("text/") || is_html() || fields.type.starts_with("multipart/"));
}

bool part::is_attachment() const {
    return !fields.names.empty() || fields.disposition == "attachment";
}

std::string part::label() const {
    return fields.names.empty() ? path : path + " (" + printable(fields.names.front(), 100) + ")";
}

result<std::shared_ptr<const tree>> tree::build(const std::shared_ptr<const spool>& content, const header_block& header,
                                                const config::filter_settings& bounds) {
    auto made = std::make_shared<tree>();
    structure finder{bounds, made->parts_};
    if (auto done = finder.scan(content, header, structure::none); !done) return done.error();
    // Messages that travel as base64 or quoted-printable, against the RFC: readers open them all the same. The list
    // grows while it is walked; each level decodes to less than it was, and depth and number of parts are bounded as
    // ever.
    const auto room = std::make_shared<decoded_content::budget>(bounds.decoded_memory.value);
    for (std::size_t i = 0; i < made->parts_.size(); ++i) {
        auto& growing = made->parts_[i];
        if (growing.fields.encoding != transfer_encoding::identity && !growing.container)
            growing.kept = std::make_shared<decoded_content>(room);
        const auto& p = growing;
        if (p.container) continue;
        if (is_tnef(p)) {
            if (auto done = find_in_tnef(made->parts_, i, bounds); !done) return done.error();
            continue;
        }
        if (p.fields.type == "text/plain") {
            if (p.fields.encoding == transfer_encoding::uuencode) continue; // a file, whatever else is said
            if (auto done = find_enclosed(made->parts_, i, bounds); !done) return done.error();
            continue;
        }
        if (p.fields.encoding == transfer_encoding::identity) continue;
        if (p.fields.type != "message/rfc822" && p.fields.type != "message/global") continue;
        const auto inner_octets = unpacked(p, bounds);
        if (!inner_octets) return inner_octets.error();
        const auto inner = parse_header(**inner_octets, bounds);
        if (!inner) return inner.error();
        if (auto done = finder.scan(*inner_octets, *inner, i); !done) return done.error();
    }
    mark_letter(made->parts_);
    return std::shared_ptr<const tree>{std::move(made)};
}

result<std::shared_ptr<const spool>> unpacked(const part& of, const config::filter_settings& bounds) {
    auto out = std::make_shared<spool>(bounds.spool_memory, bounds.spool_directory);
    result<void> written;
    auto read = decoded(of, ~std::uint64_t{0},
                        [&](std::string_view piece) { return (written = out->append(piece)).has_value(); });
    if (!read) return read.error();
    if (!written) return written.error();
    return std::shared_ptr<const spool>{std::move(out)};
}

namespace {

constexpr std::size_t piece_size = 65536; // so that a visitor can stop early

result<void> decode(const part& of, std::uint64_t most, const piece_visitor& visit) {
    transfer_decoder decoder{of.fields.encoding};
    std::uint64_t left = of.end - of.begin;
    bool more = true;
    const auto pass = [&](std::string_view piece) {
        piece = piece.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), most)));
        most -= piece.size();
        if (!piece.empty() && more) more = visit(piece);
        return more && most > 0;
    };
    auto read = of.source->for_each(of.begin, [&](std::string_view piece) {
        // A message in memory comes as one piece: it is cut so that decoding stays bounded and can stop early.
        while (!piece.empty() && left > 0) {
            const auto size = static_cast<std::size_t>(std::min<std::uint64_t>({piece.size(), left, piece_size}));
            left -= size;
            if (!pass(decoder.feed(piece.substr(0, size)))) return false;
            piece.remove_prefix(size);
        }
        return left > 0;
    });
    if (!read) return read;
    if (more && most > 0) pass(decoder.finish());
    return {};
}

} // namespace

result<void> decoded(const part& of, std::uint64_t most, const piece_visitor& visit) {
    if (of.begin >= of.end) return {};
    const auto known = kept_octets(of);
    if (!known) return decode(of, most, visit);
    auto rest = known->substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(known->size(), most)));
    while (!rest.empty() && visit(rest.substr(0, piece_size)))
        rest.remove_prefix(std::min(rest.size(), piece_size));
    return {};
}

std::optional<std::string_view> kept_octets(const part& of) {
    if (!of.kept) return std::nullopt;
    const auto encoded = of.end - of.begin;
    // Three octets of four characters; of the others nothing is known but that they are no more.
    const auto most = of.fields.encoding == transfer_encoding::base64 ? encoded / 4 * 3 + 3 : encoded;
    return of.kept->get(most, [&](const piece_visitor& visit) { return decode(of, most, visit).has_value(); });
}

result<void> text(const part& of, std::uint64_t most, const piece_visitor& visit) {
    charset_decoder charset{of.fields.charset};
    return decoded(of, most, [&](std::string_view piece) {
        const auto converted = charset.feed(piece);
        return converted.empty() || visit(converted);
    });
}

} // namespace postsluice::contentfilter::mime
