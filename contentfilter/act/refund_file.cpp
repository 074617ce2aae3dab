// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/refund_file.hpp"

#include "shared/core/text.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>

#include <fcntl.h>
#include <unistd.h>

namespace postsluice::contentfilter::act {

namespace {

constexpr std::size_t max_line = 2048; // a ticket has up to 1024 octets, an account's name in the log 400

failure file_failure(const std::filesystem::path& file, int error) {
    return {error == ENOSPC || error == EDQUOT ? errc::disk_full : errc::unavailable,
            file.string() + ": " + std::strerror(error)};
}

// The line end in front parts it from a line that was torn.
std::string line_of(const refund_claim& one) {
    return "\n" + std::to_string(one.until.time_since_epoch().count()) + "\t" + one.sealed + "\t" +
           printable(one.account) + "\n";
}

std::optional<refund_claim> claim_of(std::string_view line) {
    const auto parts = split(line, '\t');
    if (line.size() > max_line || parts.size() != 3 || parts[1].empty()) return std::nullopt;
    std::int64_t until = 0;
    const auto* const end = parts[0].data() + parts[0].size();
    const auto [stopped, error] = std::from_chars(parts[0].data(), end, until);
    if (error != std::errc{} || stopped != end) return std::nullopt;
    return refund_claim{std::string{parts[1]}, std::string{parts[2]}, instant{milliseconds{until}}};
}

} // namespace

std::deque<refund_claim> refund_file::read(std::size_t most) {
    std::deque<refund_claim> out;
    std::ifstream in{name_, std::ios::binary};
    for (std::string line; std::getline(in, line);) {
        auto one = claim_of(line);
        if (!one) continue;
        ++lines_;
        if (out.size() == most) out.pop_front();
        out.push_back(std::move(*one));
    }
    return out;
}

result<void> refund_file::add(const refund_claim& one) {
    ++lines_;
    return write(name_, O_APPEND, line_of(one));
}

result<void> refund_file::replace(const std::deque<refund_claim>& all) {
    if (all.empty()) {
        lines_ = 0;
        if (::unlink(name_.c_str()) != 0 && errno != ENOENT) return file_failure(name_, errno);
        return {};
    }
    std::string text;
    for (const auto& one : all)
        text += line_of(one);
    auto aside = name_;
    aside += ".new";
    if (auto written = write(aside, O_TRUNC, text); !written) return written;
    if (::rename(aside.c_str(), name_.c_str()) != 0) return file_failure(name_, errno);
    lines_ = all.size();
    return {};
}

result<void> refund_file::write(const std::filesystem::path& to, int flags, std::string_view text) const {
    const int fd = ::open(to.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0600);
    if (fd < 0) return file_failure(to, errno);
    result<void> out{};
    while (!text.empty() && out) {
        const auto written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0)
            out = file_failure(to, written < 0 ? errno : ENOSPC);
        else
            text.remove_prefix(static_cast<std::size_t>(written));
    }
    ::close(fd);
    return out;
}

} // namespace postsluice::contentfilter::act
