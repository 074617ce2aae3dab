// SPDX-License-Identifier: Apache-2.0
#include "admin/doctor/postfix.hpp"

#include "admin/doctor/run.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace postsluice::admin::doctor {
namespace {

const std::string nothing;

/// "name = value" lines, as postconf prints them.
template <class Visit>
void each_pair(std::string_view text, Visit visit) {
    for (const auto line : split(text, '\n')) {
        const auto equals = line.find(" =");
        if (equals == std::string_view::npos) continue;
        visit(std::string{line.substr(0, equals)}, std::string{trim(line.substr(equals + 2))});
    }
}

std::vector<std::string_view> words_of(std::string_view line) {
    auto words = split(line, ' ');
    std::erase_if(words, [](std::string_view w) { return w.empty(); });
    return words;
}

// service type private unpriv chroot wakeup maxproc command
void add_service(std::string_view line, bool chrooted_by_default, std::vector<postfix_service>& to) {
    const auto words = words_of(line);
    if (words.size() < 8) return;
    auto& made = to.emplace_back();
    made.name = words[0];
    made.type = words[1];
    made.chrooted = words[4] == "y" || (words[4] == "-" && chrooted_by_default);
    made.program = words[7].substr(words[7].rfind('/') + 1);
}

void add_override(postfix_facts& to, const std::string& key, std::string value) {
    const auto last = key.rfind('/');
    if (last == std::string::npos) return;
    for (auto& one : to.services)
        if (one.label() == key.substr(0, last)) one.overrides[key.substr(last + 1)] = std::move(value);
}

// ---- restriction lists

/// The next element and what is between it and the end; braces hold one together.
std::string_view next_element(std::string_view& text) {
    constexpr std::string_view blanks = ", \t\r\n";
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    std::size_t end = 0;
    int depth = 0;
    for (; end < text.size(); ++end) {
        const char c = text[end];
        if (c == '{') ++depth;
        if (c == '}' && --depth == 0) {
            ++end;
            break;
        }
        if (depth == 0 && blanks.find(c) != std::string_view::npos) break;
    }
    const auto element = text.substr(0, end);
    text.remove_prefix(end);
    return element;
}

std::string_view without_braces(std::string_view text) {
    text = trim(text);
    return text.size() >= 2 && text.front() == '{' && text.back() == '}' ? trim(text.substr(1, text.size() - 2)) : text;
}

// "{ unix:x, timeout=10s, { default_action = 451 ... } }": commas and blanks part elements; "name = value" stands in
// braces of its own, "name=value" may stand without.
void read_policy_service(std::string_view text, restriction& into) {
    if (!text.starts_with('{')) {
        into.argument = text;
        return;
    }
    auto inside = without_braces(text);
    into.argument = next_element(inside);
    for (auto element = next_element(inside); !element.empty(); element = next_element(inside)) {
        const auto pair = without_braces(element);
        const auto equals = pair.find('=');
        if (equals != std::string_view::npos)
            into.options[std::string{trim(pair.substr(0, equals))}] = trim(pair.substr(equals + 1));
    }
}

} // namespace

const std::string& postfix_facts::parameter(const std::string& name) const {
    const auto at = parameters.find(name);
    return at == parameters.end() ? nothing : at->second;
}

const std::string& postfix_facts::parameter(const postfix_service& of, const std::string& name) const {
    const auto at = of.overrides.find(name);
    return at == of.overrides.end() ? parameter(name) : at->second;
}

std::string postfix_facts::postconf() const {
    return directory.empty() ? "postconf" : "postconf -c " + directory.string();
}
std::string postfix_facts::reload() const {
    return directory.empty() ? "postfix reload" : "postfix -c " + directory.string() + " reload";
}

result<postfix_facts> read_postfix(const std::filesystem::path& directory) {
    postfix_facts out;
    out.directory = directory;
    const auto ask = [&directory](std::vector<std::string> options) {
        std::vector<std::string> command{"postconf"};
        if (!directory.empty()) {
            command.emplace_back("-c");
            command.push_back(directory.string());
        }
        command.insert(command.end(), options.begin(), options.end());
        return run(command);
    };
    const auto parameters = ask({"-x"});
    if (!parameters) return parameters.error();
    const auto services = ask({"-M"});
    if (!services) return services.error();
    const auto overrides = ask({"-Px"});
    if (!overrides) return overrides.error();
    each_pair(*parameters, [&](std::string name, std::string value) { out.parameters[name] = std::move(value); });
    const bool old = out.parameter("compatibility_level") == "0"; // COMPATIBILITY_README: chroot was the default
    for (const auto line : split(*services, '\n'))
        add_service(line, old, out.services);
    each_pair(*overrides, [&](const std::string& key, std::string value) { add_override(out, key, std::move(value)); });
    return out;
}

std::vector<restriction> read_restrictions(std::string_view list) {
    std::vector<restriction> out;
    for (auto element = next_element(list); !element.empty(); element = next_element(list)) {
        // "{ check_policy_service ... }" is the same as what is inside
        if (element.starts_with('{')) {
            const auto inside = read_restrictions(without_braces(element));
            out.insert(out.end(), inside.begin(), inside.end());
            continue;
        }
        auto& made = out.emplace_back();
        made.word = to_lower(element);
        made.text = element;
        if (!made.word.starts_with("check_")) continue;
        const auto argument = next_element(list);
        made.text.append(1, ' ').append(argument);
        if (made.word == "check_policy_service")
            read_policy_service(argument, made);
        else
            made.argument = argument;
    }
    return out;
}

std::optional<long> read_postfix_time(std::string_view text) {
    text = trim(text);
    long number = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return std::nullopt;
    const std::string_view unit{rest, static_cast<std::size_t>(text.data() + text.size() - rest)};
    if (unit.empty() || unit == "s") return number;
    if (unit == "m") return number * 60;
    if (unit == "h") return number * 3600;
    if (unit == "d") return number * 86400;
    return unit == "w" ? std::optional{number * 7 * 86400} : std::nullopt;
}

std::optional<bool> is_running(const postfix_facts& postfix) {
    const std::filesystem::path queue = postfix.parameter("queue_directory");
    const int fd = ::open((queue / "pid/master.pid").c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? std::optional{false} : std::nullopt;
    const bool held = ::flock(fd, LOCK_SH | LOCK_NB) != 0;
    ::close(fd);
    return held;
}

} // namespace postsluice::admin::doctor
