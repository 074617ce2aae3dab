// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/intake/try_mark.hpp"

#include "contentfilter/intake/digest.hpp"
#include "shared/log/log.hpp"

#include <algorithm>

namespace postsluice::contentfilter {

namespace {

constexpr std::string_view empty_line = "\r\n\r\n";

/// Finds the end of the first empty line in octets that come in pieces.
class body_finder {
public:
    /// What of `piece` is body.
    std::string_view feed(std::string_view piece) noexcept {
        while (seen_ < empty_line.size() && !piece.empty()) {
            const char c = piece.front();
            piece.remove_prefix(1);
            ++header_;
            if (c == empty_line[seen_])
                ++seen_;
            else
                seen_ = c == empty_line.front() ? 1 : 0;
        }
        return piece;
    }
    [[nodiscard]] std::uint64_t header() const noexcept { return header_; } ///< octets, with the empty line

private:
    std::size_t seen_ = 2; // a line begins
    std::uint64_t header_ = 0;
};

result<std::string> digest_of_body(const spool& content) {
    sha256 hash;
    body_finder finder;
    std::size_t hashed = 0;
    auto read = content.for_each(0, [&](std::string_view piece) {
        const auto part = finder.feed(piece).substr(0, most_of_a_body - hashed);
        hash.update(part);
        hashed += part.size();
        return hashed < most_of_a_body;
    });
    if (!read) return read.error();
    hash.update(" " + std::to_string(content.size() - finder.header()));
    return hash.hex();
}

std::string name_of(const smtp::envelope& envelope) {
    auto out = "-\n" + envelope.sender.address.key();
    for (const auto& one : envelope.recipients)
        out.append("\n").append(one.address.key());
    return out;
}

} // namespace

result<try_key> key_of_try(const message& what) {
    if (what.queue_id != "-") return try_key{what.queue_id, what.digest};
    auto digest = digest_of_body(*what.content);
    if (!digest) return digest.error();
    return try_key{name_of(what.envelope), std::move(*digest)};
}

try_key key_without_content(const smtp::envelope& envelope) {
    return {name_of(envelope), "-"};
}

try_mark::try_mark(state::attempts& all, try_key key)
    : all_{all}
    , key_{std::move(key)} {
    const auto died = all_.begin(key_.name, key_.digest);
    if (died)
        deaths_ = *died;
    else
        log::error("try not marked").kv("why", died.error().message());
}

try_mark::~try_mark() {
    const auto done = remember_ ? all_.leave(key_.name, key_.digest) : all_.end(key_.name, key_.digest);
    if (!done) log::error("try not unmarked").kv("why", done.error().message());
}

} // namespace postsluice::contentfilter
