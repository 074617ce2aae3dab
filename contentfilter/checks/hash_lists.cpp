// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/hash_lists.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace postsluice::contentfilter {

namespace {

constexpr std::size_t max_comment = 200, max_errors = 20;

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::optional<std::array<std::uint8_t, 32>> parse_sum(std::string_view text) {
    std::array<std::uint8_t, 32> out{};
    if (text.size() != 2 * out.size()) return std::nullopt;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const int high = hex(text[2 * i]), low = hex(text[2 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        out[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return out;
}

std::vector<std::filesystem::path> matching(const std::filesystem::path& glob) {
    const auto name = glob.filename().string();
    if (name.find('*') == std::string::npos) return {glob};
    std::vector<std::filesystem::path> out;
    std::error_code ignored; // a directory that is not there holds no lists
    for (const auto& at : std::filesystem::directory_iterator{glob.parent_path(), ignored})
        if (glob_match(name, at.path().filename().string())) out.push_back(at.path());
    std::sort(out.begin(), out.end());
    return out;
}

} // namespace

void hash_lists::add(std::string_view text, const std::string& name, std::size_t most,
                     std::vector<std::string>& errors) {
    names_.push_back(name);
    std::uint32_t number = 0;
    for (auto line : split(text, '\n')) {
        ++number;
        line = trim(line);
        if (line.empty() || line.front() == '#') continue;
        const auto end = std::min(line.find_first_of(" \t"), line.size());
        const auto sum = parse_sum(line.substr(0, end));
        if (!sum) {
            errors.push_back(name + ":" + std::to_string(number) + ": \"" + printable(line.substr(0, end), 80) +
                             "\" is no SHA-256; a line begins with 64 hexadecimal digits, then a blank and a comment");
            if (errors.size() >= max_errors) return;
            continue;
        }
        if (entries_.size() >= most) {
            errors.push_back(name + ":" + std::to_string(number) + ": more sums than hashes.max_entries, " +
                             std::to_string(most));
            return;
        }
        entries_.push_back({*sum, static_cast<std::uint32_t>(names_.size() - 1), number,
                            std::string{trim(line.substr(end)).substr(0, max_comment)}});
    }
}

std::shared_ptr<const hash_lists> hash_lists::read(const config::hash_settings& how, std::vector<std::string>& errors) {
    auto out = std::make_shared<hash_lists>();
    for (const auto& glob : how.files)
        for (const auto& file : matching(glob)) {
            std::ifstream in{file, std::ios::binary};
            std::ostringstream text;
            if (in) text << in.rdbuf();
            if (in && !in.bad())
                out->add(text.str(), file.string(), how.max_entries, errors);
            else
                errors.push_back(file.string() + ":0: the file cannot be read");
        }
    std::stable_sort(out->entries_.begin(), out->entries_.end(),
                     [](const entry& a, const entry& b) { return a.sum < b.sum; });
    return out;
}

std::optional<std::string> hash_lists::find(std::string_view sha256) const {
    const auto sum = parse_sum(sha256);
    if (!sum) return std::nullopt;
    const auto at = std::lower_bound(entries_.begin(), entries_.end(), *sum,
                                     [](const entry& e, const auto& wanted) { return e.sum < wanted; });
    if (at == entries_.end() || at->sum != *sum) return std::nullopt;
    const auto name = std::filesystem::path{names_[at->file]}.filename().string();
    return name + ":" + std::to_string(at->line) + (at->comment.empty() ? "" : ": " + at->comment);
}

} // namespace postsluice::contentfilter
