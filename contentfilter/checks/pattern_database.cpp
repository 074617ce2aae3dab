// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/pattern_database.hpp"

#include <hs.h>

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace postsluice::contentfilter {

namespace {

unsigned flags_of(const pattern_rule& rule) {
    unsigned flags = HS_FLAG_SINGLEMATCH; // one match of a rule in an input is all that counts
    if (rule.caseless) flags |= HS_FLAG_CASELESS;
    if (rule.dot_all) flags |= HS_FLAG_DOTALL;
    if (rule.multi_line) flags |= HS_FLAG_MULTILINE;
    return flags;
}

/// Hyperscan stops at the first mistake; each rule is tried alone to name them all.
std::string all_mistakes(const std::vector<pattern_rule>& rules) {
    std::string text;
    for (const auto& rule : rules) {
        hs_database_t* database = nullptr;
        hs_compile_error_t* error = nullptr;
        if (hs_compile(rule.expression.c_str(), flags_of(rule), HS_MODE_STREAM, nullptr, &database, &error) ==
            HS_SUCCESS) {
            hs_free_database(database);
            continue;
        }
        text += (text.empty() ? "" : "\n") + rule.position() +
                ": match: " + (error ? error->message : "cannot be compiled");
        hs_free_compile_error(error);
    }
    return text;
}

} // namespace

/// The database and the working memory that scans give back: one piece for each thread that ever scanned at once.
struct pattern_database::compiled {
    hs_database_t* database = nullptr;
    hs_scratch_t* prototype = nullptr;
    std::mutex mutex;
    std::vector<hs_scratch_t*> spare;

    ~compiled() {
        for (auto* s : spare)
            hs_free_scratch(s);
        hs_free_scratch(prototype);
        hs_free_database(database);
    }
    hs_scratch_t* borrow() {
        const std::lock_guard lock{mutex};
        if (!spare.empty()) {
            auto* s = spare.back();
            spare.pop_back();
            return s;
        }
        hs_scratch_t* made = nullptr;
        if (hs_clone_scratch(prototype, &made) != HS_SUCCESS) throw std::runtime_error{"patterns: no memory"};
        return made;
    }
    void give_back(hs_scratch_t* s) {
        const std::lock_guard lock{mutex};
        spare.push_back(s);
    }
};

pattern_database::pattern_database(std::vector<pattern_rule> rules)
    : rules_{std::move(rules)} {
    for (const auto& rule : rules_)
        places_ = static_cast<std::uint8_t>(places_ | rule.where);
    if (rules_.empty()) return;
    if (hs_valid_platform() != HS_SUCCESS)
        throw std::runtime_error{"patterns: Hyperscan does not run on this processor"};
    std::vector<const char*> expressions;
    std::vector<unsigned> flags, ids;
    for (const auto& rule : rules_) {
        if (rule.expression.find('\0') != std::string::npos)
            throw std::runtime_error{rule.position() + ": match: holds a NUL"};
        expressions.push_back(rule.expression.c_str());
        flags.push_back(flags_of(rule));
        ids.push_back(static_cast<unsigned>(ids.size()));
    }
    compiled_ = std::make_unique<compiled>();
    hs_compile_error_t* error = nullptr;
    const auto outcome =
        hs_compile_multi(expressions.data(), flags.data(), ids.data(), static_cast<unsigned>(ids.size()),
                         HS_MODE_STREAM, nullptr, &compiled_->database, &error);
    if (outcome != HS_SUCCESS) {
        auto text = all_mistakes(rules_);
        if (text.empty()) text = std::string{"patterns: "} + (error ? error->message : "the rules cannot be compiled");
        hs_free_compile_error(error);
        throw std::runtime_error{text};
    }
    if (hs_alloc_scratch(compiled_->database, &compiled_->prototype) != HS_SUCCESS)
        throw std::runtime_error{"patterns: no memory"};
}

pattern_database::~pattern_database() = default;

struct pattern_database::scan::impl {
    const pattern_database& database;
    std::uint8_t where;
    hs_scratch_t* scratch = nullptr;
    hs_stream_t* stream = nullptr;
    std::vector<std::size_t> hits;

    static int on_match(unsigned id, unsigned long long, unsigned long long, unsigned, void* context) {
        auto* self = static_cast<impl*>(context);
        if (self->database.rules_[id].where & self->where) self->hits.push_back(id);
        return 0;
    }
};

pattern_database::scan::scan(const pattern_database& database, std::uint8_t where)
    : impl_{std::make_unique<impl>(impl{database, where, nullptr, nullptr, {}})} {
    if (!database.compiled_) return;
    impl_->scratch = database.compiled_->borrow();
    if (hs_open_stream(database.compiled_->database, 0, &impl_->stream) == HS_SUCCESS) return;
    database.compiled_->give_back(impl_->scratch);
    throw std::runtime_error{"patterns: no memory"};
}

pattern_database::scan::~scan() {
    if (impl_->stream) hs_close_stream(impl_->stream, nullptr, nullptr, nullptr);
    if (impl_->scratch) impl_->database.compiled_->give_back(impl_->scratch);
}

void pattern_database::scan::feed(std::string_view piece) {
    while (impl_->stream && !piece.empty()) {
        const auto now = piece.substr(0, 1U << 24U); // Hyperscan counts in 32 bits
        piece.remove_prefix(now.size());
        if (hs_scan_stream(impl_->stream, now.data(), static_cast<unsigned>(now.size()), 0, impl_->scratch,
                           impl::on_match, impl_.get()) != HS_SUCCESS)
            throw std::runtime_error{"patterns: Hyperscan failed"};
    }
}

std::vector<std::size_t> pattern_database::scan::finish() {
    // Patterns that end in '$' match only now.
    if (impl_->stream && hs_close_stream(std::exchange(impl_->stream, nullptr), impl_->scratch, impl::on_match,
                                         impl_.get()) != HS_SUCCESS)
        throw std::runtime_error{"patterns: Hyperscan failed"};
    auto& hits = impl_->hits;
    std::sort(hits.begin(), hits.end());
    hits.erase(std::unique(hits.begin(), hits.end()), hits.end());
    return std::move(hits);
}

} // namespace postsluice::contentfilter
