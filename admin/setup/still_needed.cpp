// SPDX-License-Identifier: Apache-2.0
#include "admin/doctor/run.hpp"
#include "admin/human.hpp"
#include "admin/setup/instance.hpp"
#include "shared/core/text.hpp"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace postsluice::admin::setup {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_messages = 2000; // more are not looked at one by one: postcat costs some 5 ms for each

/// An smtpd from before the reload goes on with its client, and queues his mail for the filter.
bool old_process(const fs::path& process, const fs::path& queue) {
    std::error_code error;
    if (fs::read_symlink(process / "cwd", error) != queue || error) return false;
    std::ifstream in{process / "cmdline", std::ios::binary};
    const std::string words{std::istreambuf_iterator<char>{in}, {}};
    return words.find("content_filter=postsluice") != std::string::npos ||
           words.find("smtpd_proxy_filter=unix:postsluice") != std::string::npos;
}

std::size_t old_processes(const fs::path& queue) {
    std::size_t out = 0;
    std::error_code error;
    for (const auto& one : fs::directory_iterator{"/proc", error}) {
        const auto name = one.path().filename().string();
        if (name.find_first_not_of("0123456789") == std::string::npos && old_process(one.path(), queue)) ++out;
    }
    return out;
}

bool for_our_filter(const instance& at, const std::string& queue_id) {
    const auto envelope = doctor::run(at.command("postcat", {"-e", "-q", queue_id}));
    if (!envelope) return false; // gone meanwhile
    for (const auto line : split(*envelope, '\n'))
        if (line.starts_with("content_filter:") && is_ours(trim(line.substr(15)))) return true;
    return false;
}

} // namespace

std::optional<std::string> still_needed(const instance& at) {
    if (const auto n = old_processes(at.queue_directory()))
        return say_count(static_cast<std::int64_t>(n), "smtpd process") + " from before still with a client";
    const auto queue = doctor::run(at.command("postqueue", {"-j"}));
    if (!queue) return "the queue cannot be looked at (" + queue.error().message() + ")";
    std::int64_t ours = 0;
    const auto lines = split(*queue, '\n');
    if (lines.size() > most_messages)
        return std::to_string(lines.size()) + " messages are in the queue, too many to look at each";
    for (const auto line : lines) {
        const auto message = nlohmann::json::parse(line, nullptr, false);
        if (message.is_object() && for_our_filter(at, text_of(message, "queue_id"))) ++ours;
    }
    if (ours > 0) return say_count(ours, "queued message") + " to go through the filter";
    return std::nullopt;
}

} // namespace postsluice::admin::setup
