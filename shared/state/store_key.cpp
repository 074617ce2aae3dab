// SPDX-License-Identifier: Apache-2.0
// Keyed keys: SipHash-2-4 with a 128-bit result (Aumasson and Bernstein; the reference implementation's vectors are in
// the tests) over the parts, each preceded by its length, so that no two lists of parts read alike.
#include "shared/core/random.hpp"
#include "shared/state/store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace postsluice::state {
namespace {

constexpr std::size_t secret_size = 16;

class siphash128 {
public:
    explicit siphash128(std::string_view key) {
        std::array<unsigned char, secret_size> k{};
        std::memcpy(k.data(), key.data(), std::min(key.size(), k.size()));
        const std::uint64_t k0 = load(k.data()), k1 = load(k.data() + 8);
        v_ = {0x736f6d6570736575ULL ^ k0, 0x646f72616e646f6dULL ^ k1 ^ 0xee, 0x6c7967656e657261ULL ^ k0,
              0x7465646279746573ULL ^ k1};
    }

    void update(const void* data, std::size_t size) {
        const auto* at = static_cast<const unsigned char*>(data);
        total_ += size;
        for (; size != 0 && fill_ != 0; --size)
            push(*at++);
        for (; size >= 8; size -= 8, at += 8)
            absorb(load(at));
        for (; size != 0; --size)
            push(*at++);
    }

    std::array<std::uint64_t, 2> finish() {
        const std::uint64_t last = block_ | (total_ << 56);
        absorb(last);
        v_[2] ^= 0xee;
        for (int i = 0; i < 4; ++i)
            round();
        const std::uint64_t low = v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
        v_[1] ^= 0xdd;
        for (int i = 0; i < 4; ++i)
            round();
        return {low, v_[0] ^ v_[1] ^ v_[2] ^ v_[3]};
    }

private:
    static std::uint64_t load(const unsigned char* at) {
        std::uint64_t value = 0;
        std::memcpy(&value, at, sizeof value);
        return std::endian::native == std::endian::big ? __builtin_bswap64(value) : value;
    }
    void push(unsigned char c) {
        block_ |= std::uint64_t{c} << (8 * fill_);
        if (++fill_ < 8) return;
        absorb(block_);
        block_ = 0;
        fill_ = 0;
    }
    void absorb(std::uint64_t word) {
        v_[3] ^= word;
        round();
        round();
        v_[0] ^= word;
    }
    void round() {
        v_[0] += v_[1], v_[1] = std::rotl(v_[1], 13) ^ v_[0], v_[0] = std::rotl(v_[0], 32);
        v_[2] += v_[3], v_[3] = std::rotl(v_[3], 16) ^ v_[2];
        v_[0] += v_[3], v_[3] = std::rotl(v_[3], 21) ^ v_[0];
        v_[2] += v_[1], v_[1] = std::rotl(v_[1], 17) ^ v_[2], v_[2] = std::rotl(v_[2], 32);
    }

    std::array<std::uint64_t, 4> v_{};
    std::uint64_t block_ = 0;
    std::uint64_t total_ = 0;
    unsigned fill_ = 0;
};

void put_word(char* out, std::uint64_t word) {
    if (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    std::memcpy(out, &word, sizeof word);
}

result<void> create_secret(const std::filesystem::path& directory, const std::filesystem::path& file) {
    // Written aside and linked: the name appears with its whole contents, and only one process wins.
    const auto aside = file.string() + "." + std::to_string(::getpid()) + "." + new_reference();
    const auto fail = [&](int code) {
        const errc what = code == EACCES || code == EPERM || code == EROFS ? errc::denied
                          : code == ENOSPC || code == EDQUOT               ? errc::disk_full
                                                                           : errc::unavailable;
        return failure{what, aside + ": " + std::strerror(code)};
    };
    const int fd = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0) return fail(errno);
    const std::string bytes = random_bytes(secret_size);
    int code = 0;
    if (::fchmod(fd, 0660) != 0 || ::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::fsync(fd) != 0) {
        code = errno != 0 ? errno : ENOSPC;
    }
    ::close(fd);
    if (code == 0 && ::link(aside.c_str(), file.c_str()) != 0 && errno != EEXIST) code = errno;
    ::unlink(aside.c_str());
    if (code != 0) return fail(code);
    const int above = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above >= 0) {
        ::fsync(above);
        ::close(above);
    }
    return {};
}

} // namespace

key_octets hash_key(char tag, std::string_view secret, std::initializer_list<std::string_view> parts) {
    siphash128 hash{secret};
    for (const auto part : parts) {
        const std::uint64_t size = part.size();
        if (parts.size() > 1) hash.update(&size, sizeof size);
        hash.update(part.data(), part.size());
    }
    const auto [low, high] = hash.finish();
    key_octets key;
    key[0] = tag;
    put_word(key.data() + 1, low);
    put_word(key.data() + 9, high);
    return key;
}

std::string hashed_key(char tag, std::string_view secret, std::initializer_list<std::string_view> parts) {
    const auto key = hash_key(tag, secret, parts);
    return {key.data(), key.size()};
}

result<std::string> state_secret(const std::filesystem::path& state_directory) {
    const auto file = state_directory / "hash.key";
    for (int attempt = 0; attempt < 2; ++attempt) {
        std::ifstream in{file, std::ios::binary};
        if (in) {
            std::string bytes{std::istreambuf_iterator<char>{in}, {}};
            if (bytes.size() == secret_size) return bytes;
            return failure{errc::corrupt, file.string() + " has " + std::to_string(bytes.size()) + " octets, not 16; " +
                                              "stop both daemons and remove it: counters and locks start empty"};
        }
        if (errno == EACCES) return failure{errc::denied, file.string() + " cannot be read"};
        if (auto made = create_secret(state_directory, file); !made) return made.error();
    }
    return failure{errc::unavailable, file.string() + " cannot be read"};
}

} // namespace postsluice::state
