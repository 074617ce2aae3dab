// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/charset.hpp"
#include "contentfilter/mime/enclosed.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <utility>

namespace postsluice::contentfilter::mime {

namespace {

using namespace std::string_view_literals;

constexpr std::uint32_t signature = 0x223E9F78;
constexpr std::size_t stream_head = 6, attribute_head = 9, checksum = 2;
constexpr std::size_t kept = 65536;                // of an attribute that is read; others are stepped over
constexpr std::size_t kept_of_message = 1U << 20U; // of the properties of a message, in which its texts are
constexpr std::size_t most_names = 20;

// [MS-OXTNEF] section 2.1.3.1: what begins an attachment, and what has its names and its content; the texts of the
// message itself.
constexpr std::uint32_t render_data = 0x00069002, title = 0x00018010, transport_name = 0x00069001,
                        properties = 0x00069005, content = 0x0006800F, body_text = 0x0002800C,
                        message_properties = 0x00069003;

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

constexpr auto object_tag = "\x0d\0\x01\x37"sv;                               // PidTagAttachDataObject
constexpr auto message_kind = "\x07\x03\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"sv; // IID_IMessage
constexpr std::size_t value_head = 12;                                        // tag, count and size
constexpr std::size_t object_head = value_head + message_kind.size();

/// Where a message that is attached begins among the properties, with its tag; npos: none.
std::size_t message_in(std::string_view in) {
    for (auto at = in.find(object_tag); at != std::string_view::npos; at = in.find(object_tag, at + 1))
        if (in.substr(std::min(at + value_head, in.size())).starts_with(message_kind)) return at;
    return std::string_view::npos;
}

/// The texts of a message among its properties: of 8 or 16 bits a character, and HTML as octets.
struct text_property {
    std::string_view tag, type, charset;
};
constexpr std::array text_properties{
    text_property{"\x1e\0\0\x10"sv, "text/plain", ""}, text_property{"\x1f\0\0\x10"sv, "text/plain", "utf-16le"},
    text_property{"\x02\x01\x13\x10"sv, "text/html", ""}, text_property{"\x1e\0\x13\x10"sv, "text/html", ""},
    text_property{"\x1f\0\x13\x10"sv, "text/html", "utf-16le"}};

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
            if (at_ == place::data && id_ == properties && !message_) look_for_message(piece.substr(0, size));
            const auto most = at_ == place::data && id_ == message_properties ? kept_of_message : kept;
            if (buffer_.size() < most) buffer_.append(piece.substr(0, std::min(size, most - buffer_.size())));
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
        border_.clear();
        message_.reset();
    }

    /// A message that is attached may be as large as the attribute: only where it lies is kept of it.
    void look_for_message(std::string_view piece) {
        const auto before = border_.size();
        border_.append(piece);
        if (const auto at = message_in(border_); at != std::string::npos) {
            const auto begin = offset_ - before + at;
            const auto size = number(border_, at + 8);
            message_ = stretch{begin, begin + object_head, begin + value_head + size};
        }
        border_.erase(0, border_.size() - std::min(border_.size(), object_head - 1));
    }

    /// The texts that Outlook shows in place of the message's own, or those of an attached message.
    result<void> add_texts() {
        if (id_ == body_text) return add_text("text/plain", "", begin_, offset_);
        for (const auto& one : text_properties) {
            const auto at = buffer_.find(one.tag);
            if (at == std::string::npos || number(buffer_, at + 4) != 1) continue;
            const auto begin = begin_ + at + value_head;
            const auto end = std::min<std::uint64_t>(begin + number(buffer_, at + 8), offset_);
            if (auto done = add_text(one.type, one.charset, begin, end); !done) return done;
        }
        return {};
    }

    result<void> add_text(std::string_view type, std::string_view charset, std::uint64_t begin, std::uint64_t end) {
        if (begin >= end) return {};
        auto made = enclosed_file(parts_, which_, ++count_, bounds_);
        if (!made) return made.error();
        made->fields.type = type;
        made->fields.charset = charset;
        made->fields.disposition.clear();
        made->source = source_;
        made->begin = begin;
        made->end = end;
        parts_.push_back(std::move(*made));
        return {};
    }

    /// What an attached message encloses, as parts of the file that it is. Each level is a part, whose depth is
    /// bounded.
    result<void> scan_message() {
        const auto end = std::min(message_->end, offset_);
        if (message_->content >= end) return {};
        return tnef_reader{parts_, file_, source_, bounds_}.scan(message_->content, end);
    }

    result<void> end_data() {
        if (id_ == body_text || id_ == message_properties) return add_texts();
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
            if (message_) return scan_message();
        } else {
            add_name(file.fields.names, buffer_, "");
        }
        return {};
    }

    /// Of a message that is attached what it is called is its subject ("Your order at example.com"), and the names in
    /// it are its recipients'.
    void add_names(part& file) {
        auto& names = file.fields.names;
        if (!message_ || file.begin != file.end) {
            add_property_names(names, buffer_, {long_file_name, file_name, display_name});
            return;
        }
        subjects_ = std::exchange(names, {});
        const std::string_view all{buffer_};
        const auto within = [&](std::uint64_t at) { return std::min<std::uint64_t>(at - begin_, all.size()); };
        const auto behind = within(message_->end);
        add_property_names(names, all.substr(0, within(message_->tag)), {long_file_name, file_name});
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
    std::string buffer_; // what is kept of the place at hand
    std::string border_; // of properties: the end of what came before
    struct stretch {
        std::uint64_t tag, content, end;
    };
    std::optional<stretch> message_; // among the properties at hand
    std::size_t file_ = 0;           // the attachment at hand among all parts; 0, the root of all: none
    std::size_t count_ = 0;          // attachments so far
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
