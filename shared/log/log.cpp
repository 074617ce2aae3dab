// SPDX-License-Identifier: Apache-2.0
#include "shared/log/log.hpp"

#include "shared/core/text.hpp"
#include "shared/log/last_line.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>
#include <utility>

namespace postsluice::log {
namespace {

constexpr std::size_t max_value = 1000;

struct level_row {
    level value;
    std::string_view name;
    spdlog::level::level_enum of_spdlog;
};
constexpr level_row levels[] = {
    {level::debug, "debug", spdlog::level::debug},
    {level::info, "info", spdlog::level::info},
    {level::warning, "warning", spdlog::level::warn},
    {level::error, "error", spdlog::level::err},
};

const level_row& row_of(level l) noexcept {
    return levels[static_cast<std::size_t>(l)];
}

std::atomic<level> threshold_{level::info};
std::atomic<bool> to_syslog{false};

std::mutex& sink_mutex() {
    static std::mutex m;
    return m;
}
std::function<void(level, const std::string&)>& captured() {
    static std::function<void(level, const std::string&)> f;
    return f;
}

std::shared_ptr<spdlog::logger> make_logger(spdlog::sink_ptr sink) {
    auto logger = std::make_shared<spdlog::logger>("postsluice", std::move(sink));
    logger->set_level(spdlog::level::debug); // the threshold is ours
    logger->set_pattern("%v");
    logger->flush_on(spdlog::level::debug);
    return logger;
}
std::shared_ptr<spdlog::logger>& logger() {
    static auto l = make_logger(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    return l;
}

bool needs_quotes(std::string_view value) noexcept {
    return value.empty() || value.find_first_of(" =\"\\\t") != std::string_view::npos;
}

void append_value(std::string& out, std::string_view value) {
    const std::string clean = printable(value, max_value);
    if (!needs_quotes(clean)) {
        out += clean;
        return;
    }
    out.push_back('"');
    for (const char c : clean) {
        if (c == '"' || c == '\\') out.push_back('\\');
        out.push_back(c);
    }
    out.push_back('"');
}

} // namespace

void open(std::string_view program, std::string_view destination, std::string_view threshold) {
    const level_row* found = nullptr;
    for (const auto& row : levels)
        if (row.name == threshold) found = &row;
    if (found == nullptr) throw std::invalid_argument{"log.level: \"" + std::string{threshold} + "\" is no level"};
    spdlog::sink_ptr sink;
    if (destination == "stderr") {
        sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else if (destination == "syslog") {
        sink = std::make_shared<spdlog::sinks::syslog_sink_mt>(std::string{program}, LOG_PID, LOG_MAIL, false);
    } else {
        throw std::invalid_argument{"log.destination: \"" + std::string{destination} +
                                    "\" is neither stderr nor syslog"};
    }
    const std::lock_guard hold{sink_mutex()};
    logger() = make_logger(std::move(sink));
    threshold_ = found->value;
    to_syslog = destination == "syslog";
}

bool enabled(level l) noexcept {
    return l >= threshold_.load(std::memory_order_relaxed);
}

void capture(std::function<void(level, const std::string&)> sink) {
    const std::lock_guard hold{sink_mutex()};
    captured() = std::move(sink);
}

void last_line(const char* text) noexcept {
    if (to_syslog) {
        ::syslog(LOG_MAIL | LOG_ERR, "error %s", text);
        return;
    }
    std::array<iovec, 3> parts{}; // one write, so that no other line comes between
    const auto part = [](const char* octets) { return iovec{const_cast<char*>(octets), std::strlen(octets)}; };
    parts = {part("error "), part(text), part("\n")};
    (void)!::writev(STDERR_FILENO, parts.data(), static_cast<int>(parts.size()));
}

line::line(level l, std::string_view event)
    : level_{l}
    , active_{enabled(l)} {
    if (!active_) return;
    text_.reserve(200);
    text_.append(row_of(l).name).append(1, ' ').append(event);
}

line::line(line&& other) noexcept
    : level_{other.level_}
    , active_{std::exchange(other.active_, false)}
    , text_{std::move(other.text_)} {}

line&& line::kv(std::string_view key, std::string_view value) && {
    if (active_) {
        text_.append(1, ' ').append(key).append(1, '=');
        append_value(text_, value);
    }
    return std::move(*this);
}

// A log that cannot be written must never take mail down with it.
line::~line() {
    if (!active_) return;
    try {
        std::shared_ptr<spdlog::logger> to;
        {
            const std::lock_guard hold{sink_mutex()};
            if (captured()) {
                captured()(level_, text_);
                return;
            }
            to = logger();
        }
        to->log(row_of(level_).of_spdlog, text_);
    } catch (...) { // NOLINT(bugprone-empty-catch)
    }
}

} // namespace postsluice::log
