// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/message_fingerprints.hpp"

#include "contentfilter/checks/case_fold.hpp"
#include "contentfilter/checks/part_file.hpp"

#include <cstdlib>

namespace postsluice::contentfilter {

namespace {

constexpr std::size_t most_layouts = 4, most_files = 20; // of one message; no more are looked at
constexpr std::size_t run = 4;                           // elements of a layout's member
constexpr std::uint64_t number_word = 1;

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}
/// Octets beyond ASCII are taken for letters: in running text they are.
bool is_word(char c) noexcept {
    return (c >= 'a' && c <= 'z') || is_digit(c) || static_cast<unsigned char>(c) >= 0x80;
}

/// FNV-1a.
class word_hash {
public:
    void add(char c) noexcept { sum_ = (sum_ ^ static_cast<unsigned char>(c)) * 0x100000001b3; }
    [[nodiscard]] std::uint64_t value() const noexcept { return sum_; }

private:
    std::uint64_t sum_ = 0xcbf29ce484222325;
};

class pair_maker {
public:
    void word(std::uint64_t hash) {
        if (count_++ > 0) sketch_.add(last_ * 0x9e3779b97f4a7c15 + hash);
        last_ = hash;
    }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    [[nodiscard]] std::optional<min_hash> take() const { return sketch_.take(); }

private:
    min_hash_maker sketch_;
    std::uint64_t last_ = 0;
    std::size_t count_ = 0;
};

void add_words(std::string_view line, pair_maker& to) {
    for (std::size_t at = 0; at < line.size();) {
        if (!is_word(line[at])) {
            ++at;
            continue;
        }
        word_hash hash;
        bool digits = false;
        for (; at < line.size() && is_word(line[at]); ++at) {
            digits = digits || is_digit(line[at]);
            hash.add(line[at]);
        }
        to.word(digits ? number_word : hash.value());
    }
}

/// False at the mark of a signature.
bool add_line(std::string_view line, pair_maker& to) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line == "-- ") return false;
    if (!line.starts_with('>')) add_words(line, to);
    return true;
}

void add_text(std::string_view utf8, pair_maker& to) {
    const auto text = folded(utf8);
    std::string_view rest = text;
    while (!rest.empty()) {
        const auto end = rest.find('\n');
        if (!add_line(rest.substr(0, end), to) || end == std::string_view::npos) return;
        rest.remove_prefix(end + 1);
    }
}

/// The digest's eight words, over and over: what is not the same file has nothing in common.
min_hash sketch_of_digest(const std::string& sha256_hex) {
    min_hash out{};
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<std::uint32_t>(std::strtoul(sha256_hex.substr(i % 8 * 8, 8).c_str(), nullptr, 16));
    return out;
}

} // namespace

std::optional<min_hash> sketch_of_text(const std::vector<std::string_view>& texts, std::size_t least) {
    pair_maker pairs;
    std::size_t longest = 0;
    for (const auto text : texts) {
        const auto before = pairs.count();
        add_text(text, pairs);
        longest = std::max(longest, pairs.count() - before);
    }
    return longest < least ? std::nullopt : pairs.take();
}

std::optional<min_hash> sketch_of_layout(std::string_view layout, std::size_t least) {
    if (layout.size() < std::max(least, run)) return std::nullopt;
    min_hash_maker runs;
    for (std::size_t at = 0; at + run <= layout.size(); ++at) {
        std::uint64_t member = 0;
        for (const char element : layout.substr(at, run))
            member = member << 8U | static_cast<unsigned char>(element);
        runs.add(member);
    }
    return runs.take();
}

fingerprint_set fingerprints_of(const mime::tree* parts, const mime::content& content,
                                const config::fingerprint_settings& bounds) {
    fingerprint_set set;
    auto& out = set.all;
    if (!parts) return set;
    std::vector<std::string_view> letter;
    for (const auto& body : content.bodies())
        if (body.in_letter()) letter.push_back(body.text());
    if (const auto text = sketch_of_text(letter, bounds.min_words))
        out.push_back({fingerprint_kind::text, *text, "text"});
    std::size_t layouts = 0, files = 0;
    for (const auto& body : content.bodies()) {
        if (!body.page()) continue;
        const auto layout = sketch_of_layout(body.page()->layout, bounds.min_elements);
        if (!layout) continue;
        set.cut = set.cut || layouts == most_layouts;
        if (set.cut) break;
        ++layouts;
        out.push_back({fingerprint_kind::layout, *layout, "part " + body.of().path});
    }
    for (const auto& part : parts->parts()) {
        // Encoded it is at least as large.
        if (part.container || !part.is_attachment() || part.end - part.begin < bounds.min_file.value) continue;
        if (files++ >= most_files) {
            set.cut = true;
            break;
        }
        out.push_back({fingerprint_kind::file, sketch_of_digest(sha256_of(part)), part.label()});
    }
    return set;
}

} // namespace postsluice::contentfilter
