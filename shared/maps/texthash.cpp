// SPDX-License-Identifier: Apache-2.0
// texthash: "key whitespace value" lines, all of them in memory. A key ends at the first blank outside double quotes. A
// key that stands there twice keeps its first value, as `postmap -q` says it does.
#include "shared/core/text.hpp"
#include "shared/maps/table.hpp"

#include <unordered_map>

namespace postsluice::maps {

namespace {

class texthash final : public table {
public:
    explicit texthash(std::string_view text) {
        for (const auto& line : logical_lines(text, warnings))
            add(line);
    }
    answer get(std::string_view key) override {
        const auto found = values_.find(to_lower(key));
        return found == values_.end() ? std::optional<std::string>{} : std::optional{found->second};
    }

private:
    void add(const logical_line& line) {
        const auto warn = [&](const std::string& what) {
            warnings.push_back("line " + std::to_string(line.number) + ": " + what);
        };
        const auto end = end_of_key(line.text);
        if (!end) return warn("a double quote without its partner");
        auto value = std::string_view{line.text}.substr(*end);
        while (!value.empty() && is_space(value.front()))
            value.remove_prefix(1);
        if (*end == 0 || value.empty()) return warn("is not \"key value\"");
        auto key = to_lower(std::string_view{line.text}.substr(0, *end));
        if (!values_.try_emplace(std::move(key), value).second) warn("the key stands there already");
    }
    /// Nothing where a quote stays open.
    static std::optional<std::size_t> end_of_key(std::string_view line) {
        bool quoted = false;
        std::size_t i = 0;
        for (; i < line.size(); ++i) {
            if (line[i] == '\\') {
                if (++i == line.size()) break;
            } else if (line[i] == '"') {
                quoted = !quoted;
            } else if (is_space(line[i]) && !quoted) {
                break;
            }
        }
        return quoted ? std::nullopt : std::optional{i};
    }
    std::unordered_map<std::string, std::string> values_;
};

} // namespace

result<table_ptr> open_texthash(const std::string& path) {
    const auto text = read_whole(path);
    if (!text) return text.error();
    return table_ptr{std::make_unique<texthash>(*text)};
}

} // namespace postsluice::maps
