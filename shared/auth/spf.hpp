// SPDX-License-Identifier: Apache-2.0
// Would a receiver's SPF check pass for mail of a domain from an address (RFC 7208)? libspf2 answers, in helper
// processes that seccomp confines to one descriptor (shared/auth/spf_helper/): records are written by strangers, and
// Debian's libspf2 lacks fixes. The helper asks us for DNS. One that crashes, hangs or talks garbage is killed and
// started again; the evaluation at hand is a temperror, as is one beyond spf.timeout.
//
// Results are kept for spf.cache_time, at most spf.cache_entries of them (all are forgotten when they are reached), and
// evaluated anew in the background when half of that is over; temperrors are kept for 30 seconds. One object belongs to
// one single-threaded io_context and outlives its run.
#pragma once

#include "shared/auth/spf_result.hpp"
#include "shared/config/settings.hpp"
#include "shared/core/ip_network.hpp"
#include "shared/core/result.hpp"
#include "shared/dns/resolver.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::auth {

struct spf_verdict {
    spf_result result = spf_result::temperror;
    std::string explanation; ///< for operators; holds text of strangers
    bool operator==(const spf_verdict&) const = default;
};

struct spf_question {
    std::string domain;
    ip_address address;
    std::string sender; ///< empty: postmaster@domain, which is what is remembered
    std::string helo;   ///< empty: the domain
};

/// Where the DNS answers come from: dns::resolver::query, or a zone of a test.
using spf_lookup = std::function<boost::asio::awaitable<result<dns::answer>>(std::string name, dns::record_type type)>;

class spf_checker {
public:
    static constexpr std::size_t helpers = 4;        ///< evaluations at a time
    static constexpr std::size_t most_waiting = 100; ///< evaluations that wait for one; more are temperrors
    static constexpr seconds temperror_kept{30};

    /// `now` says how old a result is; a test has a clock of its own.
    spf_checker(boost::asio::any_io_executor executor, config::spf_settings how, spf_lookup lookup,
                std::function<std::chrono::steady_clock::time_point()> now = &std::chrono::steady_clock::now);
    ~spf_checker();
    spf_checker(const spf_checker&) = delete;
    spf_checker& operator=(const spf_checker&) = delete;

    /// Starts a helper and waits for it to be confined: to be called at the start, before anything of value is open.
    boost::asio::awaitable<result<void>> start();

    /// What is remembered of (domain, address); begins an evaluation where nothing is, or where it is getting old.
    [[nodiscard]] std::optional<spf_verdict> recall(const std::string& domain, const ip_address& address);
    /// The answer, from memory where it is; waits for an evaluation otherwise, at most spf.timeout and some.
    [[nodiscard]] boost::asio::awaitable<spf_verdict> check(spf_question what);
    /// An evaluation now, past the memory (postsluice spf check); renews what is remembered.
    [[nodiscard]] boost::asio::awaitable<spf_verdict> evaluate(spf_question what);

    /// Process ids, for status and tests; 0: not running.
    [[nodiscard]] std::vector<pid_t> processes() const;

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

/// The addresses of outbound_addresses that are asked about: each single one, the first and the last of a network.
[[nodiscard]] std::vector<ip_address> spf_probes(const std::vector<ip_network>& networks);

} // namespace postsluice::auth
