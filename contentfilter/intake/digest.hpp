// SPDX-License-Identifier: Apache-2.0
// SHA-256 over pieces. One object, one thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace postsluice::contentfilter {

class sha256 {
public:
    sha256(); ///< throws std::runtime_error where OpenSSL has none to give
    ~sha256();
    sha256(sha256&&) noexcept;
    void update(std::string_view octets);
    /// Once, at the end.
    [[nodiscard]] std::string hex();

private:
    struct context;
    std::unique_ptr<context> context_;
};

} // namespace postsluice::contentfilter
