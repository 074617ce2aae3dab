// SPDX-License-Identifier: Apache-2.0
#include "shared/config/load.hpp"

#include "shared/config/document.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <list>
#include <sstream>

namespace postsluice::config {
namespace {

constexpr std::uintmax_t most_octets = 8U << 20U;

struct file_text {
    std::string text;
    std::string trouble; ///< why it could not be read
};

file_text read_file(const std::filesystem::path& path) {
    std::error_code ec;
    const auto size = std::filesystem::file_size(path, ec);
    if (!ec && size > most_octets) return {{}, "is larger than 8 MiB"};
    errno = 0;
    std::ifstream in{path, std::ios::binary};
    std::ostringstream text;
    if (!in || !(text << in.rdbuf() || in.peek() == std::ifstream::traits_type::eof()))
        return {{}, std::string{"cannot be read: "} + std::strerror(errno != 0 ? errno : EIO)};
    return {std::move(text).str(), {}};
}

// conf.d/*.toml beside the file, in name order.
std::vector<std::filesystem::path> drop_ins(const std::filesystem::path& file) {
    std::vector<std::filesystem::path> out;
    std::error_code ec;
    for (std::filesystem::directory_iterator it{file.parent_path() / "conf.d", ec}, end; !ec && it != end; it.increment(ec))
        if (it->path().extension() == ".toml") out.push_back(it->path());
    std::sort(out.begin(), out.end());
    return out;
}

/// myhostname of a main.cf that says it plainly; empty where it is computed or absent.
std::string postfix_hostname() {
    std::ifstream in{"/etc/postfix/main.cf"};
    std::string found;
    for (std::string line; std::getline(in, line);) {
        const auto equals = line.find('=');
        if (equals == std::string::npos || trim(std::string_view{line}.substr(0, equals)) != "myhostname") continue;
        found = trim(std::string_view{line}.substr(equals + 1)); // the last one counts
    }
    return found.find('$') == std::string::npos ? found : std::string{};
}

std::string default_hostname() {
    if (auto name = postfix_hostname(); !name.empty()) return name;
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
    return name;
}

load_result finish(document& d) {
    load_result out = d.finish();
    if (out.settings && out.settings->hostname.empty()) {
        auto named = std::make_shared<settings>(*out.settings);
        named->hostname = default_hostname();
        out.settings = std::move(named);
    }
    return out;
}

} // namespace

std::string config_error::message() const {
    std::string out = file;
    if (line > 0) out += ":" + std::to_string(line);
    return out + ": " + (key.empty() ? "" : key + ": ") + text;
}

load_result load(const std::filesystem::path& file) {
    document d;
    std::list<toml::table> parsed; // nodes are referred to until the end
    std::vector<config_error> unreadable;
    std::vector<std::filesystem::path> files = {file};
    for (auto& more : drop_ins(file)) files.push_back(std::move(more));
    for (const auto& path : files) {
        const auto content = read_file(path);
        if (!content.trouble.empty()) {
            unreadable.push_back({path.string(), 0, "", content.trouble});
            continue;
        }
        try {
            d.add(parsed.emplace_back(toml::parse(content.text, path.string())));
        } catch (const toml::parse_error& error) {
            d.syntax_error(error, path.string());
        }
    }
    load_result out = finish(d);
    out.errors.insert(out.errors.begin(), unreadable.begin(), unreadable.end());
    if (!out.errors.empty()) out.settings.reset();
    return out;
}

load_result load_text(std::string_view text, std::string_view name) {
    document d;
    toml::table parsed;
    try {
        parsed = toml::parse(text, name);
        d.add(parsed);
    } catch (const toml::parse_error& error) {
        d.syntax_error(error, name);
    }
    return finish(d);
}

} // namespace postsluice::config
