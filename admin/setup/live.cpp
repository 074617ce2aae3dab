// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/live.hpp"

#include "admin/doctor/run.hpp"
#include "admin/setup/master_cf.hpp"
#include "admin/setup/smtp_talk.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <thread>

namespace postsluice::admin::setup {
namespace {

constexpr std::chrono::seconds most{15};

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

bool live::door::answers() const {
    auto talk = smtp_talk::over_tcp(host, port);
    return talk && (wrapped || talk->greets());
}

live::live(const instance& at, const file_set& now)
    : at_{at}
    , running_{at.running()} {
    if (!running_) return;
    for (const auto& one : logical_lines{now.at("master.cf")}.pieces) {
        if (!is_submission(one)) continue;
        const auto s = *service::of(one);
        const auto name = s.get(column::name);
        for (auto& host : hosts_of(at, name)) {
            door made{std::move(host), name.substr(name.rfind(':') + 1),
                      s.find("smtpd_tls_wrappermode").value_or("no") == "yes"};
            if (made.answers()) doors_.push_back(std::move(made));
        }
    }
}

result<void> live::reload(const std::vector<std::string>& ways_back) const {
    if (!running_) return {};
    if (auto done = doctor::run(at_.command("postfix", {"reload"})); !done) return done.error();
    std::string silent;
    for (const auto until = std::chrono::steady_clock::now() + most; std::chrono::steady_clock::now() < until;
         std::this_thread::sleep_for(std::chrono::milliseconds{100})) {
        silent.clear();
        if (!at_.running()) silent = "master(8)";
        for (const auto& one : doors_)
            if (silent.empty() && !one.answers()) silent = one.host + ':' + one.port;
        for (const auto& one : ways_back)
            if (auto talk = smtp_talk::over_unix(at_.queue_directory() / "public" / one);
                silent.empty() && !(talk && talk->greets()))
                silent = one;
        if (silent.empty()) return {};
    }
    return failure{errc::unavailable, silent + " does not answer after the reload"};
}

} // namespace postsluice::admin::setup
