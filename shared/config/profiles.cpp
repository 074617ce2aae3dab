// SPDX-License-Identifier: Apache-2.0
// Inheritance: a profile starts as a copy of the one it inherits from, or as the built-in one, and each key that it has
// is read over that. So a key that is absent is the inherited value; limits and symbols join the inherited ones (their
// codecs do it); everything else replaces. A profile that inherits from nobody and names limits has those limits and no
// others.
#include "shared/config/codec.hpp"
#include "shared/config/reader.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <set>

namespace postsluice::config {
namespace {

constexpr std::size_t max_depth = 32; // resolving one profile resolves its parents first

class family {
public:
    family(const node& profiles, const report& to)
        : profiles_{profiles}
        , to_{to} {}

    const profile_entry& resolve(const std::string& name, const node& table) {
        if (const auto done = done_.find(name); done != done_.end()) return done->second;
        in_work_.push_back(name);
        auto entry = start_of(table, to_.at(name));
        in_work_.pop_back();
        entry.name = name;
        entry.inherits.clear();
        const auto before = to_.count();
        read_table(table, entry, profile_options(), to_.at(name));
        if (to_.count() == before) check_scores(entry, table, to_.at(name));
        return done_.emplace(name, std::move(entry)).first->second;
    }

private:
    profile_entry start_of(const node& table, const report& here) {
        const auto* inherits = table.find("inherits");
        if (inherits != nullptr && inherits->is(node::kind::string) && !inherits->text.empty()) {
            if (const auto* parent = parent_of(*inherits, here.at("inherits"))) return *parent;
            return built_in_profile();
        }
        auto out = built_in_profile();
        if (table.find("limits") != nullptr) out.limits.clear();
        return out;
    }

    const profile_entry* parent_of(const node& inherits, const report& here) {
        const auto& name = inherits.text;
        const auto* table = profiles_.find(name);
        if (const auto at = std::find(in_work_.begin(), in_work_.end(), name); at != in_work_.end()) {
            std::string circle;
            for (auto link = at; link != in_work_.end(); ++link)
                circle += *link + " -> ";
            here.add(inherits, "profiles inherit in a circle: " + circle + name + "; take one of these out");
            return nullptr;
        }
        if (in_work_.size() > max_depth) {
            here.add(inherits, "inherits over more than " + std::to_string(max_depth) + " profiles; name a nearer one");
            return nullptr;
        }
        if (table == nullptr && name == "default") { // not in the file: the built-in one
            static const profile_entry built_in = built_in_profile();
            return &built_in;
        }
        if (table == nullptr) {
            here.add(inherits, unknown(name));
            return nullptr;
        }
        return table->is(node::kind::table) ? &resolve(name, *table) : nullptr;
    }

    std::string unknown(const std::string& name) const {
        std::vector<std::string> names = {"default"};
        for (const auto& [known, table] : profiles_.members)
            names.push_back(known);
        return "there is no such profile: " + not_one_of(name, names);
    }

    static void check_scores(const profile_entry& entry, const node& table, const report& here) {
        if (entry.tag_score <= entry.hold_score && entry.hold_score <= entry.reject_score) return;
        const auto* where = table.find("scores");
        here.at("scores").add(where != nullptr ? *where : table,
                              "the thresholds do not rise; tag, hold and reject must be in this order");
    }

    const node& profiles_;
    const report& to_;
    std::map<std::string, profile_entry> done_;
    std::vector<std::string> in_work_;
};

} // namespace

void read_profiles(const node* profiles, settings& into, const report& to) {
    static const node none;
    if (profiles != nullptr && !expect_table(*profiles, "[profile.NAME]", to)) profiles = nullptr;
    const node& all = profiles != nullptr ? *profiles : none;
    family relations{all, to};
    for (const auto& [name, table] : all.members) {
        if (const auto wrong = rules::name(name); !wrong.empty()) to.add(table, wrong);
        if (!expect_table(table, "[profile." + name + "]", to.at(name))) continue;
        auto made = std::make_shared<profile>(relations.resolve(name, table));
        auto& off = made->disabled_checks;
        for (const auto& group : made->disabled_groups)
            for (auto& one : checks_of(group))
                if (std::find(off.begin(), off.end(), one) == off.end()) off.push_back(std::move(one));
        into.profiles[name] = std::move(made);
    }
    if (!into.profiles.contains("default")) into.profiles["default"] = std::make_shared<profile>(built_in_profile());
}

} // namespace postsluice::config
