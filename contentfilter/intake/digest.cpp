// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/intake/digest.hpp"

#include <openssl/evp.h>

#include <array>
#include <stdexcept>

namespace postsluice::contentfilter {

struct sha256::context {
    context()
        : md{EVP_MD_CTX_new()} {}
    ~context() { EVP_MD_CTX_free(md); }
    context(const context&) = delete;
    EVP_MD_CTX* md;
};

sha256::sha256()
    : context_{std::make_unique<context>()} {
    if (!context_->md || EVP_DigestInit_ex(context_->md, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("SHA-256 is not available");
}
sha256::~sha256() = default;
sha256::sha256(sha256&&) noexcept = default;

void sha256::update(std::string_view octets) {
    EVP_DigestUpdate(context_->md, octets.data(), octets.size());
}

std::string sha256::hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> octets{};
    unsigned size = 0;
    EVP_DigestFinal_ex(context_->md, octets.data(), &size);
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (unsigned i = 0; i < size; ++i) {
        out += digits[octets[i] >> 4U];
        out += digits[octets[i] & 15U];
    }
    return out;
}

} // namespace postsluice::contentfilter
