// SPDX-License-Identifier: Apache-2.0
// The MIME model: any octets have a header and, within the bounds, a tree whose parts lie inside their source, have
// paths of their own and decode to no more than was asked for, and what checks see of it (texts, links, URLs) within
// its bounds; twice the same. In memory or in a file makes no difference.
#include "contentfilter/mime/content.hpp"
#include "contentfilter/mime/tree.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <set>

using namespace postsluice;
using namespace postsluice::contentfilter;

namespace {

constexpr std::uint64_t most_decoded = 100'000;

config::filter_settings bounds() {
    config::filter_settings out;
    out.max_header = {16U << 10U};
    out.max_header_count = 100;
    out.max_parts = 50;
    out.max_part_depth = 10;
    return out;
}

std::string check_part(const mime::part& p) {
    fuzz::require(p.source != nullptr && p.begin <= p.end && p.end <= p.source->size(), "a part lies in its source");
    std::string out = p.path + " " + p.fields.type + " " + std::to_string(p.begin) + "-" + std::to_string(p.end) + "\n";
    std::uint64_t octets = 0;
    fuzz::require(mime::decoded(p, most_decoded,
                                [&](std::string_view piece) {
                                    octets += piece.size();
                                    return true;
                                })
                      .has_value(),
                  "what is there can be decoded");
    fuzz::require(octets <= most_decoded, "no more is decoded than was asked for");
    std::string text;
    if (p.is_text()) {
        fuzz::require(
            mime::text(p, most_decoded, [&](std::string_view piece) { return text += piece, true; }).has_value(),
            "text can be read");
    }
    return out + std::to_string(octets) + " " + std::to_string(text.size()) + " " + p.label() + "\n";
}

/// What checks see.
std::string check_content(std::shared_ptr<spool> octets, header_block header, std::shared_ptr<const mime::tree> parts) {
    static const auto settings = [] {
        auto out = std::make_shared<config::settings>();
        out->contentfilter = bounds();
        return std::shared_ptr<const config::settings>{std::move(out)};
    }();
    auto what = std::make_shared<message>();
    what->settings = settings;
    what->content = std::move(octets);
    what->header = std::move(header);
    const auto most = parts->parts().size();
    const mime::content content{std::move(what), std::move(parts)};
    fuzz::require(content.bodies().size() <= most, "a part has one text at most");
    std::string out;
    for (const auto& body : content.bodies())
        out += std::to_string(body.text().size()) + (body.page() != nullptr ? " page\n" : "\n");
    fuzz::require(content.urls().size() <= settings->content.max_urls, "URLs are bounded");
    for (const auto& url : content.urls()) {
        fuzz::require(!url.to.text.empty() && !url.where.empty(), "a URL is one, and somewhere");
        out += url.to.text + " " + url.where + "\n";
    }
    for (const auto& anchor : content.anchors())
        out += anchor.to.text + " <- " + anchor.text + "\n";
    return out;
}

std::string tell(std::string_view input, byte_count memory) {
    const auto limits = bounds();
    const auto content = std::make_shared<spool>(memory, std::filesystem::temp_directory_path());
    fuzz::require(content->append(input).has_value(), "there is room");
    const auto header = parse_header(*content, limits);
    fuzz::require(header.has_value(), "any octets have a header");
    fuzz::require(header->body_offset <= content->size(), "the body begins within the message");
    fuzz::require(header->fields.size() <= limits.max_header_count, "fields are bounded");
    const auto built = mime::tree::build(content, *header, limits);
    if (!built) {
        fuzz::require(built.error().code == errc::too_large, "only a bound keeps a message from having a tree");
        return "no tree";
    }
    const auto& parts = (*built)->parts();
    fuzz::require(!parts.empty() && parts.size() <= limits.max_parts, "parts are bounded, and one at least");
    std::set<std::string> paths;
    std::string out;
    for (const auto& p : parts) {
        fuzz::require(p.depth <= limits.max_part_depth, "depth is bounded");
        fuzz::require(paths.insert(p.path).second, "a path names one part");
        out += check_part(p);
    }
    return out + check_content(content, *header, *built);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = fuzz::text_of(data, size);
    const auto in_memory = tell(input, {1U << 20U});
    fuzz::require(tell(input, {0}) == in_memory, "in a file: the same");
    return 0;
}
