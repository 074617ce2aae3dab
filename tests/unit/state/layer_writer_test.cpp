// SPDX-License-Identifier: Apache-2.0
// What a layer holds, written into an environment: all of it in order, in pieces, with rests, and into one environment.
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include "shared/state/layer_writer.hpp"

#include <algorithm>
#include <atomic>
#include <set>

using namespace postsluice;
using namespace postsluice::state;
using namespace postsluice::state::test;
namespace fs = std::filesystem;

namespace {

/// An environment that is another one after so many writes.
class replaced_store final : public store {
public:
    explicit replaced_store(std::unique_ptr<store> below)
        : below_{std::move(below)} {}
    result<read_txn> read() override { return below_->read(); }
    result<write_txn> write() override {
        ++writes;
        return below_->write();
    }
    result<void> sync() override { return below_->sync(); }
    result<void> copy_to(const fs::path& target) override { return below_->copy_to(target); }
    void tend() override { below_->tend(); }
    double fill() override { return below_->fill(); }
    result<store_version> version() override {
        auto now = below_->version();
        if (now && writes > after) now->opening += 1000;
        return now;
    }
    bool commits_are_durable() const noexcept override { return true; }
    void when_durable(std::function<void(result<void>)> done) override { done({}); }

    std::atomic<std::size_t> writes{0}, after{~std::size_t{0}};

private:
    std::unique_ptr<store> below_;
};

void fill(change_layer& layer, int n) {
    for (int i = 0; i < n; ++i) // not in their order
        layer.set("k" + std::to_string(i * 7919 % n), std::to_string(i));
    layer.keep_turn();
}

} // namespace

BOOST_AUTO_TEST_SUITE(layer_writer_test)

BOOST_AUTO_TEST_CASE(the_order_is_that_of_the_keys_whatever_their_number) {
    for (const int n : {0, 1, 2, 255, 256, 257, 511, 512, 513, 1000, 3000}) {
        change_layer layer;
        fill(layer, n);
        const auto order = layer_writer::in_order(layer, [] {});
        BOOST_TEST_REQUIRE(order.size() == static_cast<std::size_t>(n));
        BOOST_TEST((std::set<std::uint32_t>(order.begin(), order.end()).size() == order.size())); // each once
        BOOST_TEST(std::is_sorted(order.begin(), order.end(),
                                  [&](auto a, auto b) { return layer.at(a).key() < layer.at(b).key(); }));
    }
}

BOOST_AUTO_TEST_CASE(a_layer_is_written_in_pieces_with_its_generation_and_with_rests) {
    const temp_directory dir;
    const auto s = open_store(dir / "counters", durability::background, 16U << 20U);
    BOOST_REQUIRE(put(*s, "gone", "1").has_value());
    change_layer layer;
    fill(layer, 3000);
    layer.set("gone", std::nullopt);
    layer.set("never", "1");
    layer.take_back_turn();
    layer.set("gone", std::nullopt);
    layer.keep_turn();
    std::size_t rests = 0, commits = 0;
    layer_writer w{*s, "counters", {.rest = [&] { ++rests; }, .committed = [&] { ++commits; }}};
    BOOST_REQUIRE(w.write(layer, 7).has_value());
    BOOST_TEST(commits == 24U);
    BOOST_TEST(rests >= 3000U / 16U); // 0.1 ms of work each, at most
    const auto now = s->read().value();
    BOOST_TEST(layer_writer::generation_in(now) == 7U);
    BOOST_TEST(!now.get("gone"));
    BOOST_TEST(!now.get("never"));
    for (int i = 0; i < 3000; ++i)
        BOOST_TEST_REQUIRE(now.get("k" + std::to_string(i * 7919 % 3000)).value() == std::to_string(i));
}

BOOST_AUTO_TEST_CASE(a_layer_that_is_not_written_whole_leaves_the_generation_as_it_was) {
    const temp_directory dir;
    const auto s = open_store(dir / "counters", durability::background, 256U << 10U);
    change_layer layer;
    fill(layer, 100);
    layer_writer w{*s, "counters", {.rest = [] {}, .committed = [] {}}};
    BOOST_REQUIRE(w.write(layer, 1).has_value());
    for (int i = 0; i < 3000; ++i)
        layer.set("l" + std::to_string(i), std::string(1000, 'x'));
    layer.keep_turn();
    const auto done = w.write(layer, 2);
    BOOST_REQUIRE(!done);
    BOOST_TEST(done.error().code == errc::disk_full);
    BOOST_TEST(layer_writer::generation_in(s->read().value()) == 1U);
    const std::vector<std::string> keys{"k1", "k2", "is not there"};
    BOOST_REQUIRE(w.erase(keys).has_value()); // a full environment has room for that
    BOOST_TEST(!get(*s, "k1"));
    BOOST_TEST(get(*s, "k3").has_value());
}

// Were the chunks before the change counted, they would be lost: they went to an environment that is gone.
BOOST_AUTO_TEST_CASE(what_was_begun_in_one_environment_is_not_finished_in_another) {
    const temp_directory dir;
    auto below = std::make_unique<replaced_store>(open_store(dir / "counters", durability::background, 16U << 20U));
    auto& replaced = *below;
    auto opened = open_journaled(std::move(below), {dir / "counters", 1U << 20U, false});
    BOOST_REQUIRE(opened.has_value());
    auto& s = **opened;
    auto txn = s.write().value();
    for (int i = 0; i < 300; ++i) // several chunks
        BOOST_REQUIRE(txn.put("k" + std::to_string(i), "v").has_value());
    BOOST_REQUIRE(txn.commit().has_value());
    replaced.after = replaced.writes + 1; // between the first chunk and the second
    const auto done = s.sync();
    BOOST_REQUIRE(!done);
    BOOST_TEST(done.error().code == errc::unavailable);
    const std::size_t before = replaced.writes;
    BOOST_REQUIRE(s.sync().has_value());
    BOOST_TEST(replaced.writes - before == 3U); // all of them
}

BOOST_AUTO_TEST_SUITE_END()
