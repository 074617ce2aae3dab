// SPDX-License-Identifier: Apache-2.0
// The verb "spf check".
#include "policyd/control_verbs.hpp"
#include "policyd/service.hpp"
#include "shared/auth/spf.hpp"
#include "shared/core/text.hpp"
#include "shared/dns/rdata.hpp"

#include <nlohmann/json.hpp>

namespace postsluice::policyd {

namespace asio = boost::asio;
using nlohmann::json;

namespace {

constexpr std::size_t most_addresses = 16, most_text = 320;

std::string argument(const json& from, const char* key) {
    const auto at = from.find(key);
    return at != from.end() && at->is_string() ? at->get<std::string>().substr(0, most_text) : std::string{};
}

/// Which addresses to ask about, or why none.
result<std::vector<ip_address>> addresses_of(const config::settings& settings, const std::string& ip) {
    if (!ip.empty()) {
        const auto one = ip_address::parse(ip);
        if (!one) {
            return failure{errc::malformed, "\"" + printable(ip) + "\" is no IP address"};
        }
        return std::vector<ip_address>{*one};
    }
    auto all = auth::spf_probes(settings.outbound_addresses);
    if (all.empty()) {
        return failure{errc::malformed, "outbound_addresses is empty in the configuration; name an address with --ip"};
    }
    all.resize(std::min(all.size(), most_addresses));
    return all;
}

} // namespace

asio::awaitable<result<json>> spf_check(service& s, control::request_context, std::shared_ptr<const json> given) {
    const auto domain = dns::checked_name(trim(argument(*given, "domain")));
    const std::string sender = argument(*given, "sender");
    const auto settings = s.settings();
    const auto addresses = addresses_of(*settings, argument(*given, "ip"));
    if (!domain || !addresses) {
        co_return domain ? addresses.error() : domain.error();
    }
    if (s.of().spf == nullptr) {
        co_return failure{errc::unsupported, "SPF"};
    }
    json results = json::array();
    for (const auto& address : *addresses) {
        auth::spf_question what{*domain, address, sender, {}};
        const auto verdict = co_await s.of().spf->evaluate(std::move(what));
        results.push_back({{"address", address.to_string()},
                           {"result", to_string(verdict.result)},
                           {"explanation", printable(verdict.explanation)}});
    }
    co_return control::success({{"domain", *domain}, {"results", std::move(results)}});
}

} // namespace postsluice::policyd
