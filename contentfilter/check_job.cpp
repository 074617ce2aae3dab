// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/check_job.hpp"

#include "contentfilter/mime/content.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::contentfilter {

check_job::check_job(message_ptr what, std::shared_ptr<const check_resources> resources,
                     std::vector<const check*> checks, steady::duration limit, steady::time_point begun_by)
    : message_{std::move(what)}
    , resources_{std::move(resources)}
    , checks_{std::move(checks)}
    , limit_{limit}
    , begun_by_{begun_by}
    , steps_(checks_.size() + 1)
    , unfinished_{steps_.size()} {}

std::size_t check_job::first_asking() const noexcept {
    if (resources_ == nullptr || resources_->scanners == nullptr) return steps();
    auto first = steps();
    while (first > 1 && check_of(first - 1).asks)
        --first;
    return first;
}

check_context check_job::context() {
    const std::lock_guard lock{mutex_};
    if (!content_) content_ = std::make_shared<const mime::content>(message_, tree_);
    return {message_, tree_, resources_, content_};
}

void check_job::plan(std::size_t first, std::size_t last) {
    const std::lock_guard lock{mutex_};
    for (auto i = first; i < last; ++i)
        steps_[i].lane_end = last;
    if (first < last && steps_[first].state == step_state::waiting)
        steps_[first].due = std::max(begun_by_, steady::now() + limit_);
}

bool check_job::begin(std::size_t step) {
    const std::lock_guard lock{mutex_};
    auto& s = steps_[step];
    if (s.state != step_state::waiting) return false;
    s.state = step_state::running;
    s.due = steady::now() + limit_;
    return true;
}

bool check_job::end(std::size_t step, std::vector<finding> found, std::shared_ptr<const mime::tree> tree) {
    std::unique_lock lock{mutex_};
    auto& s = steps_[step];
    if (s.state != step_state::running) return false;
    if (tree) tree_ = std::move(tree);
    report(s, std::move(found), lock);
    return true;
}

/// Unlocks before finish_ runs: it may want to look at us.
void check_job::report(step_state& step, std::vector<finding> found, std::unique_lock<std::mutex>& lock) {
    step.state = step_state::done;
    step.due = steady::time_point::max();
    step.found = std::move(found);
    if (--unfinished_ > 0) return;
    lock.unlock();
    finish_();
}

void check_job::give_up_waiting(std::size_t step) {
    std::unique_lock lock{mutex_};
    auto& s = steps_[step];
    if (s.state == step_state::waiting) report(s, {failed(step, "no thread was free in time")}, lock);
}

std::vector<std::pair<std::size_t, std::size_t>> check_job::give_up_overdue() {
    std::vector<std::pair<std::size_t, std::size_t>> rest;
    const auto now = steady::now();
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        std::unique_lock lock{mutex_};
        auto& s = steps_[i];
        if (s.state == step_state::done || s.due > now) continue;
        const bool began = s.state == step_state::running;
        const auto last = s.lane_end;
        report(s, {failed(i, began ? "did not finish in time" : "no thread was free in time")}, lock);
        if (lock) lock.unlock();
        if (began && i + 1 < last) rest.emplace_back(i + 1, last);
        for (auto behind = i + 1; !began && behind < last; ++behind) // they wait for the same thread
            give_up_waiting(behind);
    }
    return rest;
}

void check_job::lose_patience() {
    const std::lock_guard lock{mutex_};
    begun_by_ = {};
    for (auto& s : steps_)
        if (s.state == step_state::waiting && s.due != steady::time_point::max())
            s.due = std::min(s.due, steady::now() + limit_);
}

bool check_job::finished() const {
    const std::lock_guard lock{mutex_};
    return unfinished_ == 0;
}

std::vector<finding> check_job::take() {
    const std::lock_guard lock{mutex_};
    std::vector<finding> all;
    for (auto& s : steps_)
        std::move(s.found.begin(), s.found.end(), std::back_inserter(all));
    return all;
}

finding check_job::failed(std::size_t step, std::string_view why) const {
    finding f;
    f.symbol = "CHECK_FAILED";
    f.group = step == 0 ? "mime" : std::string{check_of(step).group};
    f.check = step == 0 ? "mime" : std::string{check_of(step).name};
    f.evidence = f.check + ": " + printable(why, 300);
    f.why = reason::check_failed;
    f.temperror = true;
    return f;
}

} // namespace postsluice::contentfilter
