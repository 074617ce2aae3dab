// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/dkim_generate.hpp"

#include "shared/auth/dkim_key.hpp"

#include <openssl/pem.h>

namespace postsluice::auth {

result<std::string> generate_key(algorithm kind, unsigned bits) {
    const pkey_ptr key{kind == algorithm::rsa_sha256
                           ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(bits))
                           : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
    if (!key) return openssl_failure("cannot make a key");
    const std::unique_ptr<BIO, openssl_delete<BIO_free>> to{BIO_new(BIO_s_mem())};
    if (!to || PEM_write_bio_PKCS8PrivateKey(to.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
        return openssl_failure("cannot write a key");
    char* begin = nullptr;
    const auto size = BIO_get_mem_data(to.get(), &begin);
    return std::string{begin, static_cast<std::size_t>(size)};
}

} // namespace postsluice::auth
