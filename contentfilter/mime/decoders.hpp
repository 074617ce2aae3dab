// SPDX-License-Identifier: Apache-2.0
// Streaming decoders: pieces in, pieces out, constant memory. transfer_decoder undoes Content-Transfer-Encoding
// (GMime's steps: what is not base64 is skipped, as every reader does); charset_decoder makes UTF-8 of a declared
// charset (iconv), what cannot be converted becomes '?'. An unknown charset, US-ASCII and UTF-8 pass as they are. One
// object serves one part in one thread.
#pragma once

#include "contentfilter/mime/fields.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace postsluice::contentfilter::mime {

class transfer_decoder {
public:
    explicit transfer_decoder(transfer_encoding encoding);
    ~transfer_decoder();
    transfer_decoder(const transfer_decoder&) = delete;
    /// The decoded octets; valid until the next call.
    [[nodiscard]] std::string_view feed(std::string_view encoded);
    [[nodiscard]] std::string_view finish();

private:
    [[nodiscard]] std::string_view step(std::string_view encoded, bool last);
    struct impl;
    std::unique_ptr<impl> impl_; // null: identity
};

class charset_decoder {
public:
    explicit charset_decoder(std::string_view charset);
    ~charset_decoder();
    charset_decoder(const charset_decoder&) = delete;
    /// Whether it does anything at all.
    [[nodiscard]] bool converts() const noexcept;
    [[nodiscard]] std::string_view feed(std::string_view octets);
    /// Octets so far that became '?'.
    [[nodiscard]] std::size_t invalid() const noexcept { return invalid_; }

private:
    void* handle_;     // iconv_t
    std::string rest_; // an incomplete character at the end of the last piece
    std::string out_;
    std::size_t invalid_ = 0;
};

} // namespace postsluice::contentfilter::mime
