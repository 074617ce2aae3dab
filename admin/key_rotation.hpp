// SPDX-License-Identifier: Apache-2.0
// The steps of a key's rotation on disk. DOMAIN/next/NEW.pem is made and does not sign; then NEW.pem signs and OLD.pem
// goes to DOMAIN/old, its file's time saying since when. The content filter watches the files. Each step may be done
// again after a crash at any point of it, at each moment one of both keys signs, and nothing is overwritten. Blocking;
// run by an operator who may write there.
#pragma once

#include "shared/auth/dkim.hpp"

namespace postsluice::admin {

/// Keeps other rotations of a domain away while it lives.
class rotation_lock {
public:
    /// errc::exists: another one has it; not_found: no such directory.
    [[nodiscard]] static result<rotation_lock> take(const std::filesystem::path& domain_directory);
    rotation_lock(rotation_lock&& other) noexcept
        : descriptor_{std::exchange(other.descriptor_, -1)} {}
    rotation_lock& operator=(rotation_lock&&) = delete;
    ~rotation_lock();

private:
    explicit rotation_lock(int descriptor)
        : descriptor_{descriptor} {}
    int descriptor_;
};

/// Puts next/`next`.pem in force and retires `retired`.pem (empty: none). errc::exists where another key has a name
/// that is needed.
[[nodiscard]] result<void> switch_keys(const std::filesystem::path& domain_directory, const std::string& next,
                                       const std::string& retired, instant now);

/// Deletes old/`selector`.pem.
[[nodiscard]] result<void> remove_retired(const std::filesystem::path& domain_directory, const std::string& selector);

} // namespace postsluice::admin
