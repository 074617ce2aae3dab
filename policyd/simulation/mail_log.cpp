// SPDX-License-Identifier: Apache-2.0
#include "policyd/simulation/mail_log.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <optional>

namespace postsluice::policyd::simulation {

namespace {

constexpr std::size_t line_most = 4096;
constexpr std::uint32_t recipients_most = 100'000; // of one message
constexpr auto some_days = std::chrono::hours{48};

template <class Number>
bool read_number(std::string_view text, Number& out) noexcept {
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && rest == text.data() + text.size();
}

// "2026-11-21T10:15:30.123456+01:00", "...Z"
std::optional<instant> rfc3339_time(std::string_view text) {
    if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') {
        return std::nullopt;
    }
    int year = 0;
    unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0;
    if (!read_number(text.substr(0, 4), year) || !read_number(text.substr(5, 2), month) ||
        !read_number(text.substr(8, 2), day) || !read_number(text.substr(11, 2), hour) ||
        !read_number(text.substr(14, 2), minute) || !read_number(text.substr(17, 2), second)) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{month}, std::chrono::day{day}};
    if (!date.ok()) {
        return std::nullopt;
    }
    auto at = instant{std::chrono::sys_days{date}.time_since_epoch()} + std::chrono::hours{hour} +
              std::chrono::minutes{minute} + seconds{second};
    const auto zone = text.find_first_of("+-Z", 19);
    if (zone != std::string_view::npos && text[zone] != 'Z' && text.size() >= zone + 6) {
        int hours = 0, minutes = 0;
        if (read_number(text.substr(zone + 1, 2), hours) && read_number(text.substr(zone + 4, 2), minutes)) {
            const auto ahead = std::chrono::minutes{hours * 60 + minutes};
            at -= text[zone] == '+' ? ahead : -ahead;
        }
    }
    return at;
}

/// The value of `name=`, up to a comma or blank.
std::string_view value_of(std::string_view text, std::string_view name) {
    for (auto at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
        const bool begins = at == 0 || text[at - 1] == ' ';
        if (begins) {
            text.remove_prefix(at + name.size());
            return text.substr(0, text.find_first_of(", "));
        }
    }
    return {};
}

/// The address of `name=<address>`; an address may hold blanks and commas.
std::optional<std::string> address_of(std::string_view text, std::string_view name) {
    const auto at = text.find(name);
    if (at == std::string_view::npos || at + name.size() >= text.size() || text[at + name.size()] != '<') {
        return std::nullopt;
    }
    text.remove_prefix(at + name.size() + 1);
    const auto end = text.find(">,");
    return std::string{text.substr(0, end == std::string_view::npos ? text.rfind('>') : end)};
}

bool is_queue_id(std::string_view text) {
    return text.size() >= 5 && text.size() <= 30 && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
           });
}

struct parts {
    std::string_view daemon, queue_id, rest; ///< "smtpd"
};

// "... postfix/submission/smtpd[123]: QUEUEID: rest"
std::optional<parts> take_apart(std::string_view text) {
    const auto open = text.find("]: ");
    const auto bracket = open == std::string_view::npos ? open : text.rfind('[', open);
    if (bracket == std::string_view::npos) {
        return std::nullopt;
    }
    const auto slash = text.rfind('/', bracket);
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    parts out;
    out.daemon = text.substr(slash + 1, bracket - slash - 1);
    auto after = text.substr(open + 3);
    const auto colon = after.find(": ");
    if (colon == std::string_view::npos || !is_queue_id(after.substr(0, colon))) {
        return std::nullopt;
    }
    out.queue_id = after.substr(0, colon);
    out.rest = after.substr(colon + 2);
    return out;
}

} // namespace

// "Nov 21 05:49:46"
instant mail_log::syslog_time(std::string_view text) {
    static constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto month = std::ranges::find(months, text.substr(0, std::min<std::size_t>(text.size(), 3)));
    std::tm parts{};
    if (text.size() < 15 || month == months.end() || !read_number(trim(text.substr(4, 2)), parts.tm_mday) ||
        !read_number(text.substr(7, 2), parts.tm_hour) || !read_number(text.substr(10, 2), parts.tm_min) ||
        !read_number(text.substr(13, 2), parts.tm_sec)) {
        return {};
    }
    parts.tm_mon = static_cast<int>(month - months.begin());
    parts.tm_isdst = -1;
    const auto today = std::chrono::system_clock::to_time_t(now_);
    std::tm here{};
    ::localtime_r(&today, &here);
    const auto in_year = [&](int back) {
        std::tm copy = parts;
        copy.tm_year = here.tm_year - back;
        return instant{seconds{::mktime(&copy)}};
    };
    years_back_ = std::max(years_back_, 0);
    auto at = in_year(0); // earlier years are found at the end, when it is known where the log ends
    for (int year = 1; at + std::chrono::hours{24 * 180} < latest_ && year < 50; ++year) {
        at = in_year(-year); // a December before this January: the log goes on
    }
    latest_ = std::max(latest_, at);
    return at;
}

void mail_log::line(std::string_view text) {
    ++lines_;
    text = text.substr(0, line_most);
    const auto found = take_apart(text);
    if (!found) {
        return;
    }
    const auto exact = rfc3339_time(text.substr(0, text.find(' ')));
    const instant at = exact ? *exact : syslog_time(text);
    if (at == instant{}) {
        return;
    }
    const std::string id{found->queue_id};
    if (found->daemon == "smtpd" && found->rest.starts_with("client=")) {
        return smtpd(id, found->rest, at, !exact);
    }
    const auto known = open_.find(id);
    if (known == open_.end()) {
        return;
    }
    if (found->daemon == "qmgr" && found->rest.starts_with("from=<")) {
        qmgr(known->second, found->rest);
    } else if (found->daemon == "qmgr" && found->rest == "removed") {
        finish(known);
    } else if (auto to = address_of(found->rest, "to="); to && found->rest.starts_with("to=<")) {
        auto& all = known->second.what.recipients;
        if (all.size() < recipients_most && std::ranges::find(all, *to) == all.end()) {
            all.push_back(std::move(*to));
        }
    }
}

void mail_log::smtpd(const std::string& id, std::string_view rest, instant at, bool by_syslog) {
    if (rest.find("orig_queue_id=") != std::string_view::npos) {
        return;
    }
    if (open_.size() + done_.size() >= most_messages) {
        ++left_out_;
        return;
    }
    if (const auto old = open_.find(id); old != open_.end()) { // a short queue ID, used again
        finish(old);
    }
    auto& made = open_[id];
    made.dated_by_syslog = by_syslog;
    made.what.at = at;
    made.what.queue_id = id;
    const auto client = value_of(rest, "client=");
    const auto bracket = client.rfind('[');
    if (bracket != std::string_view::npos) {
        made.what.client_address = client.substr(bracket + 1, client.find(']', bracket) - bracket - 1);
    }
    made.what.sasl_username = value_of(rest, "sasl_username=");
}

// Said again at each attempt to deliver: the first one counts.
void mail_log::qmgr(under_way& of, std::string_view rest) {
    if (of.queued) {
        return;
    }
    of.queued = true;
    of.what.sender = address_of(rest, "from=").value_or("");
    (void)read_number(value_of(rest, "size="), of.what.size);
    (void)read_number(value_of(rest, "nrcpt="), of.what.recipient_count);
    of.what.recipient_count = std::min(of.what.recipient_count, recipients_most);
}

void mail_log::finish(std::map<std::string, under_way>::iterator one) {
    if (one->second.queued) {
        done_.push_back(std::move(one->second));
    }
    open_.erase(one);
}

std::vector<logged_message> mail_log::take() {
    while (!open_.empty()) {
        finish(open_.begin());
    }
    // The latest year in which the log does not end in the future.
    const bool ahead = years_back_ >= 0 && latest_ > now_ + some_days;
    const auto year = std::chrono::hours{24 * 365};
    std::vector<logged_message> out;
    out.reserve(done_.size());
    for (auto& one : done_) {
        if (ahead && one.dated_by_syslog) {
            one.what.at -= year * ((latest_ - now_ - some_days) / year + 1);
        }
        out.push_back(std::move(one.what));
    }
    done_.clear();
    std::ranges::stable_sort(out, {}, &logged_message::at);
    return out;
}

} // namespace postsluice::policyd::simulation
