// SPDX-License-Identifier: Apache-2.0
#include "shared/state/known_fingerprints.hpp"

#include "shared/log/log.hpp"
#include "shared/state/codec.hpp"

#include <algorithm>
#include <memory>
#include <optional>

namespace postsluice::state {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t max_text = 1024;

std::string key_of(std::string_view id) {
    return "W" + std::string{id.substr(0, 64)};
}

std::string encode(const known_fingerprint& k) {
    encoder out{version, 512};
    out.text(k.id, max_text).text(k.subject, max_text).text(k.actor, max_text).text(k.why, max_text).time(k.added);
    out.number(static_cast<std::uint16_t>(k.of.size()));
    for (const auto& one : k.of) {
        out.number(static_cast<std::uint8_t>(one.kind)).text(one.of, max_text);
        for (const auto value : one.sketch)
            out.number(value);
    }
    return out.take();
}

std::optional<known_fingerprint> decode(std::string_view value) {
    decoder in{value, version};
    known_fingerprint k;
    k.id = in.text();
    k.subject = in.text();
    k.actor = in.text();
    k.why = in.text();
    k.added = in.time();
    k.of.resize(in.count<std::uint16_t>(5 + sizeof(min_hash)));
    for (auto& one : k.of) {
        one.kind = in.enumerator(fingerprint_kind::file);
        one.of = in.text();
        for (auto& number : one.sketch)
            number = in.number<std::uint32_t>();
    }
    return in.complete() ? std::optional{std::move(k)} : std::nullopt;
}

} // namespace

known_fingerprints::known_fingerprints(store& where, writer& through)
    : store_{where}
    , writer_{through} {}

boost::asio::awaitable<result<void>> known_fingerprints::add(known_fingerprint what, std::size_t most) {
    writer::operation op = [key = key_of(what.id), value = encode(what), most](write_txn& txn) -> result<void> {
        std::size_t there = 0;
        txn.scan("W", {}, [&](std::string_view, std::string_view) { return ++there < most; });
        if (there >= most) return failure{errc::too_large, "there are " + std::to_string(there) + " already"};
        return txn.put(key, value);
    };
    co_return co_await writer_.run(std::move(op));
}

boost::asio::awaitable<result<bool>> known_fingerprints::remove(std::string id) {
    const auto was_there = std::make_shared<bool>(false);
    writer::operation op = [key = key_of(id), was_there](write_txn& txn) -> result<void> {
        *was_there = txn.get(key).has_value();
        return txn.erase(key);
    };
    const auto done = co_await writer_.run(std::move(op));
    if (!done) co_return done.error();
    co_return *was_there;
}

result<std::vector<known_fingerprint>> known_fingerprints::all() {
    const auto txn = store_.read();
    if (!txn) return txn.error();
    std::vector<known_fingerprint> out;
    std::size_t damaged = 0;
    txn->scan("W", {}, [&](std::string_view, std::string_view value) {
        if (auto one = decode(value))
            out.push_back(std::move(*one));
        else
            ++damaged;
        return true;
    });
    if (damaged != 0) log::error("known fingerprints damaged: they do not count").kv("count", damaged);
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.added > b.added; });
    return out;
}

} // namespace postsluice::state
