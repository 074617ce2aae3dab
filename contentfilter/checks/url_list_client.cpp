// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/url_list_client.hpp"

#include "shared/auth/dkim_key.hpp"
#include "shared/core/text.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <optional>
#include <stdexcept>

namespace postsluice::contentfilter {

namespace asio = boost::asio;

namespace {

constexpr std::uint32_t refusals = 0x7FFFFF; // 127.255.255.0/24

std::vector<config::dns_list> parse_lists(const std::vector<std::string>& texts) {
    std::vector<config::dns_list> out;
    for (const auto& text : texts) {
        auto list = config::dns_list::parse(text);
        if (!list) throw std::runtime_error{"url_lists.lists: " + list.error().message()};
        out.push_back(std::move(*list));
    }
    return out;
}

std::vector<std::uint32_t> addresses_of(const dns::answer& answer) {
    std::vector<std::uint32_t> out;
    for (const auto& rdata : answer.rdata) {
        if (rdata.size() != 4) continue;
        std::uint32_t address = 0;
        for (const char c : rdata)
            address = address << 8U | static_cast<unsigned char>(c);
        out.push_back(address);
    }
    return out;
}

/// A refusal, or an answer that no list gives.
bool says_nothing(std::uint32_t address) {
    return address >> 8U == refusals || address >> 24U != 127;
}

bool is_host_octet(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

} // namespace

struct url_list_client::job {
    job(const asio::any_io_executor& executor, std::size_t lists)
        : over{executor}
        , of(lists) {}
    /// What came of one list: an answer to one question shows that it is alive.
    struct tally {
        std::size_t left = 0;
        bool answered = false;
        std::optional<failure> trouble;
    };
    asio::steady_timer over;
    std::vector<tally> of;
    std::size_t left = 0;
    std::vector<url_listing> found;
    std::optional<failure> trouble;
};

url_list_client::url_list_client(asio::any_io_executor executor, const config::url_list_settings& how,
                                 const config::dns_settings& dns)
    : executor_{executor}
    , lists_{parse_lists(how.lists)}
    , timeout_{how.timeout}
    , resolver_{executor, dns}
    , remembered_{how.cache_entries, how.cache_time} {
    for (const auto& list : lists_)
        alarms_.emplace_back("url_lists", list.zone);
}

void url_list_client::judge(job& all, const std::string& domain, std::size_t list, const addresses& said) const {
    const auto& l = lists_[list];
    for (const auto address : said) {
        if (says_nothing(address)) continue;
        for (const auto& answer : l.answers)
            if (answer.matches(address)) all.found.push_back({domain, l.zone, answer.symbol, answer.score});
    }
}

asio::awaitable<void> url_list_client::ask(url_list_client* self, std::shared_ptr<job> all, std::string domain,
                                           std::size_t list) {
    const auto& zone = self->lists_[list].zone;
    const auto name = domain + "." + zone;
    const auto answer = co_await self->resolver_.query(name, dns::record_type::a);
    // A name that cannot be asked about is on no list.
    const bool unaskable =
        !answer && (answer.error().code == errc::malformed || answer.error().code == errc::unsupported);
    const auto said = answer ? addresses_of(*answer) : addresses{};
    auto& tally = all->of[list];
    if (std::any_of(said.begin(), said.end(), says_nothing)) {
        tally.trouble = failure{errc::unavailable, zone + " refuses to answer, or its answers are forged"};
    } else if (answer || unaskable) {
        tally.answered = tally.answered || answer;
        self->remembered_.put(name, said, std::chrono::steady_clock::now());
    } else {
        tally.trouble = failure{answer.error().code, zone + ": " + answer.error().message()};
    }
    self->judge(*all, domain, list, said);
    --tally.left;
    if (--all->left == 0) all->over.cancel();
}

// A list is dead where none of what this message asked was answered in its time; one that is asked nothing is neither.
void url_list_client::note(job& all) {
    for (std::size_t list = 0; list < lists_.size(); ++list) {
        auto& tally = all.of[list];
        if (tally.left > 0 && !tally.trouble) tally.trouble = failure{errc::timed_out, lists_[list].zone};
        if (tally.trouble) all.trouble = tally.trouble;
        if (tally.answered)
            alarms_[list].note({});
        else if (tally.trouble)
            alarms_[list].note(*tally.trouble);
    }
}

asio::awaitable<result<std::vector<url_listing>>> url_list_client::serve(url_list_client* self,
                                                                         std::vector<std::string> domains) {
    auto all = std::make_shared<job>(self->executor_, self->lists_.size());
    all->over.expires_after(self->timeout_);
    for (const auto& domain : domains)
        for (std::size_t list = 0; list < self->lists_.size(); ++list) {
            const auto name = domain + "." + self->lists_[list].zone;
            if (const auto known = self->remembered_.find(name, std::chrono::steady_clock::now())) {
                self->judge(*all, domain, list, *known);
                continue;
            }
            ++all->left;
            ++all->of[list].left;
            asio::co_spawn(self->executor_, ask(self, all, domain, list), asio::detached);
        }
    if (all->left > 0) co_await all->over.async_wait(asio::as_tuple(asio::use_awaitable));
    self->note(*all);
    // What was found stands, whatever the other lists say.
    if (all->found.empty() && all->trouble) co_return *all->trouble;
    co_return all->found;
}

asio::awaitable<result<std::vector<url_listing>>> url_list_client::look_up(std::vector<std::string> domains) {
    co_return co_await asio::co_spawn(executor_, serve(this, std::move(domains)), asio::use_awaitable);
}

std::string listed_domain(const mime::url& link) {
    const auto& host = link.host;
    const bool name = std::all_of(host.begin(), host.end(), is_host_octet) && host.find('.') != std::string::npos;
    if (link.address || !name || host.size() > 253) return {};
    // A last label of digits is no domain, and no address that could be read.
    const auto last = host.rfind('.');
    if (last + 1 < host.size() && host[last + 1] >= '0' && host[last + 1] <= '9') return {};
    return std::string{auth::organisational_domain(host)};
}

} // namespace postsluice::contentfilter
