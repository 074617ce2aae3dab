// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/dkim_key.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <new>

namespace postsluice::auth {

namespace {

/// Changed, added or dropped on the way as a matter of course, or the signature itself (RFC 6376 section 5.4.1).
constexpr std::array<std::string_view, 5> never_signed = {"Received", "Return-Path", "Bcc", "Content-Length",
                                                          "DKIM-Signature"};

bool has_name(std::span<const std::string> names, std::string_view name) {
    return std::any_of(names.begin(), names.end(), [name](const std::string& n) { return iequals(n, name); });
}

bool may_be_signed(std::string_view name) {
    if (name.empty() ||
        std::any_of(never_signed.begin(), never_signed.end(), [name](auto n) { return iequals(n, name); }))
        return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        const char l = ascii_lower(c);
        return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

/// A header field that breaks its line before it passes 76 columns; a single token that is longer stands alone.
class folded_field {
public:
    explicit folded_field(std::string_view start)
        : text_{start}
        , column_{start.size()} {}
    /// A tag, after a blank.
    void tag(std::string_view token) {
        fold_before(token.size() + 1, " ");
        text(token);
    }
    /// More of the same tag where folding white space may stand.
    void more(std::string_view token) {
        fold_before(token.size(), "");
        text(token);
    }
    /// Text that may be cut anywhere (base64).
    void stream(std::string_view rest) {
        while (!rest.empty()) {
            if (column_ >= width) fold_before(width, "");
            const auto piece = rest.substr(0, width - column_);
            text(piece);
            rest.remove_prefix(piece.size());
        }
    }
    [[nodiscard]] const std::string& str() const noexcept { return text_; }

private:
    static constexpr std::size_t width = 76;
    void text(std::string_view token) {
        text_ += token;
        column_ += token.size();
    }
    void fold_before(std::size_t size, std::string_view otherwise) {
        if (column_ + size > width) {
            text_ += "\r\n ";
            column_ = 1;
        } else {
            text(otherwise);
        }
    }
    std::string text_;
    std::size_t column_;
};

struct header_input {
    std::vector<std::string> h; ///< the names of h=, in order
    md_ctx_ptr digest;          ///< over the canonical fields, before the signature's own
};

/// Section 3.7: the fields named by h=, each occurrence once from the bottom up; a name that finds none adds nothing.
result<header_input> gather(const config::dkim_settings& settings, std::span<const std::string_view> fields) {
    const auto names = names_to_sign(settings, fields);
    std::vector<std::vector<std::size_t>> found(names.sign.size());
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const auto name = field_name(fields[i]);
        for (std::size_t n = 0; n < names.sign.size() && !name.empty(); ++n)
            if (iequals(names.sign[n], name)) {
                found[n].push_back(i);
                break;
            }
    }
    if (found.front().empty()) return failure{errc::malformed, "a message without From: cannot be signed"};
    header_input out{{}, begin_sha256()};
    for (std::size_t n = 0; n < names.sign.size(); ++n) {
        for (auto i = found[n].rbegin(); i != found[n].rend(); ++i) {
            const auto line = canonical_header(fields[*i]) + "\r\n";
            if (EVP_DigestUpdate(out.digest.get(), line.data(), line.size()) != 1) throw std::bad_alloc{};
        }
        const auto times = found[n].size() + (has_name(names.oversign, names.sign[n]) ? 1U : 0U);
        out.h.insert(out.h.end(), times, names.sign[n]);
    }
    return out;
}

/// dkim-quoted-printable (section 2.11).
std::string encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c > ' ' && c < 127 && c != ';' && c != '=') {
            out += c;
            continue;
        }
        constexpr std::string_view digits = "0123456789ABCDEF";
        const auto octet = static_cast<unsigned char>(c);
        out += '=';
        out += digits[octet >> 4U];
        out += digits[octet & 15U];
    }
    return out;
}

folded_field unsigned_field(const signing_key& key, const header_input& input, std::string_view body_sha256,
                            instant now, seconds expire) {
    folded_field out{"DKIM-Signature: v=1;"};
    out.tag("a=" + std::string{to_string(key.kind)} + ";");
    out.tag("c=relaxed/relaxed;");
    out.tag("d=" + key.domain + ";");
    out.tag("s=" + key.selector + ";");
    if (const auto at = key.identity.rfind('@'); at != std::string::npos) {
        // i= must be the signing domain or below (section 3.5); what is not, is left out, as OpenDKIM does.
        const auto host = to_lower(std::string_view{key.identity}.substr(at + 1));
        if (host == key.domain || host.ends_with("." + key.domain)) out.tag("i=" + encoded(key.identity) + ";");
    }
    const auto made = std::chrono::duration_cast<seconds>(now.time_since_epoch());
    out.tag("t=" + std::to_string(made.count()) + ";");
    if (expire != seconds{0}) out.tag("x=" + std::to_string((made + expire).count()) + ";");
    for (std::size_t i = 0; i < input.h.size(); ++i) {
        const auto token = input.h[i] + (i + 1 == input.h.size() ? ";" : ":");
        if (i == 0)
            out.tag("h=" + token);
        else
            out.more(token);
    }
    out.tag("bh=" + base64(body_sha256) + ";");
    out.tag("b=");
    return out;
}

result<std::string> sign_one(const signing_key& key, const header_input& input, std::string_view body_sha256,
                             instant now, seconds expire) {
    auto field = unsigned_field(key, input, body_sha256, now, expire);
    const auto own = canonical_header(field.str()); // with b= empty and without a line end, section 3.7
    const md_ctx_ptr digest{EVP_MD_CTX_new()};
    std::string hash(32, '\0');
    unsigned size = 0;
    if (!digest || EVP_MD_CTX_copy_ex(digest.get(), input.digest.get()) != 1 ||
        EVP_DigestUpdate(digest.get(), own.data(), own.size()) != 1 ||
        EVP_DigestFinal_ex(digest.get(), reinterpret_cast<unsigned char*>(hash.data()), &size) != 1)
        return openssl_failure("the header could not be hashed");
    const auto signature = sign_digest(key, hash);
    if (!signature) return signature.error();
    field.stream(base64(*signature));
    return field.str();
}

} // namespace

signed_names names_to_sign(const config::dkim_settings& settings, std::span<const std::string_view> fields) {
    signed_names out;
    const auto add = [&out](const std::string& name) {
        if (may_be_signed(name) && !has_name(out.sign, name)) out.sign.push_back(name);
    };
    add("From"); // must be signed (section 5.4), and first: libopendkim looks for it in the first 4 KiB of h= only
    for (const auto& name : settings.headers)
        add(name);
    const auto add_once_more = [&out](const std::string& name) {
        if (may_be_signed(name) && !has_name(out.oversign, name)) out.oversign.push_back(name);
    };
    for (const auto& name : settings.oversign) {
        add(name);
        add_once_more(name);
    }
    const auto there = [&fields](const std::string& name) {
        return std::any_of(fields.begin(), fields.end(), [&](auto field) { return iequals(field_name(field), name); });
    };
    for (const auto& name : settings.oversign_present)
        if (has_name(out.sign, name) && there(name)) add_once_more(name);
    return out;
}

result<std::vector<std::string>> sign(const config::dkim_settings& settings, std::span<const signing_key> keys,
                                      std::span<const std::string_view> fields, std::string_view body_sha256,
                                      instant now) {
    if (body_sha256.size() != 32) return failure{errc::internal, "a body hash that is not 32 octets long"};
    const auto input = gather(settings, fields);
    if (!input) return input.error();
    std::vector<std::string> out;
    for (const auto kind : {algorithm::rsa_sha256, algorithm::ed25519_sha256})
        for (const auto& key : keys) {
            if (key.kind != kind) continue;
            auto field = sign_one(key, *input, body_sha256, now, settings.expire);
            if (!field) return field.error();
            out.push_back(std::move(*field));
        }
    return out;
}

} // namespace postsluice::auth
