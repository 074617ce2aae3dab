// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/plan.hpp"

#include "admin/doctor/postfix.hpp"
#include "admin/setup/main_cf.hpp"
#include "admin/setup/master_cf.hpp"
#include "admin/setup/neighbours.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::admin::setup {
namespace {

struct way_name {
    way w;
    std::string_view name, folder;
};
constexpr way_name ways[] = {
    {way::lmtp, "lmtp", "after-queue"},
    {way::smtp, "smtp", "after-queue-smtp"},
    {way::before_queue, "before-queue", "before-queue"},
    {way::pipe, "pipe", "pipe"},
};
const way_name& row_of(way w) {
    return ways[static_cast<std::size_t>(w)];
}

void replace_all(std::string& in, std::string_view what, std::string_view by) {
    for (auto at = in.find(what); at != std::string::npos; at = in.find(what, at + by.size()))
        in.replace(at, what.size(), by);
}

/// Those that nothing works without; of the others the admin's own values stay.
bool is_required(const std::string& name) {
    return name == policy_parameter || name == "enable_long_queue_ids" || name == "disable_mime_output_conversion";
}

class planner {
public:
    planner(const file_set& now, way w, const site& s)
        : main{now.at("main.cf")}
        , master{now.at("master.cf")}
        , way_{w}
        , site_{s}
        , example_main_{fitted_example(w, "main.cf", s)}
        , example_master_{fitted_example(w, "master.cf", s)} {}

    /// Parameters from the marker of example main.cf on.
    void parameters() {
        bool marked = false;
        for (std::size_t i = 0; i < example_main_.pieces.size(); ++i) {
            const auto& one = example_main_.pieces[i];
            if (!one.entry) marked = marked || one.raw.find("---- [postsluice] ----") != std::string::npos;
            if (!one.entry || !marked) continue;
            const auto name = parameter_name(one);
            if (is_ours(name) || site_.knows(name))
                parameter(name, one,
                          i > 0 && !example_main_.pieces[i - 1].entry ? example_main_.pieces[i - 1].raw : "");
        }
    }

    void hooks() {
        bool any = false;
        for (auto& one : master.pieces) {
            if (is_submission(one)) {
                any = true;
                edit(one, "submission/inet");
            } else if (const auto s = service::of(one); s && s->program() == "pickup") {
                edit(one, "pickup/unix");
            }
        }
        if (!any)
            out.notes.emplace_back("master.cf has no submission service (ports 587 and 465): only local mail will be "
                                   "guarded. Write one, as postfix-examples/" +
                                   std::string{row_of(way_).folder} + "/master.cf has it, and run this again.");
    }

    void services() {
        for (std::size_t i = 0; i < example_master_.pieces.size(); ++i) {
            const auto one = service::of(example_master_.pieces[i]);
            if (!one || !is_ours(one->get(column::name))) continue;
            if (is_way_back(*one) && !leads_here(site_, one->get(column::name))) continue;
            if (const auto there = find_service(master, one->label())) {
                if (normalized(master.pieces[*there].raw) != normalized(one->raw())) keep(*there, *one);
            } else {
                master.append(example_master_.pieces[i - 1].raw, one->raw());
            }
        }
        pass_on();
    }

    logical_lines main, master;
    planned out;

private:
    void parameter(const std::string& name, const piece& wanted, const std::string& comment) {
        const auto at = find_parameter(main, name);
        if (!at) return main.append(comment, wanted.raw);
        const auto is = parameter_value(main.pieces[*at]), ought = parameter_value(wanted);
        if (is == ought || (name == policy_parameter && asks_the_same(is, ought))) return;
        if (is_required(name))
            main.pieces[*at].raw = wanted.raw;
        else
            out.notes.push_back("main.cf: " + name + " = " + is + " stays (the example has \"" + ought + "\")");
    }

    /// The admin may have given it another time-out.
    static bool asks_the_same(const std::string& a, const std::string& b) {
        const auto first = doctor::read_restrictions(a), second = doctor::read_restrictions(b);
        return first.size() == 1 && second.size() == 1 && first[0].word == second[0].word &&
               first[0].argument == second[0].argument;
    }

    /// What the example's service has of ours, in a service of this master.cf.
    void edit(piece& p, std::string_view example) {
        auto one = *service::of(p);
        const auto from = *service::of(example_master_.pieces[*find_service(example_master_, example)]);
        proxy(one, from);
        for (const auto& wanted : from.options()) {
            if (wanted.value.find("$postsluice_policy") != std::string::npos)
                ask_first(one, wanted.name);
            else if (wanted.name == "content_filter")
                filter(one, wanted.value);
            else if (wanted.name == "smtpd_proxy_filter" && one.find(wanted.name) != wanted.value)
                one.set(wanted.name, wanted.value);
        }
        p.raw = one.raw();
    }

    void ask_first(service& one, const std::string& list) {
        const auto own = one.find(list);
        const auto inherited = value_of(main, list);
        if (!own && inherited && !inherited->empty())
            out.notes.push_back(one.label() + " gets a copy of main.cf's " + list + ", behind ours.");
        const auto is = own ? *own : inherited.value_or("");
        const auto rest = without_policy(is);
        const auto ought = "$" + std::string{policy_parameter} + (rest.empty() ? "" : ", " + rest);
        if (own && *own == ought) return;
        one.set(list, ought);
    }

    void filter(service& one, const std::string& ours) {
        const auto is = one.find("content_filter").value_or(value_of(main, "content_filter").value_or(""));
        if (is == ours) return;
        if (!is.empty() && !is_ours(is)) {
            if (next_filter_.empty()) next_filter_ = is;
            if (next_filter_ != is)
                out.obstacles.push_back(one.label() + " has content_filter = " + is + ", another service has " +
                                        next_filter_ + ": after Postsluice mail can go to one of them only.");
            out.notes.push_back(one.label() + ": content_filter = " + is +
                                " stays, after Postsluice: the way back sends mail on to it. What it changes in a "
                                "message that was signed breaks the signature.");
        }
        one.set("content_filter", ours);
    }

    /// smtpd_proxy_filter: ours for way::before_queue; somebody else's is in the way of both.
    void proxy(service& one, const service& from) {
        const auto is = one.find("smtpd_proxy_filter").value_or(value_of(main, "smtpd_proxy_filter").value_or(""));
        const bool foreign = !is.empty() && is.find("postsluice") == std::string::npos;
        const auto ours = from.find("smtpd_proxy_filter");
        if (foreign && one.program() == "smtpd")
            out.obstacles.push_back(one.label() + " has smtpd_proxy_filter = " + is +
                                    ": mail goes there before Postfix has it, so no filter of ours can follow. Set "
                                    "content_filter on the smtpd to which that proxy returns it, by hand.");
        if (!foreign && !ours && !is.empty()) one.erase("smtpd_proxy_filter");
    }

    /// A service of ours that is there already, and is not as the example has it.
    void keep(std::size_t at, const service& wanted) {
        auto& is = master.pieces[at];
        const auto there = service::of(is);
        if (there && there->program() == wanted.program())
            out.notes.push_back("master.cf has " + wanted.label() + " already; it stays as it is");
        else
            is.raw = wanted.raw();
    }

    /// The filter that was there before us comes after the ways back.
    void pass_on() {
        if (next_filter_.empty()) return;
        for (auto& one : master.pieces) {
            auto back = service::of(one);
            if (!back || !is_way_back(*back)) continue;
            back->set("content_filter", next_filter_);
            one.raw = back->raw();
        }
    }

    way way_;
    const site& site_;
    logical_lines example_main_, example_master_;
    std::string next_filter_;
};

file_set result_of(planner& p, const file_set& now, way w, const site& s) {
    file_set out = now;
    out["main.cf"] = p.main.text();
    out["master.cf"] = p.master.text();
    for (const auto& one : example_files())
        if (one.folder == row_of(w).folder && !one.name.ends_with(".cf"))
            out[std::string{one.name}] = fitted_example(w, one.name, s);
    return out;
}

} // namespace

std::optional<way> parse_way(std::string_view name) {
    for (const auto& one : ways)
        if (one.name == name) return one.w;
    return std::nullopt;
}
std::string_view to_string(way w) {
    return row_of(w).name;
}
std::string_view example_folder(way w) {
    return row_of(w).folder;
}

bool is_ours(std::string_view name) {
    return name.starts_with("postsluice");
}

bool is_way_back(const service& s) {
    return is_ours(s.get(column::name)) && s.program() == "smtpd";
}

bool leads_here(const site& s, std::string_view way_back) {
    return std::ranges::find(s.ways_back, way_back) != s.ways_back.end();
}

bool is_submission(const piece& p) {
    const auto one = service::of(p);
    if (!one || one->get(column::type) != "inet" || one->program() != "smtpd") return false;
    const auto name = one->get(column::name);
    const auto port = name.substr(name.rfind(':') + 1);
    return port == "submission" || port == "587" || port == "submissions" || port == "smtps" || port == "465";
}

std::string fitted_example(way w, std::string_view file, const site& s) {
    std::string out;
    for (const auto& one : example_files())
        if (one.folder == row_of(w).folder && one.name == file) out = one.text;
    replace_all(out, "/usr/libexec/postsluice", s.libexec_directory);
    replace_all(out, "/var/spool/postfix", s.queue_directory);
    replace_all(out, "user=postsluice ", "user=" + s.user + ' ');
    replace_all(out, "[127.0.0.1]:10587", s.smtp_destination);
    return out;
}

planned plan(const file_set& now, way w, const site& s) {
    planner p{now, w, s};
    p.parameters();
    p.hooks();
    p.services();
    p.out.files = result_of(p, now, w, s);
    for (auto& one : neighbours(now))
        p.out.notes.push_back(std::move(one));
    return std::move(p.out);
}

} // namespace postsluice::admin::setup
