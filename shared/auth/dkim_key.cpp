// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/dkim_key.hpp"

#include "shared/core/descriptor.hpp"
#include "shared/core/text.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstring>
#include <new>

namespace postsluice::auth {

namespace {

constexpr std::size_t max_key_file = 64U << 10U;
/// RFC 8301 section 3.2: verifiers need not take longer keys, and each doubling makes a signature seven times as dear.
constexpr int max_rsa_bits = 4096;

using bio_ptr = std::unique_ptr<BIO, openssl_delete<BIO_free_all>>;

failure file_failure(const std::filesystem::path& file, errc code, const std::string& what) {
    return failure{code, file.string() + ": " + what};
}

result<std::string> read_private_file(const std::filesystem::path& file) {
    const descriptor in{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (in.get() < 0) {
        const int error = errno;
        return file_failure(file,
                            error == ENOENT   ? errc::not_found
                            : error == EACCES ? errc::denied
                                              : errc::unavailable,
                            std::strerror(error));
    }
    struct stat info {};
    if (::fstat(in.get(), &info) != 0) return file_failure(file, errc::unavailable, std::strerror(errno));
    if (!S_ISREG(info.st_mode)) return file_failure(file, errc::malformed, "is not a file");
    if ((info.st_mode & 0037) != 0)
        return file_failure(file, errc::denied, "others can read or change this key; chmod it to 0600 or 0640");
    if (static_cast<std::size_t>(info.st_size) > max_key_file)
        return file_failure(file, errc::too_large, "is too large for a key");
    std::string text(max_key_file, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const auto got = ::read(in.get(), text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return file_failure(file, errc::unavailable, std::strerror(errno));
        if (got == 0) break;
        size += static_cast<std::size_t>(got);
    }
    text.resize(size);
    return text;
}

/// A key that asks for a passphrase is refused instead of asking on the terminal.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

/// As PKCS#8, whatever the file held: libopendkim takes nothing before the first "-----BEGIN".
result<std::string> to_pem(EVP_PKEY* pkey) {
    const bio_ptr out{BIO_new(BIO_s_mem())};
    if (!out || PEM_write_bio_PrivateKey(out.get(), pkey, nullptr, nullptr, 0, nullptr, nullptr) != 1)
        return openssl_failure("the key cannot be written as PEM");
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return std::string(data, static_cast<std::size_t>(size));
}

result<algorithm> kind_of(EVP_PKEY* pkey, std::size_t min_rsa_bits) {
    if (EVP_PKEY_is_a(pkey, "ED25519") == 1) return algorithm::ed25519_sha256;
    if (EVP_PKEY_is_a(pkey, "RSA") != 1) return failure{errc::unsupported, "is neither an RSA nor an Ed25519 key"};
    const int bits = EVP_PKEY_get_bits(pkey);
    if (bits < 0 || static_cast<std::size_t>(bits) < min_rsa_bits)
        return failure{errc::unsupported, "has " + std::to_string(bits) + " bits; at least " +
                                              std::to_string(min_rsa_bits) + " are needed"};
    if (bits > max_rsa_bits)
        return failure{errc::unsupported, "has " + std::to_string(bits) + " bits; receivers need not take more than " +
                                              std::to_string(max_rsa_bits)};
    return algorithm::rsa_sha256;
}

} // namespace

std::string_view to_string(algorithm a) noexcept {
    return a == algorithm::rsa_sha256 ? "rsa-sha256" : "ed25519-sha256";
}

const EVP_MD* sha256() {
    static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    assert(md != nullptr);
    return md;
}

md_ctx_ptr begin_sha256() {
    md_ctx_ptr out{EVP_MD_CTX_new()};
    if (!out || EVP_DigestInit_ex2(out.get(), sha256(), nullptr) != 1) throw std::bad_alloc{};
    return out;
}

failure openssl_failure(std::string what) {
    char text[256] = "no detail";
    if (const auto code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return failure{errc::internal, std::move(what) + ": " + text};
}

std::string base64(std::string_view bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0'); // EVP_EncodeBlock ends with a NUL
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

namespace {

/// Base64 of DER, without armour.
pkey_ptr from_base64(std::string text) {
    std::erase_if(text, [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
    std::string der(text.size(), '\0');
    const int size =
        text.empty() || text.size() % 4 != 0
            ? -1
            : EVP_DecodeBlock(reinterpret_cast<unsigned char*>(der.data()),
                              reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    const auto* data = reinterpret_cast<const unsigned char*>(der.data());
    pkey_ptr out{size > 0 ? d2i_AutoPrivateKey(nullptr, &data, size) : nullptr};
    OPENSSL_cleanse(text.data(), text.size());
    OPENSSL_cleanse(der.data(), der.size());
    return out;
}

} // namespace

result<signing_key> read_key(std::string text, const std::filesystem::path& origin, std::string domain,
                             std::string selector, std::size_t min_rsa_bits) {
    const bio_ptr in{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
    pkey_ptr pkey{in ? PEM_read_bio_PrivateKey(in.get(), nullptr, no_passphrase, nullptr) : nullptr};
    if (!pkey && text.find("-----") == std::string::npos) pkey = from_base64(text);
    OPENSSL_cleanse(text.data(), text.size());
    if (!pkey) {
        auto why = openssl_failure("is not a PEM private key without a passphrase");
        return file_failure(origin, errc::malformed, why.detail);
    }
    ERR_clear_error();
    const auto kind = kind_of(pkey.get(), min_rsa_bits);
    if (!kind) return file_failure(origin, kind.error().code, kind.error().detail);
    auto pem = to_pem(pkey.get());
    if (!pem) return file_failure(origin, pem.error().code, pem.error().detail);
    signing_key out{to_lower(domain), std::move(selector), *kind, origin, nullptr, std::move(*pem), {}};
    out.key = std::make_shared<const signing_key::parsed>(std::move(pkey));
    return out;
}

result<signing_key> load_key(const std::filesystem::path& file, std::string domain, std::string selector,
                             std::size_t min_rsa_bits) {
    auto text = read_private_file(file);
    if (!text) return text.error();
    return read_key(std::move(*text), file, std::move(domain), std::move(selector), min_rsa_bits);
}

std::string dns_record(const signing_key& key) {
    assert(key.key);
    EVP_PKEY* const pkey = key.key->pkey.get();
    if (key.kind == algorithm::ed25519_sha256) { // the bare 32 octets (RFC 8463 section 4)
        std::string raw(32, '\0');
        std::size_t size = raw.size();
        if (EVP_PKEY_get_raw_public_key(pkey, reinterpret_cast<unsigned char*>(raw.data()), &size) != 1)
            throw std::bad_alloc{};
        return "v=DKIM1; k=ed25519; p=" + base64(raw);
    }
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(pkey, &der);
    if (size <= 0) throw std::bad_alloc{};
    auto out = "v=DKIM1; k=rsa; p=" + base64({reinterpret_cast<const char*>(der), static_cast<std::size_t>(size)});
    OPENSSL_free(der);
    return out;
}

unsigned key_bits(const signing_key& key) {
    if (key.kind == algorithm::ed25519_sha256) return 256;
    return key.key ? static_cast<unsigned>(EVP_PKEY_get_bits(key.key->pkey.get())) : 0;
}

namespace {

result<std::string> sign_rsa(EVP_PKEY* pkey, const unsigned char* digest, std::size_t digest_size) {
    const pkey_ctx_ptr ctx{EVP_PKEY_CTX_new(pkey, nullptr)};
    std::string out(static_cast<std::size_t>(EVP_PKEY_get_size(pkey)), '\0');
    std::size_t size = out.size();
    if (!ctx || EVP_PKEY_sign_init(ctx.get()) != 1 || EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(ctx.get(), sha256()) != 1 ||
        EVP_PKEY_sign(ctx.get(), reinterpret_cast<unsigned char*>(out.data()), &size, digest, digest_size) != 1)
        return openssl_failure("an RSA signature failed");
    out.resize(size);
    return out;
}

result<std::string> sign_ed25519(EVP_PKEY* pkey, const unsigned char* digest, std::size_t digest_size) {
    const md_ctx_ptr ctx{EVP_MD_CTX_new()};
    std::string out(64, '\0');
    std::size_t size = out.size();
    if (!ctx || EVP_DigestSignInit(ctx.get(), nullptr, nullptr, nullptr, pkey) != 1 ||
        EVP_DigestSign(ctx.get(), reinterpret_cast<unsigned char*>(out.data()), &size, digest, digest_size) != 1)
        return openssl_failure("an Ed25519 signature failed");
    out.resize(size);
    return out;
}

} // namespace

result<std::string> sign_digest(const signing_key& key, std::string_view digest) {
    if (!key.key) return failure{errc::internal, "a key that was never loaded"};
    const auto* const data = reinterpret_cast<const unsigned char*>(digest.data());
    EVP_PKEY* const pkey = key.key->pkey.get();
    return key.kind == algorithm::rsa_sha256 ? sign_rsa(pkey, data, digest.size())
                                             : sign_ed25519(pkey, data, digest.size());
}

} // namespace postsluice::auth
