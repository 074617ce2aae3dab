// SPDX-License-Identifier: Apache-2.0
// Private to quarantine*.cpp.
#pragma once

#include "contentfilter/act/quarantine.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace postsluice::contentfilter::act {

/// Of the entry's recipients: true where its release was for them, and they have got the message. `taken` is of the
/// recipients that the release had.
[[nodiscard]] std::vector<bool> gone_by(const state::quarantine_entry& entry, const std::vector<bool>& taken);

/// Takes those for whom `gone` is true off the entry's recipients.
void take_off(state::quarantine_entry& entry, const std::vector<bool>& gone);

/// One message, kept twice: its entry gets the recipients that it lacks; a virus is kept as one. Whether it changed.
bool join(state::quarantine_entry& into, state::quarantine_entry from);

template <class Value>
boost::asio::awaitable<Value> quarantine::on_own_thread(boost::asio::awaitable<Value> what) {
    co_return co_await boost::asio::co_spawn(pool_, std::move(what), boost::asio::use_awaitable);
}

class quarantine::reservation {
public:
    reservation(quarantine& of, std::uint64_t octets)
        : of_{of}
        , octets_{octets} {
        const std::lock_guard guard{of_.mutex_};
        ++of_.entries_to_come_;
        of_.octets_to_come_ += octets_;
    }
    ~reservation() {
        const std::lock_guard guard{of_.mutex_};
        --of_.entries_to_come_;
        of_.octets_to_come_ -= octets_;
    }
    reservation(const reservation&) = delete;

private:
    quarantine& of_;
    std::uint64_t octets_;
};

} // namespace postsluice::contentfilter::act
