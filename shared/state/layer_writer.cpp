// SPDX-License-Identifier: Apache-2.0
#include "shared/state/layer_writer.hpp"

#include "shared/state/codec.hpp"

#include <algorithm>
#include <utility>

namespace postsluice::state {
namespace {

constexpr std::string_view generation_key{"\0folded", 7}; // the store's own records are hidden from scans
constexpr std::uint8_t generation_version = 1;
constexpr std::size_t changes_per_commit = 128; // a page each at worst
constexpr std::size_t changes_per_rest = 16;
constexpr std::size_t sorted_per_rest = 256;
constexpr std::size_t merged_per_rest = 1024;

} // namespace

layer_writer::layer_writer(store& environment, std::string name, hooks called)
    : environment_{environment}
    , name_{std::move(name)}
    , hooks_{std::move(called)} {}

std::uint64_t layer_writer::generation_in(const read_txn& txn) {
    const auto value = txn.get(generation_key);
    if (!value) return 0;
    decoder in{*value, generation_version};
    const auto generation = in.number<std::uint64_t>();
    return in.complete() ? generation : 0;
}

// Runs that are sorted one by one, and merged: std::sort of all of them would not rest.
std::vector<std::uint32_t> layer_writer::in_order(const change_layer& layer, const std::function<void()>& rest) {
    std::vector<std::uint32_t> order(layer.size());
    for (std::uint32_t i = 0; i < order.size(); ++i)
        order[i] = i;
    const auto before = [&](std::uint32_t a, std::uint32_t b) { return layer.at(a).key() < layer.at(b).key(); };
    const auto place = [&](std::size_t at) {
        return order.begin() + static_cast<std::ptrdiff_t>(std::min(at, order.size()));
    };
    for (std::size_t at = 0; at < order.size(); at += sorted_per_rest) {
        std::sort(place(at), place(at + sorted_per_rest), before);
        rest();
    }
    std::vector<std::uint32_t> merged;
    merged.reserve(order.size());
    for (auto sorted = sorted_per_rest; sorted < order.size(); sorted *= 2) {
        merged.clear();
        for (std::size_t at = 0; at < order.size(); at += 2 * sorted) {
            auto a = place(at), b = place(at + sorted);
            const auto middle = b, end = place(at + 2 * sorted);
            while (a != middle || b != end) {
                if (merged.size() % merged_per_rest == 0) rest();
                const bool second = a == middle || (b != end && before(*b, *a));
                merged.push_back(second ? *b++ : *a++);
            }
        }
        order.swap(merged);
    }
    return order;
}

result<void> layer_writer::write(const change_layer& layer, std::uint64_t generation) {
    const auto order = in_order(layer, hooks_.rest);
    const std::span<const std::uint32_t> all{order};
    for (std::size_t at = 0; at < all.size(); at += changes_per_commit) {
        const auto some = all.subspan(at, std::min(changes_per_commit, all.size() - at));
        const bool last = at + some.size() == all.size();
        if (auto done = write_some(layer, some, at == 0, last ? &generation : nullptr); !done) return done;
        hooks_.committed();
    }
    return {};
}

result<void> layer_writer::write_some(const change_layer& layer, std::span<const std::uint32_t> some, bool first,
                                      const std::uint64_t* generation) {
    auto txn = environment_.write();
    if (!txn) return txn.error();
    const auto now = environment_.version();
    if (!now) return now.error();
    // What those before went to may be gone, and this be another environment: all of them again, then.
    if (std::exchange(opening_, now->opening) != now->opening && !first)
        return failure{errc::unavailable, name_ + ": was opened anew"};
    std::size_t n = 0;
    for (const auto index : some) {
        if (++n % changes_per_rest == 0) hooks_.rest();
        const auto& c = layer.at(index);
        if (c.what() == change_layer::kind::none) continue;
        auto done = c.what() == change_layer::kind::put ? txn->put(c.key(), c.value()) : txn->erase(c.key());
        if (!done) return done;
    }
    if (generation != nullptr) {
        encoder mark{generation_version};
        mark.number(*generation);
        if (auto put = txn->put(generation_key, mark.view()); !put) return put;
    }
    return txn->commit();
}

result<void> layer_writer::erase(std::span<const std::string> keys) {
    auto txn = environment_.write();
    if (!txn) return txn.error();
    txn->use_reserve();
    for (const auto& key : keys)
        if (auto done = txn->erase(key); !done) return done;
    return txn->commit();
}

} // namespace postsluice::state
