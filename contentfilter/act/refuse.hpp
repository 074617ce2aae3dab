// SPDX-License-Identifier: Apache-2.0
// What Postfix is told: replies from a closed set, for a message that is not handed on. Content verdicts do not say
// which check fired; they name the contact and the reference. Whether a refusal may be a bounce is decided here too:
// Postfix sends it to the reverse-path, so it must be one that the sender may use, and a virus is nothing to bounce.
// Pure.
#pragma once

#include "contentfilter/intake/message.hpp"
#include "contentfilter/verdict.hpp"
#include "shared/smtp/reply.hpp"
#include "shared/smtp/server.hpp"

#include <boost/asio/awaitable.hpp>

namespace postsluice::maps {
class map_set;
}

namespace postsluice::contentfilter::act {

[[nodiscard]] smtp::reply refused(const config::settings& settings, std::string_view reference); ///< 550 5.7.1
[[nodiscard]] smtp::reply quarantined(std::string_view reference); ///< 250: nothing is bounced
[[nodiscard]] smtp::reply discarded(std::string_view reference);   ///< 250
[[nodiscard]] smtp::reply delivered_before();                      ///< 250: the next hop has it already
[[nodiscard]] smtp::reply later(std::string_view reference = {});  ///< 451 4.3.0: trouble of our own
[[nodiscard]] smtp::reply no_room();                               ///< 452 4.3.1
[[nodiscard]] smtp::reply too_large();                             ///< 552 5.3.4
[[nodiscard]] smtp::reply looping(std::string_view reference);     ///< 554 5.4.6

/// Not a bounce but the quarantine: a virus, a null reverse-path, one that the account may not use, or a sender whom
/// nothing proves. Asks the account's sender maps where it has some; a map that cannot be asked proves nothing.
boost::asio::awaitable<bool> must_not_bounce(message_ptr what, const verdict& v, maps::map_set* maps);

/// Takes out the recipients for which `before` is true.
void drop_recipients(smtp::envelope& from, const std::vector<bool>& before);
/// The replies of all recipients, of those of them that were not dropped.
void insert_replies(std::vector<smtp::reply>& into, const std::vector<bool>& before);

/// The one reply, as often as the protocol wants it.
[[nodiscard]] std::vector<smtp::reply> for_all(const smtp::reply& r, smtp::protocol speaks, std::size_t recipients);

} // namespace postsluice::contentfilter::act
