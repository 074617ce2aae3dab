// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/opendkim_tables.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <sys/stat.h>

namespace postsluice::auth {

namespace {

constexpr std::uintmax_t max_table = 16U << 20U;

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\r';
}

struct data_set {
    std::filesystem::path file;
    bool wildcards = false;
};

result<data_set> data_set_of(std::string_view text) {
    data_set out;
    auto path = text;
    if (path.starts_with("refile:")) {
        out.wildcards = true;
        path.remove_prefix(7);
    } else if (path.starts_with("file:")) {
        path.remove_prefix(5);
    }
    const auto shown = printable(text, 200);
    if (!path.starts_with('/'))
        return failure{errc::unsupported, shown + ": is no table in a file; use file: or refile: and its full path"};
    if (path.ends_with(".db") || path.ends_with(".mdb"))
        return failure{errc::unsupported, shown + ": is a data base; name the text file that it is made from"};
    out.file = path;
    return out;
}

/// Calls `use` with the first word of each line, the rest, and the line's number. It returns what is wrong.
void for_each_line(const std::filesystem::path& file, std::vector<std::string>& errors,
                   const std::function<std::string(std::string_view, std::string_view, unsigned)>& use) {
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    std::ifstream in{file};
    if (error || !in) {
        errors.push_back(file.string() + ": " + (error ? error.message() : std::string{"cannot be read"}));
        return;
    }
    if (size > max_table) {
        errors.push_back(file.string() + ": is larger than 16 MiB");
        return;
    }
    unsigned number = 0;
    for (std::string text; std::getline(in, text);) {
        ++number;
        std::string_view line{text};
        line = trim(line.substr(0, line.find('#')));
        if (line.empty()) continue;
        const auto end = static_cast<std::size_t>(std::find_if(line.begin(), line.end(), is_blank) - line.begin());
        const auto wrong = use(line.substr(0, end), trim(line.substr(end)), number);
        if (!wrong.empty()) errors.push_back(file.string() + ":" + std::to_string(number) + ": " + wrong);
    }
    if (in.bad()) errors.push_back(file.string() + ": cannot be read to its end");
}

bool read_by_others(const std::filesystem::path& file) {
    struct stat info {};
    return ::stat(file.c_str(), &info) == 0 && (info.st_mode & 0037) != 0;
}

void read_keys(opendkim_tables& out, std::vector<std::string>& errors) {
    const bool open = read_by_others(out.key_file);
    for_each_line(out.key_file, errors, [&](std::string_view name, std::string_view value, unsigned number) {
        const auto one = value.find(':');
        const auto two = one == std::string_view::npos ? one : value.find(':', one + 1);
        if (two == std::string_view::npos || one == 0 || two == one + 1 || two + 1 == value.size())
            return std::string{"is no key; NAME DOMAIN:SELECTOR:FILE would be right"};
        key_table_line line;
        line.domain = to_lower(trim(value.substr(0, one)));
        line.selector = trim(value.substr(one + 1, two - one - 1));
        line.key = trim(value.substr(two + 1));
        line.inside = !line.key.starts_with('/') && !line.key.starts_with("./") && !line.key.starts_with("../");
        line.line = number;
        if (line.inside && open)
            return std::string{"holds a key itself, and others can read or change the table; chmod it to 0600 or 0640"};
        if (!line.inside && !line.key.starts_with('/'))
            return std::string{"names its file by a relative path; write the full one"};
        const auto same = out.keys.find(name);
        if (same != out.keys.end())
            return printable(name, 100) + " is already in line " + std::to_string(same->second.line) +
                   "; give each key a name of its own";
        out.keys.emplace(name, std::move(line));
        return std::string{};
    });
}

void read_signing(opendkim_tables& out, std::vector<std::string>& errors) {
    for_each_line(out.signing_file, errors, [&](std::string_view pattern, std::string_view value, unsigned number) {
        const auto colon = value.find(':');
        signing_table_line line{to_lower(pattern), std::string{trim(value.substr(0, colon))}, {}, number};
        if (colon != std::string_view::npos) line.identity = trim(value.substr(colon + 1));
        if (line.key_name.empty()) return std::string{"names no key; PATTERN KEYNAME would be right"};
        if (line.key_name != "%" && !out.keys.contains(line.key_name))
            return printable(line.key_name, 100) + " is not in " + out.key_file.string() + "; add it there";
        out.signing.push_back(std::move(line));
        return std::string{};
    });
}

} // namespace

opendkim_tables read_opendkim_tables(std::string_view key_table, std::string_view signing_table,
                                     std::vector<std::string>& errors) {
    opendkim_tables out;
    const auto keys = data_set_of(key_table), signing = data_set_of(signing_table);
    for (const auto* const one : {&keys, &signing})
        if (!*one) errors.push_back(one->error().detail);
    if (!keys || !signing) return out;
    out.key_file = keys->file;
    out.signing_file = signing->file;
    out.wildcards = signing->wildcards;
    read_keys(out, errors);
    read_signing(out, errors);
    return out;
}

std::vector<const signing_table_line*> opendkim_tables::match(std::string_view local, std::string_view domain,
                                                              bool all) const {
    std::vector<const signing_table_line*> out;
    const auto user = to_lower(local), host = to_lower(domain);
    if (wildcards) {
        const auto address = user + "@" + host;
        for (const auto& line : signing) {
            if (!glob_match(line.pattern, address)) continue;
            out.push_back(&line);
            if (!all) break;
        }
        return out;
    }
    std::vector<std::string> asked = {user + "@" + host, host};
    for (auto dot = host.find('.'); dot != std::string::npos; dot = host.find('.', dot + 1)) {
        asked.push_back(user + "@" + host.substr(dot));
        asked.push_back(host.substr(dot));
    }
    asked.push_back(user + "@*");
    asked.emplace_back("*");
    for (const auto& key : asked)
        for (const auto& line : signing)
            if (line.pattern == key) {
                out.push_back(&line);
                if (!all) return out;
                break; // a flat file has one value a key: the first
            }
    return out;
}

std::string fill_in(std::string_view text, std::string_view domain) {
    std::string out;
    for (const char c : text)
        if (c == '%')
            out += domain;
        else
            out += c;
    return out;
}

} // namespace postsluice::auth
