// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/decoders.hpp"

#include "shared/core/text.hpp"

#include <gmime/gmime.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iconv.h>

namespace postsluice::contentfilter::mime {

namespace {

void* const no_conversion = reinterpret_cast<void*>(-1); // what iconv_open() returns on failure

/// Names that mailers and browsers know and iconv does not: "x-sjis", "cp-850", "windows-31j".
std::string usual_name(std::string_view charset) {
    struct alias {
        std::string_view from, to;
    };
    constexpr std::array<alias, 6> others{{{"sjis", "cp932"},
                                           {"windows-31j", "cp932"},
                                           {"mac-roman", "macintosh"},
                                           {"unicode-1-1-utf-7", "utf-7"},
                                           {"unicode-2-0-utf-7", "utf-7"},
                                           {"csunicode11utf7", "utf-7"}}};
    auto name = to_lower(charset);
    if (name.starts_with("x-")) name.erase(0, 2);
    for (const auto& other : others)
        if (name == other.from) return std::string{other.to};
    for (const std::string_view page : {"cp-", "dos-", "ibm-"})
        if (name.starts_with(page)) return "cp" + name.substr(page.size());
    return name;
}

/// What programs mean by a name, and read: the sets that grew out of those that the names stand for (WHATWG Encoding).
std::string_view grown_set(std::string_view charset) {
    constexpr std::array<std::array<std::string_view, 2>, 10> sets{{{"gb2312", "gb18030"},
                                                                    {"gb_2312-80", "gb18030"},
                                                                    {"gbk", "gb18030"},
                                                                    {"x-gbk", "gb18030"},
                                                                    {"shift_jis", "cp932"},
                                                                    {"sjis", "cp932"},
                                                                    {"x-sjis", "cp932"},
                                                                    {"euc-kr", "cp949"},
                                                                    {"ks_c_5601-1987", "cp949"},
                                                                    {"big5", "big5-hkscs"}}};
    for (const auto& [name, grown] : sets)
        if (iequals(charset, name)) return grown;
    return charset;
}

void* open_conversion(std::string_view charset) {
    const auto known = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
               c == '.' || c == ':';
    };
    // No "//TRANSLIT" and no paths from strangers reach iconv_open().
    if (charset.empty() || charset.size() > 40 || !std::all_of(charset.begin(), charset.end(), known))
        return no_conversion;
    for (const std::string_view same : {"utf-8", "utf8", "us-ascii", "ascii"})
        if (iequals(charset, same)) return no_conversion;
    for (const auto& spelling : {std::string{grown_set(charset)}, std::string{charset}, usual_name(charset)}) {
        const char* name = g_mime_charset_iconv_name(spelling.c_str());
        void* const opened = name ? iconv_open("UTF-8", name) : no_conversion;
        if (opened != no_conversion) return opened;
    }
    return no_conversion;
}

} // namespace

struct transfer_decoder::impl {
    GMimeEncoding state{};
    std::string out;
    bool begun = true; // uuencode: the line that begins the data was seen
    std::string line;  // what matters of the one at hand until then

    /// What comes after the line that begins the data, which GMime leaves to its callers.
    std::string_view after_begin(std::string_view encoded) {
        constexpr std::string_view mark = "begin ";
        while (!begun && !encoded.empty()) {
            const auto newline = encoded.find('\n');
            line.append(encoded.substr(0, std::min(newline, mark.size() - std::min(mark.size(), line.size()))));
            encoded.remove_prefix(newline == std::string_view::npos ? encoded.size() : newline + 1);
            if (newline == std::string_view::npos) break;
            begun = line == mark;
            line.clear();
        }
        if (begun) state.save |= GMIME_UUDECODE_STATE_BEGIN;
        return encoded;
    }
};

transfer_decoder::transfer_decoder(transfer_encoding encoding) {
    const auto known = [&] {
        switch (encoding) {
        case transfer_encoding::base64:
            return GMIME_CONTENT_ENCODING_BASE64;
        case transfer_encoding::quoted_printable:
            return GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
        case transfer_encoding::uuencode:
            return GMIME_CONTENT_ENCODING_UUENCODE;
        case transfer_encoding::identity:
            break;
        }
        return GMIME_CONTENT_ENCODING_DEFAULT;
    }();
    if (known == GMIME_CONTENT_ENCODING_DEFAULT) return;
    impl_ = std::make_unique<impl>();
    g_mime_encoding_init_decode(&impl_->state, known);
    impl_->begun = encoding != transfer_encoding::uuencode;
}
transfer_decoder::~transfer_decoder() = default;

std::string_view transfer_decoder::step(std::string_view encoded, bool last) {
    const auto room = g_mime_encoding_outlen(&impl_->state, encoded.size());
    if (impl_->out.size() < room) impl_->out.resize(room);
    auto* run = last ? g_mime_encoding_flush : g_mime_encoding_step;
    const auto size = run(&impl_->state, encoded.data(), encoded.size(), impl_->out.data());
    return std::string_view{impl_->out}.substr(0, size);
}
std::string_view transfer_decoder::feed(std::string_view encoded) {
    if (!impl_) return encoded;
    if (!impl_->begun) encoded = impl_->after_begin(encoded);
    return impl_->begun ? step(encoded, false) : std::string_view{};
}
std::string_view transfer_decoder::finish() {
    return impl_ && impl_->begun ? step("", true) : std::string_view{};
}

charset_decoder::charset_decoder(std::string_view charset)
    : handle_{open_conversion(charset)} {}
charset_decoder::~charset_decoder() {
    if (converts()) iconv_close(static_cast<iconv_t>(handle_));
}
bool charset_decoder::converts() const noexcept {
    return handle_ != no_conversion;
}

std::string_view charset_decoder::feed(std::string_view octets) {
    if (!converts()) return octets;
    std::string joined;
    if (!rest_.empty()) {
        joined = std::move(rest_) + std::string{octets};
        rest_.clear();
        octets = joined;
    }
    out_.resize(octets.size() * 3 + 64);         // most characters of most charsets fit; E2BIG grows it
    char* in = const_cast<char*>(octets.data()); // iconv() does not write there
    std::size_t left = octets.size(), used = 0;
    while (left > 0) {
        char* out = out_.data() + used;
        std::size_t room = out_.size() - used;
        const bool failed =
            iconv(static_cast<iconv_t>(handle_), &in, &left, &out, &room) == static_cast<std::size_t>(-1);
        const int why = errno;
        used = out_.size() - room;
        if (!failed) break;
        if (why == EINVAL && left < 16) { // incomplete: it goes on in the next piece
            rest_.assign(in, left);
            break;
        }
        if (why == E2BIG || room == 0) {
            out_.resize(out_.size() * 2);
            if (why == E2BIG) continue;
        }
        out_[used++] = '?';
        ++invalid_;
        ++in;
        --left;
    }
    return std::string_view{out_}.substr(0, used);
}

} // namespace postsluice::contentfilter::mime
