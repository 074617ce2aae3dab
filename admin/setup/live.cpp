// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/live.hpp"

#include "admin/doctor/run.hpp"
#include "admin/setup/master_cf.hpp"
#include "admin/setup/smtp_talk.hpp"
#include "admin/setup/wait.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::admin::setup {
namespace {

std::vector<std::string> hosts_of(const instance& at, const std::string& name) {
    const auto colon = name.rfind(':');
    std::string list = colon == std::string::npos ? at.facts().parameter("inet_interfaces") : name.substr(0, colon);
    std::erase_if(list, [](char c) { return c == '[' || c == ']'; });
    std::ranges::replace(list, ',', ' ');
    std::vector<std::string> out;
    for (const auto one : split(list, ' ')) {
        if (one == "all" || one == "loopback-only" || one == "localhost")
            out.insert(out.end(), {"127.0.0.1", "::1"});
        else if (!one.empty())
            out.emplace_back(one);
    }
    return out;
}

} // namespace

bool live::door::answers(const config::setup_settings& bounds) const {
    auto talk = smtp_talk::over_tcp(host, port, bounds);
    return talk && (wrapped || talk->greets());
}

live::live(const instance& at, const file_set& now, const config::setup_settings& bounds)
    : at_{at}
    , bounds_{bounds}
    , running_{at.running()} {
    if (!running_) return;
    for (const auto& one : logical_lines{now.at("master.cf")}.pieces) {
        if (!is_submission(one)) continue;
        const auto s = *service::of(one);
        const auto name = s.get(column::name);
        for (auto& host : hosts_of(at, name)) {
            door made{std::move(host), name.substr(name.rfind(':') + 1),
                      s.find("smtpd_tls_wrappermode").value_or("no") == "yes"};
            if (made.answers(bounds_)) doors_.push_back(std::move(made));
        }
    }
}

std::string live::who_is_silent(const std::vector<std::string>& ways_back) const {
    if (!at_.running()) return "master(8)";
    for (const auto& one : doors_)
        if (!one.answers(bounds_)) return one.host + ':' + one.port;
    for (const auto& one : ways_back) {
        auto talk = smtp_talk::over_unix(at_.queue_directory() / "public" / one, bounds_);
        if (!talk || !talk->greets()) return one;
    }
    return {};
}

result<void> live::reload(const std::vector<std::string>& ways_back) const {
    if (!running_) return {};
    if (auto done = doctor::run(at_.command("postfix", {"reload"})); !done) return done.error();
    std::string silent;
    const bool all_answer = wait_for(bounds_.reload_timeout, [&] {
        silent = who_is_silent(ways_back);
        return silent.empty();
    });
    if (all_answer) return {};
    return failure{errc::unavailable, silent + " does not answer after the reload"};
}

} // namespace postsluice::admin::setup
