// SPDX-License-Identifier: Apache-2.0
// Delivery feedback: recipients that policyd let pass, and whose mail came back as that of nobody. Counted as the
// invalid recipients that it refuses, under the limits that hold now.
#include "policyd/pipeline.hpp"

#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <functional>

namespace postsluice::policyd {

namespace asio = boost::asio;

namespace {
constexpr std::size_t remembered_most = 4096;

std::string name_of(const bounced_mail& mail) {
    std::string out = mail.queue_id;
    for (const auto& one : mail.recipients)
        out.append(1, '\0').append(one);
    return out;
}
} // namespace

// A notice comes twice where our answer to the first was lost: the accounting knows its recipients again until the
// lease ends, and of strikes nobody else would know.
asio::awaitable<result<void>> pipeline::count_bounced(bounced_mail mail) {
    const auto name = std::hash<std::string>{}(name_of(mail));
    if (bounced_.contains(name)) {
        co_return result<void>{};
    }
    const auto settings = settings_;
    const auto who = account::identity_of(*settings, mail.account, mail.login);
    const auto profile = account::select_profile(*settings, who);
    transaction current;
    current.id = {"bounces", mail.queue_id};
    request about;
    about.sender = mail.sender;
    about.client_address = mail.client;
    const rule_context context{about,
                               *settings,
                               *profile,
                               who,
                               with_.time.now(),
                               0,
                               observes(*settings, *profile, "limits"),
                               current,
                               with_.locks,
                               with_.accounts,
                               with_.helpers};
    for (const auto& recipient : mail.recipients) {
        about.recipient = recipient;
        const auto counted = co_await rules::count_invalid_recipient(context);
        if (!counted) {
            co_return counted.error();
        }
    }
    if (bounced_.size() >= remembered_most) {
        bounced_.clear();
    }
    bounced_.insert(name);
    counts_.bounced += mail.recipients.size();
    if (!context.observe) {
        strikes_.refused_by_others(context, static_cast<std::uint32_t>(mail.recipients.size()));
    }
    log::info("bounced")
        .kv("account", mail.account)
        .kv("recipients", mail.recipients.size())
        .kv("next_queue_id", printable(mail.queue_id, 100));
    co_return result<void>{};
}

} // namespace postsluice::policyd
