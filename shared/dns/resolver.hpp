// SPDX-License-Identifier: Apache-2.0
// Questions to the DNS, on the event loop: libunbound (the only file that knows it is resolver.cpp) resolves in a
// thread of its own and the loop waits for its descriptor, so that nothing here ever blocks. CNAMEs are followed.
// One object belongs to one single-threaded io_context, or to one strand; it outlives the coroutines that ask it.
//
// "There is no such record" is an answer; a failure is trouble, and says nothing about the name:
//   errc::malformed    the name breaks the bounds of RFC 1035 section 2.3.4
//   errc::unsupported  the name is a U-label (RFC 5890): such a name is asked for in its xn-- form only
//   errc::timed_out    no answer within dns.timeout
//   errc::unavailable  SERVFAIL, a failed DNSSEC validation, dns.max_queries under way, or servers that are silent
// Answers are kept for their TTL (an hour at most), trouble for 5 seconds. After 3 time-outs in a row without any
// answer the servers are taken for silent: questions fail at once, but for one in 10 seconds that tries again, so that
// a dead DNS costs a mail server a few waits and not one for each recipient.
#pragma once

#include "shared/config/settings.hpp"
#include "shared/core/ip_network.hpp"
#include "shared/core/result.hpp"
#include "shared/dns/record.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace postsluice::dns {

template <class Record>
struct answer_of {
    outcome what = outcome::no_such_name;
    std::vector<Record> records;
};

class resolver {
public:
    static constexpr int silent_after = 3;
    static constexpr seconds silent_for{10};
    static constexpr seconds trouble_kept{5}, answers_kept{3600};
    static constexpr std::size_t most_kept = 10'000; ///< answers; all are forgotten when it is reached

    /// Throws std::runtime_error where the settings cannot be used (a server that is no address, no trust anchor).
    resolver(boost::asio::any_io_executor executor, const config::dns_settings& how);
    ~resolver();
    resolver(const resolver&) = delete;
    resolver& operator=(const resolver&) = delete;

    [[nodiscard]] boost::asio::awaitable<result<answer>> query(std::string name, record_type type);
    [[nodiscard]] boost::asio::awaitable<result<answer_of<mx_record>>> mx(std::string domain);
    /// IPv4 and IPv6.
    [[nodiscard]] boost::asio::awaitable<result<answer_of<ip_address>>> addresses(std::string domain);
    /// Each record's strings joined without anything between (RFC 7208 section 3.3).
    [[nodiscard]] boost::asio::awaitable<result<answer_of<std::string>>> txt(std::string domain);

    struct counters {
        std::uint64_t asked = 0;   ///< questions that went to libunbound
        std::uint64_t kept = 0;    ///< answered from memory
        std::uint64_t trouble = 0; ///< failed
    };
    [[nodiscard]] const counters& counts() const noexcept;

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

} // namespace postsluice::dns
