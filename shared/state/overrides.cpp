// SPDX-License-Identifier: Apache-2.0
#include "shared/state/overrides.hpp"

#include "shared/log/log.hpp"
#include "shared/state/codec.hpp"

#include <algorithm>

namespace postsluice::state {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t max_text = 1024;
constexpr char tag = 'V';

std::string prefix_of(std::string_view secret, std::string_view account) {
    return hashed_key(tag, secret, {account});
}
std::string key_of(std::string_view secret, std::string_view account, std::string_view subject) {
    return prefix_of(secret, account) + hashed_key('-', secret, {subject}).substr(1, 8);
}

std::string encode(const limit_override& o) {
    encoder out{version, 256};
    out.text(o.account, max_text).text(o.text, 16384).text(subject(o.what), max_text).time(o.set).time(o.until);
    out.text(o.actor, max_text).text(o.why, max_text);
    return out.take();
}

std::optional<limit_override> decode(std::string_view value) {
    decoder in{value, version};
    limit_override o;
    o.account = in.text();
    o.text = in.text();
    (void)in.text();
    o.set = in.time();
    o.until = in.time();
    o.actor = in.text();
    o.why = in.text();
    return in.complete() ? std::optional{std::move(o)} : std::nullopt;
}

} // namespace

overrides::overrides(store& where, writer& through, std::string hash_secret)
    : store_{where}
    , writer_{through}
    , secret_{std::move(hash_secret)} {}

boost::asio::awaitable<result<void>> overrides::set(limit_override what) {
    writer::operation op = [key = key_of(secret_, what.account, subject(what.what)), value = encode(what),
                            now = what.set](write_txn& txn) -> result<void> {
        std::size_t there = 0;
        std::vector<std::string> expired;
        txn.scan(std::string{tag}, {}, [&](std::string_view known, std::string_view kept) {
            const auto one = decode(kept);
            if (one && !one->in_force(now))
                expired.emplace_back(known);
            else
                ++there;
            return true;
        });
        for (const auto& one : expired)
            if (auto gone = txn.erase(one); !gone) return gone;
        if (there >= most_overrides && !txn.get(key))
            return failure{errc::too_large, "there are " + std::to_string(there) + " overrides already"};
        return txn.put(key, value);
    };
    co_return co_await writer_.run(std::move(op));
}

boost::asio::awaitable<result<std::size_t>> overrides::clear(std::string account, std::string subject_or_all) {
    const auto gone = std::make_shared<std::size_t>(0);
    writer::operation op = [=, secret = secret_](write_txn& txn) -> result<void> {
        const auto from = subject_or_all.empty() ? prefix_of(secret, account) : key_of(secret, account, subject_or_all);
        std::vector<std::string> keys;
        txn.scan(from, {}, [&](std::string_view key, std::string_view) {
            keys.emplace_back(key);
            return true;
        });
        for (const auto& key : keys)
            if (auto done = txn.erase(key); !done) return done;
        *gone = keys.size();
        return {};
    };
    const auto done = co_await writer_.run(std::move(op));
    if (!done) co_return done.error();
    co_return *gone;
}

std::vector<limit> with_overrides(std::vector<limit> limits, std::span<const limit_override> its, instant now) {
    for (const auto& o : its) {
        if (!o.in_force(now)) continue;
        const auto same =
            std::find_if(limits.begin(), limits.end(), [&](const limit& l) { return l.same_subject(o.what); });
        if (same != limits.end())
            *same = o.what;
        else
            limits.push_back(o.what);
    }
    return limits;
}

result<std::vector<limit_override>> overrides::all(instant now) {
    return below(std::string_view{&tag, 1}, now);
}

result<std::vector<limit_override>> overrides::of(std::string_view account, instant now) {
    return below(prefix_of(secret_, account), now);
}

result<std::vector<limit_override>> overrides::below(std::string_view prefix, instant now) {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    std::vector<limit_override> out;
    std::size_t damaged = 0;
    txn->scan(prefix, {}, [&](std::string_view, std::string_view value) {
        auto one = decode(value);
        if (!one)
            ++damaged;
        else if (one->in_force(now))
            out.push_back(std::move(*one));
        return out.size() < most_overrides;
    });
    if (damaged != 0) log::error("overrides damaged: they do not hold").kv("count", damaged);
    return out;
}

} // namespace postsluice::state
