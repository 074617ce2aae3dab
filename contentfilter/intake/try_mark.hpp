// SPDX-License-Identifier: Apache-2.0
// The mark that a message is being looked into (state::attempts), set before anything reads its octets: a crash in the
// header's parser is a try like one in a check. What a message is known by at its next try:
//  - after the queue its queue ID and the digest of its octets: Postfix hands over the same ones;
//  - before the queue there is no queue ID, and the client's next try has another ticket, another Received and often
//    another Date. Known are the reverse-path, the recipients, and the body: its first most_of_a_body octets and how
//    many there are. Where the body begins is looked for by nothing but the first empty line.
// Wrong, before the queue, where a client says something else each time (MIME boundaries made anew): such a message is
// never recognised, and is as deadly as before. Two messages with one key harm each other only while the filter dies
// over one of them. Cheap: one pwrite(2), and 64 KiB of SHA-256 before the queue.
#pragma once

#include "contentfilter/intake/message.hpp"
#include "shared/state/attempts.hpp"

namespace postsluice::contentfilter {

struct try_key {
    std::string name, digest;
};
inline constexpr std::size_t most_of_a_body = 65536;

/// Fails where the spool cannot be read.
[[nodiscard]] result<try_key> key_of_try(const message& what);
/// Of a message that is not in the spool: all that has its envelope.
[[nodiscard]] try_key key_without_content(const smtp::envelope& envelope);

/// From now to its end the message is marked. What keeps it from being marked is logged; mail goes on.
class try_mark {
public:
    try_mark(state::attempts& all, try_key key);
    ~try_mark();
    try_mark(const try_mark&) = delete;
    try_mark& operator=(const try_mark&) = delete;

    /// How many processes died while they had it.
    [[nodiscard]] std::uint32_t deaths() const noexcept { return deaths_; }
    /// It was not looked into: its end does not forget how many died.
    void remember_deaths() noexcept { remember_ = true; }

private:
    state::attempts& all_;
    try_key key_;
    std::uint32_t deaths_ = 0;
    bool remember_ = false;
};

/// What is still dared with a message, by how many died over it. First nothing in it is looked at but its header, which
/// says who sent it; where the filter dies even so, nothing at all.
[[nodiscard]] inline bool is_deadly(std::uint32_t deaths, const config::filter_settings& settings) noexcept {
    return deaths >= settings.max_tries;
}
[[nodiscard]] inline bool is_header_deadly(std::uint32_t deaths, const config::filter_settings& settings) noexcept {
    return deaths > settings.max_tries;
}

} // namespace postsluice::contentfilter
