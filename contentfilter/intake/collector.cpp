// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/intake/collector.hpp"

#include "shared/core/text.hpp"

namespace postsluice::contentfilter {

namespace {

/// cleanup(8) ends each line of a header at its first NUL: mime_state_update() copies strings. After the queue that has
/// happened already. Before it, it is done here, so that the checks see what leaves, and that is what is signed.
void end_lines_at_nul(header_block& header) {
    for (auto& field : header.fields) {
        if (field.raw.find('\0') == std::string::npos) continue;
        std::string out;
        for (const auto line : split(field.raw, '\n')) {
            if (!out.empty()) out += '\n';
            const auto kept = line.substr(0, line.find('\0'));
            out += kept;
            if (kept.size() < line.size() && line.ends_with('\r')) out += '\r';
        }
        field.raw = std::move(out);
    }
}

} // namespace

collector::collector(config::settings_ptr settings)
    : settings_{std::move(settings)}
    , spool_{std::make_shared<spool>(settings_->contentfilter.spool_memory, settings_->contentfilter.spool_directory)} {
}

void collector::add(std::string_view content) {
    if (content.empty()) return;
    if (problem_) return keep_beginning(content);
    if (auto written = spool_->append(content); !written) {
        problem_ = written.error();
        return keep_beginning(content);
    }
    hash_.update(content);
    count_boundaries(content);
}

// A line that begins with "--". Counted over piece boundaries: dash_ says that a line's first octet was a dash and the
// next is to come.
void collector::count_boundaries(std::string_view content) {
    if (dash_ && content.front() == '-') ++boundary_lines_;
    dash_ = false;
    const auto line_begins_at = [&](std::size_t at) {
        if (at >= content.size() || content[at] != '-') return;
        if (at + 1 == content.size())
            dash_ = true;
        else if (content[at + 1] == '-')
            ++boundary_lines_;
    };
    if (last_ == '\n') line_begins_at(0);
    for (auto at = content.find('\n'); at != std::string_view::npos; at = content.find('\n', at + 1))
        line_begins_at(at + 1);
    last_ = content.back();
}

void collector::keep_beginning(std::string_view content) {
    const auto have = spool_->size() + unspooled_.size();
    if (have < beginning) unspooled_.append(content.substr(0, beginning - have));
}

header_block collector::header_so_far() const {
    const auto& bounds = settings_->contentfilter;
    const auto spooled = spool_->read(0, beginning);
    const auto text = spooled ? *spooled + unspooled_ : std::string{};
    auto out = parse_header_text(text, static_cast<std::size_t>(bounds.max_header.value), bounds.max_header_count);
    end_lines_at_nul(out);
    return out;
}

result<std::shared_ptr<message>> collector::finish(smtp::envelope envelope) {
    auto out = close(std::move(envelope));
    if (!out) return out;
    if (auto read = read_header(**out); !read) return read.error();
    return out;
}

result<void> collector::read_header(message& into) {
    auto header = parse_header(*into.content, into.settings->contentfilter);
    if (!header) return header.error();
    end_lines_at_nul(*header);
    into.header = std::move(*header);
    return {};
}

result<std::shared_ptr<message>> collector::close(smtp::envelope envelope) {
    if (problem_) return *problem_;
    auto out = std::make_shared<message>();
    out->settings = settings_;
    out->queue_id = queue_id_of(envelope);
    out->envelope = std::move(envelope);
    out->content = spool_;
    out->digest = hash_.hex();
    out->boundary_lines = boundary_lines_;
    return out;
}

} // namespace postsluice::contentfilter
