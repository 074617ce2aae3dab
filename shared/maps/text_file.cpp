// SPDX-License-Identifier: Apache-2.0
#include "shared/core/descriptor.hpp"
#include "shared/core/text.hpp"
#include "shared/maps/table.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace postsluice::maps {

namespace {

bool is_blank_or_comment(std::string_view line) noexcept {
    for (const char c : line)
        if (!is_space(c)) return c == '#';
    return true;
}

} // namespace

failure file_failure(const std::string& path, int number) {
    const auto code = number == ENOENT || number == ENOTDIR ? errc::not_found
                      : number == EACCES || number == EPERM ? errc::denied
                                                            : errc::unavailable;
    return {code, path + ": " + std::strerror(number)}; // NOLINT(concurrency-mt-unsafe)
}

result<std::string> read_whole(const std::string& path) {
    const descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)}; // a FIFO must not hold us
    if (file.get() < 0) return file_failure(path, errno);
    std::string out;
    std::array<char, 65536> buffer{};
    for (;;) {
        const auto n = ::read(file.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return file_failure(path, errno);
        if (n == 0) return out;
        out.append(buffer.data(), static_cast<std::size_t>(n));
        if (out.size() > max_file)
            return failure{errc::too_large, path + " has more than " + std::to_string(max_file >> 20U) + " MiB"};
    }
}

std::vector<logical_line> logical_lines(std::string_view text, std::vector<std::string>& warnings) {
    std::vector<logical_line> out;
    std::size_t number = 0;
    bool orphan = false; // what continues nothing is left out with all that continues it
    while (!text.empty()) {
        const auto end = text.find('\n');
        const auto line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        ++number;
        if (is_blank_or_comment(line)) continue;
        if (!is_space(line.front())) {
            out.push_back({number, std::string{line}});
            orphan = false;
        } else if (!out.empty() && !orphan) {
            out.back().text += line;
        } else {
            warnings.push_back("line " + std::to_string(number) + ": begins with a blank and continues nothing");
            orphan = true;
        }
    }
    for (auto& one : out)
        while (!one.text.empty() && is_space(one.text.back()))
            one.text.pop_back();
    return out;
}

} // namespace postsluice::maps
