// SPDX-License-Identifier: Apache-2.0
// New DKIM keys on disk, DIRECTORY/DOMAIN/SELECTOR.pem or DOMAIN/next/SELECTOR.pem, as the content filter reads them:
// 0600, of the user that it runs as. Nothing that is there is ever overwritten, and a file appears whole or not at all.
// Blocking; run by an operator.
#pragma once

#include "shared/auth/dkim.hpp"

namespace postsluice::admin {

struct key_order {
    std::filesystem::path directory; ///< dkim.directory
    std::string domain;              ///< lower case, or "*." and one
    std::string owner; ///< a user's name; empty: the directory's owner, or "postsluice" where that is root
    std::size_t min_rsa_bits = 1024;
    unsigned rsa_bits = 2048;
    auth::key_role role = auth::key_role::current; ///< which folder of the domain
};

/// Makes the key and loads it back as the filter will. errc::exists where the file is there, denied where the owner
/// cannot be given; nothing is left behind by a failure but directories.
[[nodiscard]] result<auth::signing_key> make_key_file(const key_order& order, const std::string& selector,
                                                      auth::algorithm kind);

} // namespace postsluice::admin
