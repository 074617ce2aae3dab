// SPDX-License-Identifier: Apache-2.0
// Whether the DNS publishes the keys that sign (dkim.check_published): asked before a key's first use and every
// check_interval, in the background. "warn" never has a message wait, and only logs. With "require" a key whose record
// is absent, revoked or another's does not sign; the first message of a key of which nothing is known waits for the
// answer, dns.timeout at most. Trouble of the DNS says nothing of a record: what was known stays, and a key of which
// nothing is known signs. Any thread; questions run on a strand, each name once at a time.
#pragma once

#include "contentfilter/act/sign.hpp"
#include "shared/auth/dkim_published.hpp"
#include "shared/dns/txt_batch.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>

namespace postsluice::contentfilter::act {

class key_publication {
public:
    /// dns::txt_batch, or what a test answers instead.
    using txt_lookup = std::function<boost::asio::awaitable<std::vector<dns::txt_records>>(
        config::dns_settings how, std::vector<std::string> names, milliseconds at_most)>;

    key_publication(boost::asio::any_io_executor executor, const clock& time, txt_lookup look_up = {});
    key_publication(const key_publication&) = delete;

    /// Which keys there are from now on; of the retired ones those whose record is still needed.
    void watch(const auth::key_table& keys, const config::dkim_settings& settings);
    /// Asks for the records that are due.
    boost::asio::awaitable<void> ask_due(config::settings_ptr settings);
    /// Asks for these now and returns what is known then, in this order. Takes `at_most` and one dns.timeout.
    boost::asio::awaitable<std::vector<auth::published_keys::entry>>
    ask(config::settings_ptr settings, std::vector<auth::signing_key> keys, milliseconds at_most);
    /// The plan without the keys that may not sign.
    boost::asio::awaitable<signing_plan> admit(config::settings_ptr settings, signing_plan plan);
    [[nodiscard]] const auth::published_keys& known() const noexcept { return known_; }

private:
    boost::asio::awaitable<void> resolve(config::settings_ptr settings, std::vector<std::string> names,
                                         milliseconds at_most);
    void learn(const std::vector<std::string>& names, const std::vector<dns::txt_records>& answers);

    boost::asio::any_io_executor strand_;
    const clock& time_;
    txt_lookup look_up_;
    auth::published_keys known_;
    std::map<std::string, std::shared_ptr<boost::asio::steady_timer>> under_way_; ///< on the strand
};

} // namespace postsluice::contentfilter::act
