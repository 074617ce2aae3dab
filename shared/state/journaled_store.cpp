// SPDX-License-Identifier: Apache-2.0
#include "shared/state/journaled_store.hpp"

#include "shared/log/log.hpp"
#include "shared/state/change_layer.hpp"
#include "shared/state/journal.hpp"
#include "shared/state/journal_flusher.hpp"
#include "shared/state/known_gaps.hpp"
#include "shared/state/layer_writer.hpp"
#include "shared/state/merged_changes.hpp"
#include "shared/state/recent_reads.hpp"
#include "shared/state/yield.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace postsluice::state {
namespace {

using kind = change_layer::kind;

constexpr std::chrono::microseconds rest{50};
constexpr std::size_t active_bound = 4;   // times its size, where the environment is in trouble
constexpr milliseconds longest_wait{200}; // of a turn, for a disk that is slow but works
constexpr milliseconds wait_step{1};

class journaled_store;

// Holds the store's mutex while it lives.
class layered_transaction final : public transaction {
public:
    layered_transaction(journaled_store& s, std::unique_lock<std::recursive_mutex> hold, bool writes)
        : store_{s}
        , hold_{std::move(hold)}
        , writes_{writes} {}
    ~layered_transaction() override;
    bool damaged() const noexcept override;
    std::optional<std::string_view> get(std::string_view key) override;
    void scan(std::string_view prefix, std::string_view from,
              const std::function<bool(std::string_view, std::string_view)>& visit) override;
    result<void> put(std::string_view key, std::string_view value) override;
    result<void> erase(std::string_view key) override;
    result<void> commit() override;
    result<std::unique_ptr<transaction>> nested() override {
        return failure{errc::internal, "a journaled transaction cannot be nested"};
    }
    void use_reserve() noexcept override { reserve_ = true; }

private:
    journaled_store& store_;
    std::unique_lock<std::recursive_mutex> hold_;
    bool writes_, reserve_ = false;
};

class journaled_store final : public store {
public:
    journaled_store(std::unique_ptr<store> below, journal_options options)
        : below_{std::move(below)}
        , options_{std::move(options)}
        , writer_{*below_,
                  options_.directory.string(),
                  {.rest = [this] { rest_a_moment(); }, .committed = [this] { see_more(); }}}
        , layer_size_{options_.size / 3}
        , journal_size_{options_.size} {}
    ~journaled_store() override;
    result<void> start();

    result<read_txn> read() override;
    result<write_txn> write() override;
    result<void> sync() override;
    result<void> copy_to(const std::filesystem::path& target) override;
    void tend() override { below_->tend(); }
    double fill() override { return below_->fill(); }
    result<store_version> version() override { return below_->version(); }
    bool commits_are_durable() const noexcept override { return flusher_ == nullptr; }
    void when_durable(std::function<void(result<void>)> done) override { flusher_->when_flushed(std::move(done)); }

private:
    friend class layered_transaction;
    [[nodiscard]] std::filesystem::path file_of(std::uint64_t generation) const {
        return options_.directory / ("journal." + std::to_string(generation % 2));
    }
    /// How far the active layer and its journal are from being written down: 1 when they should be.
    [[nodiscard]] std::size_t load() const noexcept {
        return std::max(active_->octets() / layer_size_, journal_->size() / journal_size_);
    }
    result<void> look_below();
    [[nodiscard]] std::optional<std::string_view> look_up(std::string_view key);
    void forget_settled();
    [[nodiscard]] change_layer* spare();
    void wait_for_room(std::unique_lock<std::recursive_mutex>& hold);
    result<void> commit_turn();
    void give_up_space();
    result<void> replay();
    void replay(const journal_change& c);
    void ask_to_fold();
    void fold_when_asked();
    result<void> fold();
    enum class frozen : std::uint8_t { nothing, fresh, left_over };
    result<frozen> freeze();
    void rest_a_moment() const;
    void see_more();
    result<void> write_down();
    void make_room();
    void say(const result<void>& outcome);

    std::unique_ptr<store> below_;
    journal_options options_;
    layer_writer writer_; // one thread at a time: who has fold_mutex_
    std::size_t layer_size_, journal_size_;
    std::unique_ptr<journal_flusher> flusher_; // null: commits need not wait

    std::recursive_mutex mutex_; // of all below
    std::optional<read_txn> view_;
    known_gaps gaps_;      // of the view
    bool stale_ = false;   // the environment has got more than the view shows
    bool writing_ = false; // a write transaction is open
    std::array<change_layer, 3> layers_;
    change_layer* active_ = &layers_[0];
    change_layer* frozen_ = nullptr;
    change_layer* settled_ = nullptr; // written down last: the environment has the same, but deeper
    std::uint64_t opening_ = 0;       // of the environment that the view is of
    recent_reads read_below_;         // in the write transaction under way, from below the active layer
    std::uint64_t generation_ = 0;    // of the active layer; the frozen one has the one before
    std::shared_ptr<journal_file> journal_;
    journal_frame frame_;
    std::optional<failure> trouble_; // of the last attempt to write down

    std::mutex fold_mutex_;            // one at a time writes down
    std::atomic<bool> hurried_ = true; // at start and end, and where the layers grow faster than they are written down
    std::mutex ask_mutex_;
    std::condition_variable ask_;
    bool asked_ = false, stopping_ = false;
    std::thread folder_;
};

// ---- transactions

layered_transaction::~layered_transaction() {
    if (!writes_) return;
    store_.active_->take_back_turn();
    store_.writing_ = false;
}

bool layered_transaction::damaged() const noexcept {
    return store_.view_ && store_.view_->damaged();
}

std::optional<std::string_view> layered_transaction::get(std::string_view key) {
    if (const auto* known = store_.active_->find(key); known != nullptr && known->what() != kind::none)
        return known->what() == kind::put ? std::optional{known->value()} : std::nullopt;
    const auto* below = store_.frozen_ != nullptr ? store_.frozen_->find(key) : nullptr;
    if ((below == nullptr || below->what() == kind::none) && store_.settled_ != nullptr)
        below = store_.settled_->find(key);
    const bool in_layer = below != nullptr && below->what() != kind::none;
    if (in_layer && below->what() == kind::erased) return std::nullopt;
    const auto value = in_layer ? std::optional{below->value()} : store_.look_up(key);
    if (value && writes_) store_.read_below_.add(key, *value);
    return value;
}

void layered_transaction::scan(std::string_view prefix, std::string_view from,
                               const std::function<bool(std::string_view, std::string_view)>& visit) {
    merged_changes changes{*store_.active_, store_.frozen_, prefix, from};
    bool wanted = true;
    const auto visit_change = [&](const change_layer::change& c) {
        changes.next();
        return c.what() == kind::erased || visit(c.key(), c.value());
    };
    store_.view_->scan(prefix, from, [&](std::string_view key, std::string_view value) {
        for (const auto* c = changes.head(); wanted && c != nullptr && c->key() < key; c = changes.head())
            wanted = visit_change(*c);
        if (!wanted) return false;
        const auto* same = changes.head();
        wanted = same != nullptr && same->key() == key ? visit_change(*same) : visit(key, value);
        return wanted;
    });
    for (const auto* c = changes.head(); wanted && c != nullptr; c = changes.head())
        wanted = visit_change(*c);
}

result<void> layered_transaction::put(std::string_view key, std::string_view value) {
    if (!reserve_ && store_.load() >= active_bound)
        return store_.trouble_.value_or(failure{errc::disk_full, "the environment behind the journal is too slow"});
    store_.active_->set(key, value, store_.read_below_.find(key));
    return {};
}

result<void> layered_transaction::erase(std::string_view key) {
    store_.active_->set(key, std::nullopt);
    return {};
}

result<void> layered_transaction::commit() {
    if (damaged()) return failure{errc::corrupt, store_.options_.directory.string()};
    return store_.commit_turn();
}

// ---- the store

result<void> journaled_store::look_below() {
    if (view_ && view_->damaged()) forget_settled();
    if (view_ && (stale_ || view_->damaged())) view_.reset();
    if (view_) return {};
    auto view = below_->read();
    if (!view) return view.error();
    const auto now = below_->version();
    if (!now || now->opening != std::exchange(opening_, now->opening)) forget_settled();
    view_.emplace(std::move(*view));
    gaps_.clear();
    stale_ = false;
    return {};
}

std::optional<std::string_view> journaled_store::look_up(std::string_view key) {
    if (gaps_.has(key)) return std::nullopt;
    const auto value = view_->get(key);
    if (!value) gaps_.learn(*view_, key);
    return value;
}

// Another environment may have taken, or may take, the place of the one that it was written to.
void journaled_store::forget_settled() {
    if (auto* const old = std::exchange(settled_, nullptr)) old->clear();
}

change_layer* journaled_store::spare() {
    return &*std::find_if(layers_.begin(), layers_.end(),
                          [this](const auto& l) { return &l != active_ && &l != frozen_ && &l != settled_; });
}

result<read_txn> journaled_store::read() {
    std::unique_lock hold{mutex_};
    if (!writing_) // its views hold until it has ended
        if (auto there = look_below(); !there) return there.error();
    return read_txn{std::make_unique<layered_transaction>(*this, std::move(hold), false)};
}

// Whoever writes faster than the disk takes waits for it; whoever has trouble with it is told so.
void journaled_store::wait_for_room(std::unique_lock<std::recursive_mutex>& hold) {
    ask_to_fold();
    const auto* const full = active_;
    for (milliseconds waited{}; waited < longest_wait && !trouble_ && active_ == full; waited += wait_step) {
        hold.unlock();
        std::this_thread::sleep_for(wait_step);
        hold.lock();
    }
}

result<write_txn> journaled_store::write() {
    std::unique_lock hold{mutex_};
    if (load() >= active_bound - 1) wait_for_room(hold);
    if (writing_) return failure{errc::internal, "a write transaction is open"};
    if (auto there = look_below(); !there) return there.error();
    writing_ = true;
    read_below_.clear();
    return write_txn{std::make_unique<layered_transaction>(*this, std::move(hold), true)};
}

result<void> journaled_store::commit_turn() {
    if (active_->turn_is_empty()) return {};
    frame_.clear();
    active_->each_of_turn([this](const change_layer::change& c, std::optional<std::string_view> before) {
        frame_.add(c.key(), c.what() == kind::put ? std::optional{c.value()} : std::nullopt, before);
    });
    auto kept = journal_->append(frame_);
    if (!kept && kept.error().code == errc::disk_full) {
        give_up_space();
        kept = journal_->append(frame_);
    }
    if (!kept) return kept;
    active_->keep_turn();
    if (flusher_) flusher_->touched(journal_);
    const auto full = load();
    if (full >= 2) hurried_ = true;
    if (full >= 1 && !trouble_) ask_to_fold(); // what failed is tried again by sync()
    return {};
}

// Of a full disk, what older generations left in the journals: it is in the environment.
void journaled_store::give_up_space() {
    journal_->cut();
    if (frozen_ == nullptr) bound_journal(file_of(generation_ + 1), 0);
}

void journaled_store::ask_to_fold() {
    {
        const std::lock_guard hold{ask_mutex_};
        asked_ = true;
    }
    ask_.notify_one();
}

result<void> journaled_store::sync() {
    if (auto done = fold(); !done) return done;
    return below_->sync();
}

result<void> journaled_store::copy_to(const std::filesystem::path& target) {
    if (auto done = fold(); !done) return done;
    return below_->copy_to(target);
}

// ---- start and end

result<void> journaled_store::start() {
    if (auto there = look_below(); !there) return there;
    if (auto done = replay(); !done) return done;
    auto journal = journal_file::begin(file_of(generation_), generation_);
    if (!journal) return journal.error();
    journal_ = std::move(*journal);
    hurried_ = false;
    if (options_.synced) flusher_ = std::make_unique<journal_flusher>();
    folder_ = std::thread{[this] {
        yield_to_answers();
        fold_when_asked();
    }};
    return {};
}

result<void> journaled_store::replay() {
    const auto folded = layer_writer::generation_in(*view_);
    std::array<std::uint64_t, 2> found{};
    for (std::uint64_t i = 0; i < found.size(); ++i)
        found[i] = journal_generation(file_of(i));
    std::sort(found.begin(), found.end());
    for (const auto generation : found) {
        if (generation <= folded) continue;
        replay_journal(file_of(generation), [this](const journal_change& c) { replay(c); });
    }
    generation_ = std::max(folded, found.back()) + 1;
    if (active_->size() == 0) return {};
    log::info("journal read").kv("environment", options_.directory.string()).kv("records", active_->size());
    frozen_ = std::exchange(active_, spare());
    auto done = write_down();
    // Damage that only a write comes upon: the environment is put aside then, and its copy takes what was read.
    if (!done && done.error().code == errc::corrupt) done = write_down();
    return done;
}

void journaled_store::replay(const journal_change& c) {
    if (c.what == journal_change::kind::patch) {
        const auto* known = active_->find(c.key);
        const auto before = known == nullptr             ? view_->get(c.key)
                            : known->what() == kind::put ? std::optional{known->value()}
                                                         : std::nullopt;
        if (const auto value = before ? patched(*before, c.octets) : std::nullopt) active_->set(c.key, *value);
    } else {
        active_->set(c.key, c.what == journal_change::kind::value ? std::optional{c.octets} : std::nullopt);
    }
    active_->keep_turn();
}

journaled_store::~journaled_store() {
    {
        const std::lock_guard hold{ask_mutex_};
        stopping_ = hurried_ = true;
    }
    ask_.notify_one();
    if (folder_.joinable()) folder_.join();
}

// ---- from the journal to the environment

void journaled_store::fold_when_asked() {
    for (;;) {
        {
            std::unique_lock hold{ask_mutex_};
            ask_.wait(hold, [this] { return asked_ || stopping_; });
            if (stopping_) return;
            asked_ = false;
        }
        (void)fold();
    }
}

result<void> journaled_store::fold() {
    const std::lock_guard alone{fold_mutex_};
    for (;;) {
        const auto there = freeze();
        if (there && *there == frozen::nothing) return {};
        const result<void> done = there ? write_down() : result<void>{there.error()};
        say(done);
        if (!done || *there == frozen::fresh) return done;
    }
}

// What is to be written down; after an attempt that failed the same again, and then what came meanwhile.
result<journaled_store::frozen> journaled_store::freeze() {
    const std::lock_guard hold{mutex_};
    if (frozen_ != nullptr) return frozen::left_over;
    if (active_->size() == 0 || writing_) return frozen::nothing;
    auto next = journal_file::begin(file_of(generation_ + 1), generation_ + 1);
    if (!next) return next.error();
    journal_ = std::move(*next);
    ++generation_;
    frozen_ = std::exchange(active_, spare());
    return frozen::fresh;
}

void journaled_store::rest_a_moment() const {
    if (!hurried_) std::this_thread::sleep_for(rest);
}

void journaled_store::see_more() {
    const std::lock_guard hold{mutex_};
    stale_ = true;
}

result<void> journaled_store::write_down() {
    auto done = writer_.write(*frozen_, generation_ - 1);
    if (!done) {
        if (done.error().code == errc::disk_full) make_room();
        const std::lock_guard hold{mutex_};
        stale_ = true;
        if (!writing_) view_.reset(); // an environment that has to be reopened may not be in use
        forget_settled();
        return done;
    }
    change_layer* older = nullptr;
    {
        const std::lock_guard hold{mutex_};
        bound_journal(file_of(generation_ - 1), journal_size_);
        older = std::exchange(settled_, std::exchange(frozen_, nullptr));
        hurried_ = false;
    }
    if (older != nullptr) older->clear();
    if (flusher_) flusher_->made_safe(generation_ - 1);
    return {};
}

// The environment is full: what was erased meanwhile is cleared there out of its turn. The layers above hide it anyway.
void journaled_store::make_room() {
    std::vector<std::string> erased;
    {
        const std::lock_guard hold{mutex_};
        for (std::uint32_t i = 0; i < frozen_->size(); ++i)
            if (const auto& c = frozen_->at(i); c.what() == kind::erased) erased.emplace_back(c.key());
        for (std::uint32_t i = 0; i < active_->size(); ++i)
            if (const auto& c = active_->at(i); c.what() == kind::erased) erased.emplace_back(c.key());
    }
    if (!erased.empty()) (void)writer_.erase(erased);
}

void journaled_store::say(const result<void>& outcome) {
    bool changed = false;
    {
        const std::lock_guard hold{mutex_};
        changed = trouble_.has_value() == outcome.has_value();
        trouble_ = outcome ? std::nullopt : std::optional{outcome.error()};
    }
    if (!changed) return; // once, not every second
    if (outcome)
        log::info("the journal goes to its environment again").kv("environment", options_.directory.string());
    else
        log::error("the journal cannot go to its environment").kv("why", outcome.error().message());
}

} // namespace

result<std::unique_ptr<store>> open_journaled(std::unique_ptr<store> environment, journal_options options) {
    auto made = std::make_unique<journaled_store>(std::move(environment), std::move(options));
    if (auto started = made->start(); !started) return started.error();
    return std::unique_ptr<store>{std::move(made)};
}

} // namespace postsluice::state
