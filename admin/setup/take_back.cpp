// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/take_back.hpp"

#include "admin/setup/main_cf.hpp"
#include "admin/setup/master_cf.hpp"

#include <algorithm>

namespace postsluice::admin::setup {
namespace {

/// The comment that stands above an entry of `written` and was not in `target`: ours. What the target's text ended with
/// is the admin's.
std::string comment_above(const logical_lines& written, std::size_t at, const logical_lines& target) {
    if (at == 0 || written.pieces[at - 1].entry) return {};
    const auto& text = written.pieces[at - 1].raw;
    if (target.pieces.empty() || target.pieces.back().entry) return text;
    const auto& tail = target.pieces.back().raw;
    return text.starts_with(tail) ? text.substr(tail.size()) : text;
}

// ---- main.cf

void restore_parameter(logical_lines& now, const logical_lines& written, const logical_lines& target,
                       const std::string& name) {
    const auto ours = find_parameter(written, name), here = find_parameter(now, name);
    if (!ours || !here) return;
    const auto before = find_parameter(target, name);
    const auto ought = parameter_value(written.pieces[*ours]);
    if (before && parameter_value(target.pieces[*before]) == ought) return;
    const bool untouched = parameter_value(now.pieces[*here]) == ought;
    if (before) {
        if (untouched) now.pieces[*here].raw = target.pieces[*before].raw;
    } else if (untouched || is_ours(name)) {
        now.remove(*here, comment_above(written, *ours, target));
    }
}

// ---- master.cf

void restore_options(service& now, const service& written, const service& target) {
    for (const auto& one : written.options()) {
        const auto before = target.find(one.name);
        if (before == one.value || now.find(one.name) != one.value) continue;
        if (before)
            now.set(one.name, *before);
        else
            now.erase(one.name);
    }
    for (const auto& one : target.options()) // what setup had to take out
        if (!written.find(one.name) && !now.find(one.name)) now.set(one.name, one.value);
}

void restore_service(logical_lines& now, const logical_lines& written, const logical_lines& target,
                     const std::string& label) {
    const auto ours = find_service(written, label), here = find_service(now, label);
    if (!ours || !here) return;
    const auto before = find_service(target, label);
    if (!before) return now.remove(*here, comment_above(written, *ours, target));
    if (target.pieces[*before] == written.pieces[*ours]) return;
    auto& place = now.pieces[*here];
    if (place == written.pieces[*ours]) {
        place = target.pieces[*before];
        return;
    }
    auto edited = *service::of(place);
    restore_options(edited, *service::of(written.pieces[*ours]), *service::of(target.pieces[*before]));
    place.raw = edited.raw();
}

/// Whoever leads to us, in whatever place he came to: a service that the admin copied, a list that he rewrote.
void sweep_service(piece& p) {
    auto one = service::of(p);
    if (!one || is_ours(one->get(column::name))) return;
    for (const auto& option : one->options()) {
        if (option.value.find("postsluice") == std::string::npos) continue;
        if (option.name == "content_filter" || option.name == "smtpd_proxy_filter") {
            one->erase(option.name);
        } else if (option.name.ends_with("_restrictions")) {
            const auto rest = without_policy(option.value);
            if (rest != option.value) one->set(option.name, rest);
        }
    }
    p.raw = one->raw();
}

void sweep_parameter(piece& p) {
    const auto name = parameter_name(p), value = parameter_value(p);
    if (name.empty() || is_ours(name)) return;
    if (name.ends_with("_restrictions")) {
        const auto rest = without_policy(value);
        if (rest != value) p.raw = name + " = " + rest + '\n';
    } else if ((name == "content_filter" && is_ours(value)) ||
               (name == "smtpd_proxy_filter" && value.find("postsluice") != std::string::npos)) {
        p.raw = name + " =\n";
    }
}

std::string main_without(const std::string& now, const std::string& written, const std::string& target) {
    logical_lines out{now};
    const logical_lines ours{written}, before{target};
    for (const auto& one : ours.pieces)
        if (const auto name = parameter_name(one); !name.empty()) restore_parameter(out, ours, before, name);
    std::ranges::for_each(out.pieces, sweep_parameter);
    return out.text();
}

std::string master_without(const std::string& now, const std::string& written, const std::string& target) {
    logical_lines out{now};
    const logical_lines ours{written}, before{target};
    for (const auto& one : ours.pieces)
        if (const auto s = service::of(one)) restore_service(out, ours, before, s->label());
    std::ranges::for_each(out.pieces, sweep_service);
    return out.text();
}

} // namespace

file_set take_back(const file_set& now, const file_set& written, const file_set& also_written, const file_set& target) {
    file_set out = now;
    for (const auto& [name, ours] : written) {
        const auto here = now.find(name), before = target.find(name), half = also_written.find(name);
        if (here == now.end() || (before != target.end() && here->second == before->second)) continue;
        if (before == target.end())
            out.erase(name);
        else if (here->second == ours || (half != also_written.end() && here->second == half->second))
            out[name] = before->second;
        else if (name == "main.cf")
            out[name] = main_without(here->second, ours, before->second);
        else if (name == "master.cf")
            out[name] = master_without(here->second, ours, before->second);
    }
    return out;
}

file_set draining(const file_set& before, const file_set& written) {
    file_set out = before;
    const logical_lines main_before{before.at("main.cf")}, master_before{before.at("master.cf")};
    auto main = main_before, master = master_before;
    const logical_lines our_main{written.at("main.cf")}, our_master{written.at("master.cf")};
    for (std::size_t i = 0; i < our_main.pieces.size(); ++i) {
        const auto name = parameter_name(our_main.pieces[i]);
        if (is_ours(name) && name != policy_parameter && !find_parameter(main_before, name))
            main.append(comment_above(our_main, i, main_before), our_main.pieces[i].raw);
    }
    for (std::size_t i = 0; i < our_master.pieces.size(); ++i) {
        const auto one = service::of(our_master.pieces[i]);
        if (one && is_ours(one->get(column::name)) && !find_service(master_before, one->label()))
            master.append(comment_above(our_master, i, master_before), one->raw());
    }
    out["main.cf"] = main.text();
    out["master.cf"] = master.text();
    out.insert(written.begin(), written.end()); // tables
    return out;
}

} // namespace postsluice::admin::setup
