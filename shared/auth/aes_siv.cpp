// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/aes_siv.hpp"

#include <openssl/evp.h>

#include <memory>
#include <stdexcept>

namespace postsluice::auth {

namespace {

using context = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* octets(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* octets(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

void need(bool good) {
    if (!good) throw std::runtime_error{"AES-SIV: OpenSSL failed"};
}

context begin(std::string_view key, bool seal) {
    static EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-128-SIV", nullptr);
    context out{EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
    need(cipher != nullptr && out && key.size() == aes_siv_key);
    need(EVP_CipherInit_ex2(out.get(), cipher, octets(key), nullptr, seal ? 1 : 0, nullptr) == 1);
    return out;
}

} // namespace

std::string aes_siv_seal(std::string_view key, std::string_view associated, std::string_view plaintext) {
    const auto c = begin(key, true);
    std::string out(aes_siv_tag + plaintext.size(), '\0');
    int size = 0;
    need(EVP_EncryptUpdate(c.get(), nullptr, &size, octets(associated), static_cast<int>(associated.size())) == 1);
    need(EVP_EncryptUpdate(c.get(), octets(out) + aes_siv_tag, &size, octets(plaintext),
                           static_cast<int>(plaintext.size())) == 1);
    need(EVP_EncryptFinal_ex(c.get(), octets(out) + aes_siv_tag + size, &size) == 1);
    need(EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_GET_TAG, aes_siv_tag, out.data()) == 1);
    return out;
}

result<std::string> aes_siv_open(std::string_view key, std::string_view associated, std::string_view sealed) {
    const failure foreign{errc::denied, "was not made with this key"};
    if (sealed.size() <= aes_siv_tag) return foreign;
    const auto c = begin(key, false);
    std::string tag{sealed.substr(0, aes_siv_tag)};
    const auto hidden = sealed.substr(aes_siv_tag);
    std::string out(hidden.size(), '\0');
    int size = 0;
    need(EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_AEAD_SET_TAG, aes_siv_tag, tag.data()) == 1);
    need(EVP_DecryptUpdate(c.get(), nullptr, &size, octets(associated), static_cast<int>(associated.size())) == 1);
    if (EVP_DecryptUpdate(c.get(), octets(out), &size, octets(hidden), static_cast<int>(hidden.size())) != 1)
        return foreign;
    return out;
}

} // namespace postsluice::auth
