// SPDX-License-Identifier: Apache-2.0
#include "policyd/record_format.hpp"

#include <array>
#include <charconv>

namespace postsluice::policyd {

namespace {

constexpr std::string_view hex_digits = "0123456789ABCDEF";
constexpr std::string_view close_word = "CLOSE";
constexpr std::size_t time_length = 24;

void append_value(std::string& to, std::string_view value) {
    for (const char c : value) {
        const auto octet = static_cast<unsigned char>(c);
        if (octet <= 0x20 || octet == '%' || octet == 0x7F) {
            to.append(1, '%').append(1, hex_digits[octet >> 4U]).append(1, hex_digits[octet & 15U]);
        } else {
            to.append(1, c);
        }
    }
}

void append_field(std::string& to, std::string_view name, std::string_view value) {
    if (!value.empty()) {
        to.append(1, ' ').append(name).append(1, '=');
        append_value(to, value);
    }
}

void append_number(std::string& to, std::string_view name, std::uint64_t value) {
    if (value != 0) {
        to.append(1, ' ').append(name).append(1, '=').append(std::to_string(value));
    }
}

void append_time(std::string& to, instant at) {
    to += to_iso8601(at);
    const auto ms = static_cast<unsigned>(at.time_since_epoch().count() % 1000);
    const std::array<char, 5> rest{'.', static_cast<char>('0' + ms / 100), static_cast<char>('0' + ms / 10 % 10),
                                   static_cast<char>('0' + ms % 10), 'Z'};
    to.back() = rest.front();
    to.append(rest.data() + 1, rest.size() - 1);
}

template <class Number>
bool read_number(std::string_view text, Number& out) noexcept {
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && rest == text.data() + text.size();
}

// "2026-11-21T10:15:30.123Z"
bool read_time(std::string_view text, instant& out) {
    if (text.size() != time_length || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
        text[16] != ':' || text[19] != '.' || text[23] != 'Z') {
        return false;
    }
    int year = 0;
    unsigned month = 0, day = 0, hour = 0, minute = 0, second = 0, ms = 0;
    const bool digits = read_number(text.substr(0, 4), year) && read_number(text.substr(5, 2), month) &&
                        read_number(text.substr(8, 2), day) && read_number(text.substr(11, 2), hour) &&
                        read_number(text.substr(14, 2), minute) && read_number(text.substr(17, 2), second) &&
                        read_number(text.substr(20, 3), ms);
    const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{month}, std::chrono::day{day}};
    if (!digits || !date.ok() || hour > 23 || minute > 59 || second > 60) {
        return false;
    }
    out = instant{std::chrono::sys_days{date}.time_since_epoch()} + std::chrono::hours{hour} +
          std::chrono::minutes{minute} + seconds{second} + milliseconds{ms};
    return true;
}

int hex_value(char c) noexcept {
    const auto at = hex_digits.find(c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

bool read_value(std::string_view text, std::string& out) {
    out.clear();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        const bool whole = i + 2 < text.size();
        const int first = whole ? hex_value(text[i + 1]) : -1;
        const int last = whole ? hex_value(text[i + 2]) : -1;
        if (first < 0 || last < 0) {
            return false;
        }
        out += static_cast<char>(first << 4U | last);
        i += 2;
    }
    return true;
}

bool read_stage(std::string_view word, recorded& out) {
    for (const stage known : {stage::rcpt, stage::data, stage::end_of_message}) {
        if (word == to_string(known)) {
            out.protocol_state = known;
            return true;
        }
    }
    return out.close = word == close_word;
}

bool read_field(std::string_view name, const std::string& value, recorded& out) {
    if (name == "connection") {
        return read_number(std::string_view{value}, out.connection);
    }
    if (name == "recipient_count") {
        return read_number(std::string_view{value}, out.recipient_count);
    }
    if (name == "size") {
        return read_number(std::string_view{value}, out.size);
    }
    const std::array<std::pair<std::string_view, std::string*>, 12> texts{
        {{"client_address", &out.client_address},
         {"server_address", &out.server_address},
         {"server_port", &out.server_port},
         {"sender", &out.sender},
         {"recipient", &out.recipient},
         {"queue_id", &out.queue_id},
         {"instance", &out.instance},
         {"sasl_username", &out.sasl_username},
         {"policy_context", &out.policy_context},
         {"ccert_fingerprint", &out.ccert_fingerprint},
         {"ccert_pubkey_fingerprint", &out.ccert_pubkey_fingerprint},
         {"answer", &out.answer}}};
    for (const auto& [known, place] : texts) {
        if (known == name) {
            *place = value;
        }
    }
    return true;
}

std::string_view next_word(std::string_view& line) {
    const auto blank = line.find(' ');
    const auto word = line.substr(0, blank);
    line.remove_prefix(blank == std::string_view::npos ? line.size() : blank + 1);
    return word;
}

std::string_view first_word_of(const decision& said) noexcept {
    switch (said.kind) {
    case decision_kind::reject:
        return said.code == refusal_code::defer_policy    ? "450"
               : said.code == refusal_code::reject_policy ? "550"
                                                          : "451";
    case decision_kind::prepend:
        return "PREPEND";
    case decision_kind::hold:
        return "HOLD";
    case decision_kind::warn:
        return "WARN";
    case decision_kind::dunno:
        break;
    }
    return "DUNNO";
}

} // namespace

request recorded::view() const noexcept {
    request out;
    out.at = protocol_state;
    out.client_address = client_address;
    out.server_address = server_address;
    out.server_port = server_port;
    out.sender = sender;
    out.recipient = recipient;
    out.queue_id = queue_id;
    out.instance = instance;
    out.sasl_username = sasl_username;
    out.policy_context = policy_context;
    out.ccert_fingerprint = ccert_fingerprint;
    out.ccert_pubkey_fingerprint = ccert_pubkey_fingerprint;
    out.recipient_count = recipient_count;
    out.size = size;
    return out;
}

void append_answered(std::string& to, const request& what, std::uint64_t connection, instant at, const decision& said) {
    append_time(to, at);
    to.append(1, ' ').append(to_string(what.at));
    append_number(to, "connection", connection);
    append_field(to, "server_address", what.server_address);
    append_field(to, "server_port", what.server_port);
    append_field(to, "policy_context", what.policy_context);
    append_field(to, "client_address", what.client_address);
    append_field(to, "instance", what.instance);
    append_field(to, "queue_id", what.queue_id);
    append_field(to, "sasl_username", what.sasl_username);
    append_field(to, "ccert_fingerprint", what.ccert_fingerprint);
    append_field(to, "ccert_pubkey_fingerprint", what.ccert_pubkey_fingerprint);
    append_field(to, "sender", what.sender);
    append_field(to, "recipient", what.recipient);
    append_number(to, "recipient_count", what.recipient_count);
    append_number(to, "size", what.size);
    append_field(to, "answer", first_word_of(said));
    to += '\n';
}

void append_closed(std::string& to, std::uint64_t connection, instant at) {
    append_time(to, at);
    to.append(1, ' ').append(close_word);
    append_number(to, "connection", connection);
    to += '\n';
}

result<recorded> read_record_line(std::string_view line) {
    recorded out;
    if (!read_time(next_word(line), out.at) || !read_stage(next_word(line), out)) {
        return failure{errc::malformed, "no line of a record: it begins with no time and stage"};
    }
    std::string value;
    while (!line.empty()) {
        const auto word = next_word(line);
        const auto equals = word.find('=');
        if (equals == std::string_view::npos || !read_value(word.substr(equals + 1), value) ||
            !read_field(word.substr(0, equals), value, out)) {
            return failure{errc::malformed, "no line of a record: a field is damaged"};
        }
    }
    if (!out.close && out.instance.empty()) {
        return failure{errc::malformed, "no line of a record: it has no instance"};
    }
    return out;
}

} // namespace postsluice::policyd
