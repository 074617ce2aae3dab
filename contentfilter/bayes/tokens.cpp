// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/bayes/tokens.hpp"

#include "contentfilter/bayes/words.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace postsluice::contentfilter::bayes {

namespace {

using namespace std::string_view_literals;

constexpr std::size_t window = 3;       // words that a pair may span
constexpr std::size_t most_facts = 400; // tokens beside those of texts
constexpr std::size_t most_hosts = 50;
constexpr std::size_t longest_value = 500; // octets of a header field

/// Fields whose words a program that sends mail writes without being asked.
constexpr std::array program_fields{"X-Mailer"sv, "User-Agent"sv, "X-MimeOLE"sv, "X-Newsreader"sv};
constexpr std::array telling_fields{"X-Priority"sv,   "Importance"sv,       "Reply-To"sv,
                                    "In-Reply-To"sv,  "References"sv,       "Sender"sv,
                                    "Organization"sv, "List-Unsubscribe"sv, "Precedence"sv};

bool by_hash(const token& a, const token& b) noexcept {
    return a.hash != b.hash ? a.hash < b.hash : a.first < b.first;
}

void sort_distinct(std::vector<token>& all) {
    std::sort(all.begin(), all.end(), by_hash);
    all.erase(std::unique(all.begin(), all.end(), [](const token& a, const token& b) { return a.hash == b.hash; }),
              all.end());
}

/// The `most` distinct tokens of the smallest hashes, whatever their number.
class sample {
public:
    explicit sample(std::size_t most)
        : most_{most} {
        all_.reserve(2 * most);
    }
    void add(const token& one) {
        if (one.hash > bound_) return;
        all_.push_back(one);
        if (all_.size() >= 2 * most_) cut();
    }
    [[nodiscard]] std::vector<token> take() {
        cut();
        return std::move(all_);
    }

private:
    void cut() {
        sort_distinct(all_);
        if (all_.size() <= most_) return;
        all_.resize(most_);
        bound_ = all_.back().hash;
    }
    std::size_t most_;
    std::uint64_t bound_ = std::numeric_limits<std::uint64_t>::max();
    std::vector<token> all_;
};

/// 0, 1, 2-3, 4-7, ...
std::string step_of(std::size_t count) {
    std::size_t step = 0;
    for (; count > 0; count /= 2)
        ++step;
    return std::to_string(step);
}

/// How a Message-ID is built, and not what it says: runs of letters and digits as "x".
std::string form_of(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, longest_value)) {
        const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!word || out.empty() || out.back() != 'x') out += word ? 'x' : c;
    }
    return out;
}

class tokenizer {
public:
    tokenizer(const message& of, const mime::tree* parts, const mime::content& content, std::size_t most)
        : message_{of}
        , parts_{parts}
        , content_{content}
        , sample_{most} {}

    std::vector<token> run() {
        header();
        parts();
        links();
        texts();
        auto all = sample_.take();
        all.insert(all.end(), facts_.begin(), facts_.end());
        sort_distinct(all);
        return all;
    }

private:
    void fact(std::string_view kind, std::string_view value) {
        if (facts_.size() >= most_facts) return;
        ++place_;
        facts_.push_back({spread(hash_text(value, hash_text(":", hash_text(kind)))), place_, place_});
    }

    /// Words and pairs of them; `kind` keeps those of the subject from those of the text.
    void words(std::string_view text, std::uint64_t kind) {
        std::array<std::uint64_t, window> last{};
        std::size_t seen = 0;
        for_each_word(text, [&](std::uint64_t word) {
            ++place_;
            sample_.add({spread(word ^ kind), place_, place_});
            for (std::size_t back = 1; back < window && back <= seen; ++back) {
                const auto before = last[(seen - back) % window];
                // One before the other, and how far: neither order nor distance may be lost.
                const auto pair = spread(before * (2 * back + 1) + 0x9e3779b97f4a7c15U * back) + word;
                sample_.add({spread(pair ^ kind), place_ - static_cast<std::uint32_t>(back), place_});
            }
            last[seen % window] = word;
            ++seen;
            return true;
        });
        place_ += window; // what comes next is no neighbour
    }

    void program(std::string_view name, std::string_view value) {
        for_each_word(value.substr(0, longest_value), [&](std::uint64_t word) {
            fact(name, std::to_string(word));
            return true;
        });
    }

    void header() {
        for (const auto name : program_fields)
            if (const auto* field = message_.header.find(name)) program(name, field->value());
        for (const auto name : telling_fields)
            if (message_.header.find(name)) fact("has", name);
        if (const auto* field = message_.header.find("Message-ID")) {
            const auto value = trim(field->value());
            fact("message-id", form_of(value.substr(0, value.find('@'))));
        } else {
            fact("no", "message-id");
        }
        if (const auto* field = message_.header.find("Date")) {
            const auto value = field->unfolded();
            const auto zone = value.find_last_of("+-");
            fact("zone", zone == std::string::npos ? "none"sv : std::string_view{value}.substr(zone, 5));
        }
        if (const auto* field = message_.header.find("Subject")) {
            const auto subject = mime::decode_text(field->value().substr(0, longest_value * 4));
            words(subject, subject_kind);
        } else {
            fact("no", "subject");
        }
    }

    void parts() {
        if (!parts_) return;
        for (const auto& part : parts_->parts()) {
            fact("type", part.fields.type);
            if (!part.fields.charset.empty()) fact("charset", to_lower(part.fields.charset));
            fact("encoding", std::to_string(static_cast<int>(part.fields.encoding)));
            for (const auto& name : part.fields.names) {
                const auto lower = to_lower(name);
                fact("extension", std::string_view{lower}.substr(std::min(lower.rfind('.'), lower.size())));
                program("file", lower);
            }
        }
    }

    void links() {
        std::size_t hosts = 0;
        for (const auto& found : content_.urls()) {
            if (++hosts > most_hosts) break;
            if (found.to.address) fact("url", "address");
            for (std::string_view host = found.to.host; host.find('.') != std::string_view::npos;
                 host.remove_prefix(host.find('.') + 1)) {
                fact("host", host);
                if (found.to.address) break;
            }
        }
        fact("links", step_of(content_.urls().size()));
    }

    void texts() {
        for (const auto& body : content_.bodies()) {
            if (!body.in_letter()) continue;
            if (const auto* page = body.page()) {
                fact("images", step_of(page->images));
                fact("hidden", step_of(page->hidden.size() / 16));
                words(page->hidden, hidden_kind);
            }
            shouting(body.text());
            words(body.text(), 0);
        }
    }

    /// The share of capitals, in tenths.
    void shouting(std::string_view text) {
        std::size_t upper = 0, lower = 0;
        for (const char c : text) {
            upper += c >= 'A' && c <= 'Z' ? 1U : 0U;
            lower += c >= 'a' && c <= 'z' ? 1U : 0U;
        }
        if (upper + lower >= 40) fact("capitals", std::to_string(10 * upper / (upper + lower)));
    }

    static constexpr std::uint64_t subject_kind = hash_text("subject"), hidden_kind = hash_text("hidden");
    const message& message_;
    const mime::tree* parts_;
    const mime::content& content_;
    sample sample_;
    std::vector<token> facts_;
    std::uint32_t place_ = 0;
};

} // namespace

std::vector<token> tokens_of(const message& of, const mime::tree* parts, const mime::content& content,
                             std::size_t most) {
    return tokenizer{of, parts, content, most}.run();
}

std::vector<std::uint64_t> hashes_of(const std::vector<token>& tokens) {
    std::vector<std::uint64_t> out;
    out.reserve(tokens.size());
    for (const auto& one : tokens)
        out.push_back(one.hash);
    return out;
}

} // namespace postsluice::contentfilter::bayes
