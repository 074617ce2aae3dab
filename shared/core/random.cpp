// SPDX-License-Identifier: Apache-2.0
#include "shared/core/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <stdexcept>

namespace postsluice {
namespace {
constexpr std::string_view crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t reference_length = 8;
} // namespace

std::string random_bytes(std::size_t size) {
    std::string out(size, '\0');
    for (std::size_t done = 0; done < size;) {
        const auto n = ::getrandom(out.data() + done, size - done, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw std::runtime_error{"getrandom failed"};
        done += static_cast<std::size_t>(n);
    }
    return out;
}

std::string new_reference() {
    const auto bytes = random_bytes(reference_length);
    std::string out;
    for (const char c : bytes)
        out.push_back(crockford[static_cast<unsigned char>(c) & 31U]);
    return out;
}

std::string normalise_reference(std::string_view text) {
    if (text.size() != reference_length) return {};
    std::string out;
    for (char c : text) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        if (c == 'I' || c == 'L') c = '1';
        if (c == 'O') c = '0';
        if (crockford.find(c) == std::string_view::npos) return {};
        out.push_back(c);
    }
    return out;
}

} // namespace postsluice
