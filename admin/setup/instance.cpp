// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/instance.hpp"

#include "admin/atomic_file.hpp"
#include "admin/doctor/run.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::admin::setup {
namespace {

/// Postfix's programs, master(8) among them, wait while a main.cf is younger than 2 s: it may be half written
/// (dict_load_file). Ours never is, and mail need not wait for it.
constexpr std::chrono::seconds settled{3};

} // namespace

result<instance> instance::open(const std::filesystem::path& directory) {
    auto facts = doctor::read_postfix(directory);
    if (!facts) return facts.error();
    instance out;
    out.facts_ = std::move(*facts);
    if (out.config_directory().empty() || out.queue_directory().empty())
        return failure{errc::unavailable, "postconf names no config_directory"};
    return out;
}

std::vector<std::string> instance::other_instances() const {
    std::vector<std::string> out;
    std::string list = facts_.parameter("multi_instance_directories");
    std::ranges::replace(list, ',', ' ');
    for (const auto one : split(list, ' '))
        if (!one.empty() && one != config_directory()) out.emplace_back(one);
    return out;
}

result<file_set> instance::read() const {
    file_set out;
    for (const auto& one : example_files()) {
        const std::string name{one.name};
        if (out.contains(name)) continue;
        auto text = read_file(config_directory() / name);
        if (!text && (text.error().code != errc::not_found || name.ends_with(".cf"))) return text.error();
        if (text) out[name] = std::move(*text);
    }
    return out;
}

result<void> instance::write(const file_set& now, const file_set& wanted, bool way_in) const {
    std::vector<std::string> order; // tables, main.cf, master.cf
    for (const auto* set : {&now, &wanted})
        for (const auto& [name, text] : *set)
            if (std::ranges::find(order, name) == order.end()) order.push_back(name);
    std::ranges::sort(order, {}, [](const std::string& n) { return std::pair{n.ends_with(".cf"), n}; });
    if (!way_in) std::ranges::reverse(order);
    for (const auto& name : order) {
        const auto is = now.find(name), ought = wanted.find(name);
        if (ought == wanted.end()) {
            if (auto done = remove_file(config_directory() / name); !done) return done;
        } else if (is == now.end() || is->second != ought->second) {
            if (auto done = write_file(config_directory() / name, ought->second, 0644, settled); !done) return done;
        }
    }
    return {};
}

std::vector<std::string> instance::command(std::string program, std::vector<std::string> what) const {
    std::vector<std::string> out{std::move(program), "-c", config_directory().string()};
    out.insert(out.end(), std::make_move_iterator(what.begin()), std::make_move_iterator(what.end()));
    return out;
}

bool instance::running() const {
    return doctor::is_running(facts_).value_or(false);
}

} // namespace postsluice::admin::setup
