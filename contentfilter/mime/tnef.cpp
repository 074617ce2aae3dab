// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/charset.hpp"
#include "contentfilter/mime/enclosed.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace postsluice::contentfilter::mime {

namespace {

using namespace std::string_view_literals;

constexpr std::uint32_t signature = 0x223E9F78;
constexpr std::size_t stream_head = 6, attribute_head = 9, checksum = 2;
constexpr std::size_t kept = 65536; // of an attribute that is read; others are stepped over
constexpr std::size_t most_names = 20;

// [MS-OXTNEF] section 2.1.3.1: what begins an attachment, and what has its names and its content.
constexpr std::uint32_t render_data = 0x00069002, title = 0x00018010, transport_name = 0x00069001,
                        properties = 0x00069005, content = 0x0006800F;

std::uint32_t number(std::string_view from, std::size_t at, std::size_t octets = 4) {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < octets && at + i < from.size(); ++i)
        out |= std::uint32_t{static_cast<unsigned char>(from[at + i])} << (8 * i);
    return out;
}

void add_name(std::vector<std::string>& names, std::string_view octets, std::string_view charset) {
    std::string storage;
    std::string name{to_utf8(octets, charset, storage)};
    name.erase(std::min(name.find('\0'), name.size()));
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
}

constexpr auto long_file_name = "\x07\x37"sv, file_name = "\x04\x37"sv, display_name = "\x01\x30"sv;

/// Names among the properties, of 8 or 16 bits a character. They are looked for and not parsed: a property before them
/// that lies about its size hides none.
void add_property_names(std::vector<std::string>& names, std::string_view of,
                        std::initializer_list<std::string_view> tags) {
    constexpr std::size_t most = 20;
    for (const auto tag : tags)
        for (const char kind : {'\x1e', '\x1f'}) {
            const auto wanted = std::string{kind} + '\0' + std::string{tag};
            std::size_t seen = 0;
            for (auto at = of.find(wanted); at != std::string_view::npos && seen < most;
                 at = of.find(wanted, at + 1), ++seen) {
                if (number(of, at + 4) != 1) continue; // one value
                const auto size = number(of, at + 8);
                if (at + 12 <= of.size() && size <= of.size() - at - 12)
                    add_name(names, of.substr(at + 12, size), kind == '\x1f' ? "utf-16le" : "");
            }
        }
}

/// Where a message that is attached begins among the properties: PidTagAttachDataObject with IID_IMessage; npos: none.
std::size_t message_in(std::string_view in) {
    constexpr auto object = "\x0d\0\x01\x37"sv;
    constexpr auto message = "\x07\x03\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"sv;
    const auto at = in.find(object);
    return at != std::string_view::npos && in.substr(std::min(at + 12, in.size())).starts_with(message)
               ? at
               : std::string_view::npos;
}

class tnef_reader {
public:
    tnef_reader(std::vector<part>& parts, std::size_t which, std::shared_ptr<const spool> source,
                const config::filter_settings& bounds)
        : parts_{parts}
        , which_{which}
        , source_{std::move(source)}
        , bounds_{bounds} {}

    result<void> scan(std::uint64_t begin, std::uint64_t end) {
        offset_ = begin;
        auto outcome = for_range(*source_, begin, end, [&](std::string_view piece) -> result<bool> {
            if (auto done = feed(piece); !done) return done.error();
            return !ended_;
        });
        if (outcome && at_ == place::data) outcome = end_data(); // cut off: what there is counts
        return outcome;
    }

private:
    enum class place { start, head, data, sum };

    result<void> feed(std::string_view piece) {
        while (!piece.empty() && !ended_) {
            const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), left_));
            if (buffer_.size() < kept) buffer_.append(piece.substr(0, std::min(size, kept - buffer_.size())));
            piece.remove_prefix(size);
            offset_ += size;
            left_ -= size;
            // An attribute may be empty.
            while (left_ == 0 && !ended_)
                if (auto done = next(); !done) return done;
        }
        return {};
    }

    result<void> next() {
        switch (at_) {
        case place::start:
            ended_ = number(buffer_, 0) != signature;
            go_to(place::head, attribute_head);
            return {};
        case place::head:
            id_ = number(buffer_, 1);
            begin_ = offset_;
            go_to(place::data, number(buffer_, 5));
            return {};
        case place::data: {
            auto done = end_data();
            go_to(place::sum, checksum);
            return done;
        }
        case place::sum:
            go_to(place::head, attribute_head);
            return {};
        }
        return {};
    }

    void go_to(place where, std::uint64_t octets) {
        at_ = where;
        left_ = octets;
        buffer_.clear();
    }

    result<void> end_data() {
        if (id_ == render_data) file_ = 0;
        if (id_ != title && id_ != transport_name && id_ != properties && id_ != content) return {};
        // With so many names it is no file of Outlook's: what comes next counts as one more.
        if (file_ != 0 && id_ != content && parts_[file_].fields.names.size() >= most_names) file_ = 0;
        if (file_ == 0) {
            auto made = enclosed_file(parts_, which_, ++count_, bounds_);
            if (!made) return made.error();
            made->source = source_;
            made->begin = made->end = begin_;
            file_ = parts_.size();
            subjects_.clear();
            parts_.push_back(std::move(*made));
        }
        auto& file = parts_[file_];
        auto& names = file.fields.names;
        if (id_ == content) {
            file.begin = begin_;
            file.end = offset_;
            names.insert(names.end(), subjects_.begin(), subjects_.end()); // it is a file, too
            subjects_.clear();
        } else if (id_ == properties) {
            add_names(file);
        } else {
            add_name(file.fields.names, buffer_, "");
        }
        return {};
    }

    /// Of a message that is attached what it is called is its subject ("Your order at example.com"), and the names in
    /// it are its recipients'.
    void add_names(part& file) {
        auto& names = file.fields.names;
        const auto object = message_in(buffer_);
        if (object == std::string_view::npos || file.begin != file.end) {
            add_property_names(names, buffer_, {long_file_name, file_name, display_name});
            return;
        }
        subjects_ = std::exchange(names, {});
        const auto behind = std::min<std::uint64_t>(object + 12 + number(buffer_, object + 8), buffer_.size());
        const std::string_view all{buffer_};
        add_property_names(names, all.substr(0, object), {long_file_name, file_name});
        add_property_names(names, all.substr(static_cast<std::size_t>(behind)), {long_file_name, file_name});
    }

    std::vector<part>& parts_;
    std::size_t which_;
    std::shared_ptr<const spool> source_;
    const config::filter_settings& bounds_;
    std::vector<std::string> subjects_; // that are no file names, if it is only a message
    place at_ = place::start;
    std::uint64_t left_ = stream_head, offset_ = 0, begin_ = 0;
    std::uint32_t id_ = 0;
    std::string buffer_;    // what is kept of the place at hand
    std::size_t file_ = 0;  // the attachment at hand among all parts; 0, the root of all: none
    std::size_t count_ = 0; // attachments so far
    bool ended_ = false;
};

} // namespace

bool is_tnef(const part& of) {
    const auto& names = of.fields.names;
    return of.fields.type == "application/ms-tnef" || of.fields.type == "application/vnd.ms-tnef" ||
           std::any_of(names.begin(), names.end(), [](const auto& name) { return iequals(name, "winmail.dat"); });
}

result<void> find_in_tnef(std::vector<part>& parts, std::size_t which, const config::filter_settings& bounds) {
    const auto& around = parts[which];
    if (around.fields.encoding == transfer_encoding::identity)
        return tnef_reader{parts, which, around.source, bounds}.scan(around.begin, around.end);
    auto plain = unpacked(around, bounds);
    if (!plain) return plain.error();
    const auto size = (*plain)->size();
    return tnef_reader{parts, which, std::move(*plain), bounds}.scan(0, size);
}

} // namespace postsluice::contentfilter::mime
