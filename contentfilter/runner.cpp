// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/runner.hpp"

#include "contentfilter/check_job.hpp"
#include "contentfilter/checks/external_scanners.hpp"
#include "contentfilter/checks/hash_lists.hpp"
#include "contentfilter/checks/pattern_database.hpp"
#include "contentfilter/checks/scan_workers.hpp"
#include "contentfilter/mime/tree.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <list>
#include <stdexcept>
#include <thread>

namespace postsluice::contentfilter {

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

// Up to this size the checks of a message share one thread. Measured: a message of 2 KB needs some 30 µs for all checks
// together.
constexpr std::uint64_t small_message = 65536;
constexpr auto tick = 50ms;

finding over_bounds(const std::string& detail) {
    finding f;
    f.symbol = "MIME_BOUND";
    // What cannot be looked into is not let through unseen: with the default thresholds the message is held.
    f.score = 10;
    f.group = "mime";
    f.evidence = detail;
    return f;
}

} // namespace

struct runner::impl {
    using job_ptr = std::shared_ptr<check_job>;

    asio::thread_pool pool;
    const std::vector<check>& checks;
    std::atomic<std::shared_ptr<const check_resources>> resources;
    std::atomic<bool> stuck{false};

    struct watched_lane {
        std::weak_ptr<activity> marks;
        steady::duration hard_limit;
    };
    std::mutex mutex;
    std::condition_variable wake, lane_ended;
    std::list<job_ptr> jobs;
    std::list<watched_lane> lanes;
    std::size_t running_lanes = 0;
    bool idle = false, stopping = false;
    std::thread watchdog;

    impl(std::size_t threads, std::shared_ptr<const check_resources> r, const std::vector<check>& c)
        : pool{std::max<std::size_t>(threads, 1)}
        , checks{c}
        , resources{std::move(r)} {
        watchdog = std::thread{[this] { watch(); }};
    }

    struct lane_count { // lives in a lane's frame: however the lane ends, it is counted off
        impl* owner;
        explicit lane_count(impl* o)
            : owner{o} {}
        ~lane_count() {
            const std::lock_guard lock{owner->mutex};
            --owner->running_lanes;
            owner->lane_ended.notify_all();
        }
        lane_count(const lane_count&) = delete;
    };

    static std::pair<std::vector<finding>, std::shared_ptr<const mime::tree>> build_tree(const message& what) {
        auto built = mime::tree::build(what.content, what.header, what.settings->contentfilter);
        if (built) return {{}, *built};
        if (built.error().code == errc::too_large) return {{over_bounds(built.error().detail)}, nullptr};
        throw std::runtime_error{built.error().message()};
    }

    static asio::awaitable<void> lane(impl* self, job_ptr job, std::shared_ptr<activity> marks, std::size_t first,
                                      std::size_t last) {
        const lane_count counted{self};
        for (auto step = first; step < last; ++step) {
            if (!job->begin(step)) co_return;
            marks->enter(); // each step has its own time
            std::vector<finding> found;
            std::shared_ptr<const mime::tree> tree;
            std::string trouble;
            try {
                if (step == 0)
                    std::tie(found, tree) = build_tree(job->subject());
                else
                    found = co_await job->check_of(step).run(job->context());
            } catch (const std::exception& e) {
                trouble = e.what();
                if (trouble.empty()) trouble = "exception";
            } catch (...) {
                trouble = "unknown exception";
            }
            if (!trouble.empty()) {
                found = {job->failed(step, trouble)};
                log::warning("check-failed")
                    .kv("queue_id", job->subject().queue_id)
                    .kv("detail", found.front().evidence);
            }
            if (!job->end(step, std::move(found), std::move(tree))) co_return;
            if (step == 0) last = self->spread(job, last);
        }
    }

    /// Gives each check of a large message a lane of its own; of a small one those that wait for servers, so that their
    /// times do not add up. The answer is where the lane at hand ends.
    std::size_t spread(const job_ptr& job, std::size_t last) {
        const bool small = job->subject().content->size() <= small_message;
        const auto end = small ? job->first_asking() : std::size_t{1};
        job->plan(1, end);
        for (auto each = end; each < last; ++each)
            start_lane(job, each, each + 1);
        return end;
    }

    void start_lane(const job_ptr& job, std::size_t first, std::size_t last) {
        if (first >= last) return;
        job->plan(first, last);
        auto marks = std::make_shared<activity>();
        {
            const std::lock_guard lock{mutex};
            ++running_lanes;
            lanes.push_back({marks, 2 * job->subject().settings->contentfilter.check_timeout});
        }
        asio::co_spawn(watched_executor{pool, marks}, lane(this, job, marks, first, last), asio::detached);
    }

    void add(const job_ptr& job) {
        {
            const std::lock_guard lock{mutex};
            jobs.push_back(job);
            if (idle) wake.notify_one();
        }
        start_lane(job, 0, job->steps());
    }

    void watch() {
        std::unique_lock lock{mutex};
        while (!stopping) {
            if (jobs.empty() && lanes.empty()) {
                idle = true;
                wake.wait(lock, [&] { return stopping || !jobs.empty() || !lanes.empty(); });
                idle = false;
            }
            wake.wait_for(lock, tick, [&] { return stopping; });
            jobs.remove_if([](const job_ptr& job) { return job->finished(); });
            lanes.remove_if([&](const watched_lane& l) {
                const auto marks = l.marks.lock();
                if (marks && marks->inside_longer_than(l.hard_limit) && !stuck.exchange(true))
                    log::error("thread-stuck").kv("detail", "a check does not come back; the daemon has to restart");
                return !marks;
            });
            const auto now = jobs;
            lock.unlock();
            for (const auto& job : now) {
                if (stuck) job->lose_patience();
                give_up(job);
            }
            lock.lock();
        }
    }

    void give_up(const job_ptr& job) {
        for (const auto& [first, last] : job->give_up_overdue()) {
            log::warning("check-overdue").kv("queue_id", job->subject().queue_id);
            start_lane(job, first, last);
        }
    }

    /// False where a thread is stuck.
    bool stop() {
        std::unique_lock lock{mutex};
        const bool ended = lane_ended.wait_for(lock, 60s, [&] { return running_lanes == 0 || stuck; });
        stopping = true;
        wake.notify_one();
        const bool clean = ended && running_lanes == 0;
        lock.unlock();
        watchdog.join();
        if (clean) pool.join();
        return clean;
    }
};

runner::runner(std::size_t threads, std::shared_ptr<const check_resources> resources, const std::vector<check>& checks)
    : impl_{std::make_unique<impl>(threads, std::move(resources), checks)} {}

runner::~runner() {
    // A thread that does not come back would hold the destructor for ever; the memory goes with the process.
    if (!impl_->stop()) (void)impl_.release();
}

bool runner::stuck() const noexcept {
    return impl_->stuck;
}

void runner::swap_resources(std::shared_ptr<const check_resources> resources) {
    impl_->resources = std::move(resources);
}

asio::awaitable<std::vector<finding>> runner::run(message_ptr what, steady::time_point begun_by) {
    auto* self = impl_.get();
    std::vector<const check*> enabled;
    for (const auto& c : self->checks) {
        const auto& profile = what->sender.profile;
        const bool off = profile && std::find(profile->disabled_checks.begin(), profile->disabled_checks.end(),
                                              c.name) != profile->disabled_checks.end();
        if (!off) enabled.push_back(&c);
    }
    const auto limit = what->settings->contentfilter.check_timeout;
    auto job =
        std::make_shared<check_job>(std::move(what), self->resources.load(), std::move(enabled), limit, begun_by);
    const auto begin = [](auto handler, impl* owner, impl::job_ptr started) {
        // The handler runs on the caller's executor, whichever thread reports last.
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        started->on_finish([shared, executor = asio::get_associated_executor(*shared)] {
            asio::post(executor, [shared] { std::move (*shared)(); });
        });
        owner->add(started);
    };
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(begin, asio::use_awaitable, self, job);
    co_return job->take();
}

std::shared_ptr<const check_resources> load_resources(const config::settings& settings,
                                                      std::shared_ptr<maps::map_set> maps, account_memory accounts,
                                                      state::token_statistics* learned) {
    auto resources = std::make_shared<check_resources>();
    resources->maps = std::move(maps);
    resources->accounts = accounts;
    resources->learned = learned;
    std::vector<std::string> errors;
    auto rules = read_rule_files(settings.contentfilter.rule_files, errors);
    resources->hashes = hash_lists::read(settings.hashes, errors);
    try {
        resources->patterns = std::make_shared<pattern_database>(std::exchange(rules.patterns, {}));
    } catch (const std::runtime_error& e) {
        errors.emplace_back(e.what());
    }
    if (!errors.empty()) {
        std::string text;
        for (const auto& e : errors)
            text += (text.empty() ? "" : "\n") + e;
        throw std::runtime_error{text};
    }
    resources->rules = std::make_shared<const rule_set>(std::move(rules));
    const auto& filter = settings.contentfilter;
    resources->workers = std::make_shared<scan_workers>(
        scan_workers::options{filter.worker, filter.workers, filter.worker_timeout, filter.max_connections * 4,
                              filter.worker_memory, filter.worker_idle});
    resources->scanners = external_scanners::start(settings);
    return resources;
}

} // namespace postsluice::contentfilter
