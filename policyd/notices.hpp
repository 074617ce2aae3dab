// SPDX-License-Identifier: Apache-2.0
// Tells abuse_address of every change of a lock, and of programs of on_lock that failed, where the profile's on_lock
// says "notify": takes notices from the outbox of state/account_store and mails them through policyd.notice_via, oldest
// first, one connection a round. A notice leaves the outbox when the next hop took it, or when it is older than a
// queue's life (logged); until then it is tried again, at growing intervals that all notices share, since they share
// the next hop. Where a crash falls between the two, a notice comes twice. Without an abuse_address notices are
// dropped, and the log says so.
//
// The mail is plain: envelope sender <> (nothing comes back), text/plain, Auto-Submitted (RFC 3834).
#pragma once

#include "shared/config/settings.hpp"
#include "shared/state/account_store.hpp"

#include <functional>

namespace postsluice::policyd {

/// The whole message in CRLF lines. Pure; `token` makes its Message-ID unique.
[[nodiscard]] std::string render_notice(const state::notice& what, const config::settings& settings, instant now,
                                        std::string_view token);

class notice_outbox { // what notices need of the store, so that a test can stand in
public:
    virtual ~notice_outbox() = default;
    [[nodiscard]] virtual result<std::vector<state::notice>> waiting(std::size_t most) = 0;
    virtual boost::asio::awaitable<result<void>> sent(std::uint64_t id) = 0;
    virtual boost::asio::awaitable<result<void>> failed(std::uint64_t id) = 0;
};

class stored_outbox final : public notice_outbox {
public:
    explicit stored_outbox(state::account_store& in)
        : in_{in} {}
    [[nodiscard]] result<std::vector<state::notice>> waiting(std::size_t most) override { return in_.notices(most); }
    boost::asio::awaitable<result<void>> sent(std::uint64_t id) override { return in_.notice_sent(id); }
    boost::asio::awaitable<result<void>> failed(std::uint64_t id) override { return in_.notice_failed(id); }

private:
    state::account_store& in_;
};

class notices {
public:
    static constexpr seconds look_every{5}, first_retry{10}, last_retry{900}, give_up_after{5 * 86400};

    notices(notice_outbox& from, const clock& time, std::function<config::settings_ptr()> settings);
    /// Until the context stops.
    boost::asio::awaitable<void> run();
    /// Delivers what waits; how long to wait before the next round.
    boost::asio::awaitable<seconds> round();

private:
    boost::asio::awaitable<bool> deliver(const std::vector<state::notice>& all, const config::settings& settings);
    boost::asio::awaitable<void> drop(const state::notice& what, std::string_view why);

    notice_outbox& from_;
    const clock& clock_;
    std::function<config::settings_ptr()> settings_;
    seconds retry_{0}; // zero: the last round went well
};

} // namespace postsluice::policyd
