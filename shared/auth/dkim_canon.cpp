// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/dkim_key.hpp"
#include "shared/core/text.hpp"

#include <array>
#include <cassert>
#include <cstring>
#include <new>

namespace postsluice::auth {

namespace {

constexpr std::size_t max_name = 998;

constexpr bool is_wsp(char c) noexcept {
    return c == ' ' || c == '\t';
}

} // namespace

std::string_view field_name(std::string_view raw_field) noexcept {
    const auto colon = raw_field.find(':');
    if (colon == std::string_view::npos) return {};
    auto name = raw_field.substr(0, colon);
    while (!name.empty() && is_wsp(name.back()))
        name.remove_suffix(1);
    if (name.empty() || name.size() > max_name) return {};
    for (const char c : name)
        if (c <= 32 || c >= 127) return {};
    return name;
}

std::string canonical_header(std::string_view raw_field) {
    std::string out;
    out.reserve(raw_field.size());
    const auto colon = raw_field.find(':');
    auto name = raw_field.substr(0, colon);
    while (!name.empty() && is_wsp(name.back()))
        name.remove_suffix(1);
    for (const char c : name)
        out.push_back(ascii_lower(c));
    if (colon == std::string_view::npos) return out;
    out.push_back(':');
    const auto value_at = out.size();
    bool blank = false;
    for (const char c : raw_field.substr(colon + 1)) {
        if (c == '\r' || c == '\n') continue; // unfolding; a bare CR or LF never gets here from the intake
        if (is_wsp(c)) {
            blank = true;
            continue;
        }
        if (blank && out.size() > value_at) out.push_back(' ');
        blank = false;
        out.push_back(c);
    }
    return out;
}

// Blanks and line ends are held back until an octet that is neither shows that they count: so blanks at a line's end
// and empty lines at the body's end cost nothing to drop, however the text was cut into pieces.
struct body_hash::impl {
    md_ctx_ptr digest = begin_sha256();
    std::array<char, 4096> buffer{};
    std::size_t used = 0;
    std::uint64_t lines = 0; // line ends held back
    bool blank = false;      // a run of blanks held back
    bool cr = false;         // the text so far ends in CR
    bool wrote = false;      // anything at all went into the digest

    void flush() {
        if (EVP_DigestUpdate(digest.get(), buffer.data(), used) != 1) throw std::bad_alloc{};
        used = 0;
    }
    void put(std::string_view text) {
        wrote = true;
        if (text.size() > buffer.size() - used) {
            flush();
            if (text.size() > buffer.size() / 2) {
                if (EVP_DigestUpdate(digest.get(), text.data(), text.size()) != 1) throw std::bad_alloc{};
                return;
            }
        }
        std::memcpy(buffer.data() + used, text.data(), text.size());
        used += text.size();
    }
    void release_held() {
        for (; lines > 0; --lines)
            put("\r\n");
        if (blank) put(" ");
        blank = false;
    }
};

body_hash::body_hash()
    : impl_{std::make_unique<impl>()} {}
body_hash::~body_hash() = default;
body_hash::body_hash(body_hash&&) noexcept = default;

namespace {

constexpr std::array<bool, 256> make_special() {
    std::array<bool, 256> out{};
    out[' '] = out['\t'] = out['\r'] = true;
    return out;
}
constexpr std::array<bool, 256> special = make_special();
constexpr bool is_special(char c) noexcept {
    return special[static_cast<unsigned char>(c)];
}

/// The length of the leading run that is its own canonical form: single blanks between other octets, and line ends
/// between lines that neither end nor begin with a blank and are not empty. It ends before anything that what follows
/// the piece could change. Most mail is one such run after the other, which is hashed where it lies. Begins with an
/// octet that is not special.
std::size_t plain_run(std::string_view text) noexcept {
    std::size_t i = 0;
    while (true) {
        while (i < text.size() && !is_special(text[i]))
            ++i;
        if (i + 1 >= text.size()) return i;
        if (text[i] == ' ' && !is_special(text[i + 1])) {
            i += 2;
        } else if (text[i] == '\r' && i + 2 < text.size() && text[i + 1] == '\n' && !is_special(text[i + 2])) {
            i += 3;
        } else {
            return i;
        }
    }
}

} // namespace

void body_hash::update(std::string_view crlf_text) {
    assert(impl_);
    impl& s = *impl_;
    while (!crlf_text.empty()) {
        const char c = crlf_text.front();
        if (s.cr) {
            s.cr = false;
            if (c == '\n') {
                ++s.lines;
                s.blank = false;
                crlf_text.remove_prefix(1);
                continue;
            }
            s.release_held();
            s.put("\r"); // a bare CR is an octet like any other
        }
        if (is_wsp(c) || c == '\r') {
            (c == '\r' ? s.cr : s.blank) = true;
            crlf_text.remove_prefix(1);
            continue;
        }
        s.release_held();
        const auto run = plain_run(crlf_text);
        s.put(crlf_text.substr(0, run));
        crlf_text.remove_prefix(run);
    }
}

std::string body_hash::finish() {
    assert(impl_);
    impl& s = *impl_;
    if (s.cr) {
        s.release_held();
        s.put("\r");
    }
    if (s.wrote) s.put("\r\n"); // the one line end that stays, or the one that was missing
    s.flush();
    std::string out(32, '\0');
    unsigned length = 0;
    if (EVP_DigestFinal_ex(s.digest.get(), reinterpret_cast<unsigned char*>(out.data()), &length) != 1 ||
        length != out.size())
        throw std::bad_alloc{};
    impl_.reset();
    return out;
}

} // namespace postsluice::auth
