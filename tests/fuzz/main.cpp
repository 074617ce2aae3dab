// SPDX-License-Identifier: Apache-2.0
// Drives a fuzz target without libFuzzer:
//
//   fuzz-TARGET FILE|DIRECTORY...                    replays each file; "N seeds replayed"
//   fuzz-TARGET --seconds S [--random N] SEEDS...    then mutates them for S seconds, the same way for the same N
//
// What a mutation did is kept in ./crash-TARGET while it runs, so that an abort leaves its input behind.
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

namespace {

using octets = std::vector<std::uint8_t>;
constexpr std::size_t most = 1U << 17U; // octets of one input

octets current;       // what the target is looking at
std::string left_for; // where it is written on an abort

extern "C" void on_abort(int number) {
    const int fd = ::open(left_for.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)!::write(fd, current.data(), current.size());
        ::close(fd);
    }
    (void)std::signal(number, SIG_DFL);
    (void)::raise(number);
}

void run_one(octets input) {
    current = std::move(input);
    (void)LLVMFuzzerTestOneInput(current.data(), current.size());
}

octets read_file(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
}

std::vector<octets> read_seeds(const std::vector<std::filesystem::path>& where) {
    std::vector<std::filesystem::path> files;
    for (const auto& path : where) {
        if (!std::filesystem::is_directory(path)) {
            files.push_back(path);
            continue;
        }
        for (const auto& entry : std::filesystem::directory_iterator{path}) {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end()); // the same order on every file system
    std::vector<octets> out;
    for (const auto& file : files) {
        out.push_back(read_file(file));
    }
    return out;
}

class mutator {
public:
    mutator(const std::vector<octets>& seeds, std::uint64_t number)
        : seeds_{seeds}
        , random_{number} {}

    octets next() {
        octets out = any_seed();
        for (auto steps = below(6) + 1; steps != 0; --steps) {
            change(out);
        }
        out.resize(std::min(out.size(), most));
        return out;
    }

private:
    std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }
    const octets& any_seed() { return seeds_[below(seeds_.size())]; }
    using offset = octets::difference_type;

    void change(octets& out) {
        static constexpr std::array<std::uint8_t, 16> telling = {0,   '\n', '\r', '=', '.', '"', '\\', ' ',
                                                                 '0', '9',  '/',  '*', '@', ':', 0x7F, 0xFF};
        const auto at = below(out.size() + 1);
        const auto here = out.begin() + static_cast<offset>(at);
        switch (below(6)) {
        case 0: // a bit
            if (at < out.size()) {
                out[at] ^= static_cast<std::uint8_t>(1U << below(8));
            }
            break;
        case 1: // an octet that means something somewhere
            out.insert(here, telling[below(telling.size())]);
            break;
        case 2: // a piece is gone
            out.erase(here, here + static_cast<offset>(below(std::min<std::size_t>(out.size() - at, 64) + 1)));
            break;
        case 3: // a piece twice
            repeat(out, at);
            break;
        case 4: // the end of another seed
            splice(out, at);
            break;
        default:
            if (at < out.size()) {
                out[at] = static_cast<std::uint8_t>(random_());
            }
        }
    }

    void repeat(octets& out, std::size_t at) {
        const auto size = below(std::min<std::size_t>(out.size() - at, 256) + 1);
        const octets piece{out.begin() + static_cast<offset>(at), out.begin() + static_cast<offset>(at + size)};
        for (auto times = below(below(20) == 0 ? 200 : 3) + 1; times != 0 && out.size() < most; --times) {
            out.insert(out.begin() + static_cast<offset>(at), piece.begin(), piece.end());
        }
    }

    void splice(octets& out, std::size_t at) {
        const octets& other = any_seed();
        const auto from = below(other.size() + 1);
        out.resize(at);
        out.insert(out.end(), other.begin() + static_cast<offset>(from), other.end());
    }

    const std::vector<octets>& seeds_;
    std::mt19937_64 random_;
};

} // namespace

int main(int argc, char** argv) {
    double seconds = 0;
    std::uint64_t number = 1;
    std::vector<std::filesystem::path> where;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--seconds" && i + 1 < argc) {
            seconds = std::atof(argv[++i]);
        } else if (word == "--random" && i + 1 < argc) {
            number = std::strtoull(argv[++i], nullptr, 10);
        } else {
            where.emplace_back(word);
        }
    }
    left_for = "crash-" + std::filesystem::path{argv[0]}.filename().string();
    (void)std::signal(SIGABRT, on_abort);
    (void)std::signal(SIGSEGV, on_abort);
    const auto seeds = read_seeds(where);
    if (seeds.empty()) {
        std::fprintf(stderr, "no seeds\n");
        return 2;
    }
    for (const auto& seed : seeds) {
        run_one(seed);
    }
    std::printf("%zu seeds replayed\n", seeds.size());
    mutator mutations{seeds, number};
    std::uint64_t runs = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>{seconds};
    for (; seconds > 0 && std::chrono::steady_clock::now() < end; ++runs) {
        run_one(mutations.next());
    }
    if (seconds > 0) {
        std::printf("%llu mutations\n", static_cast<unsigned long long>(runs));
    }
    return 0;
}
