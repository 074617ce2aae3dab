// SPDX-License-Identifier: Apache-2.0
// A domain's next keys: made, published by the operator, put in force, and the old ones retired. All that is remembered
// between two runs lies in the key directory (next/ and old/), so a run that ended early is gone on with by the same
// command. The filter says what it has loaded and what the DNS publishes. The keys of a wildcard have a record at each
// subdomain that sends; the operator names them.
#include "admin/commands/dkim_commands.hpp"
#include "admin/human.hpp"
#include "admin/key_rotation.hpp"
#include "shared/auth/dkim_published.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <ostream>
#include <set>
#include <thread>

namespace postsluice::admin {
namespace {

using nlohmann::json;

constexpr std::int64_t usual_wait = 600, usual_interval = 30; // seconds

struct failed_command {
    int exit;
    std::string error, code;
};

/// One key that takes another's place.
struct replacement {
    auth::algorithm kind = auth::algorithm::rsa_sha256;
    std::string old;       ///< selector; empty: retired already, or there was none
    std::string next;      ///< selector; empty: to be made
    unsigned rsa_bits = 0; ///< of the old one
};

struct rotation {
    context& ctx;
    key_order order;
    std::string only; ///< --selector
    std::vector<replacement> steps;
    std::vector<std::string> domains{}; ///< whose records the keys have
    [[nodiscard]] std::filesystem::path directory() const { return order.directory / order.domain; }
    [[nodiscard]] bool wildcard() const { return order.domain.starts_with("*."); }
};

/// The filter's answer; throws failed_command.
json ask(context& ctx, const std::string& verb, const std::string& domain) {
    auto r = ctx.ask(daemon::contentfilter, {{"verb", verb}, {"domain", domain}});
    if (!r.ok()) throw failed_command{r.exit, r.error, r.code};
    return std::move(r.body);
}

/// The keys of the directory, of one role, as they are for a domain.
std::vector<json> keys_for(const std::string& domain, const json& answer, std::string_view role) {
    std::vector<json> out;
    for (const auto& k : part_of(answer, "keys"))
        if (text_of(k, "domain") == domain && text_of(k, "source") == "directory" && text_of(k, "role") == role)
            out.push_back(k);
    return out;
}

std::vector<json> own_keys(const rotation& of, const json& answer, std::string_view role) {
    return keys_for(of.order.domain, answer, role);
}

bool has_selector(const std::vector<json>& keys, const std::string& selector) {
    return std::ranges::any_of(keys, [&](const json& k) { return text_of(k, "selector") == selector; });
}

/// The key of a kind; empty: none. Throws where there are several.
json only_one(const rotation& of, const std::vector<json>& keys, auth::algorithm kind, const std::string& what) {
    json out = json::object();
    for (const auto& k : keys) {
        if (text_of(k, "algorithm") != auth::to_string(kind)) continue;
        if (!out.empty())
            throw failed_command{exit_refused,
                                 of.order.domain + " has several " + what + " keys of " +
                                     std::string{auth::to_string(kind)} + "; name one with --selector",
                                 "ambiguous"};
        out = k;
    }
    return out;
}

/// What is to be done, from what is there. A key that lies in next and signs already was being put in force.
void plan(rotation& of) {
    const auto answer = ask(of.ctx, "dkim list", of.order.domain);
    auto current = own_keys(of, answer, "current");
    const auto next = own_keys(of, answer, "next"), retired = own_keys(of, answer, "retired");
    std::erase_if(current, [&](const json& k) { return has_selector(next, text_of(k, "selector")); });
    if (!of.only.empty()) {
        std::erase_if(current, [&](const json& k) { return text_of(k, "selector") != of.only; });
        if (current.empty() && (next.empty() || !has_selector(retired, of.only)))
            throw failed_command{exit_not_found, "no key " + of.only + " of " + of.order.domain + " signs",
                                 "not-found"};
    }
    for (const auto kind : {auth::algorithm::rsa_sha256, auth::algorithm::ed25519_sha256}) {
        const auto old = only_one(of, current, kind, "current"), after = only_one(of, next, kind, "next");
        if (old.empty() && after.empty()) continue;
        if (!old.empty() && std::filesystem::path{text_of(old, "file")}.parent_path() != of.directory())
            throw failed_command{exit_refused,
                                 "the filter reads " + text_of(old, "file") + ", the configuration names " +
                                     of.directory().string() + "; `postsluice reload` first",
                                 "refused"};
        of.steps.push_back({kind, text_of(old, "selector"), text_of(after, "selector"),
                            static_cast<unsigned>(number_of(old, "bits"))});
    }
    if (of.steps.empty())
        throw failed_command{exit_not_found, of.order.domain + " has no key in " + of.order.directory.string(),
                             "not-found"};
}

/// No keys of its own, nor of a nearer wildcard: those would have to be rotated.
bool signs_with_these(const rotation& of, const std::string& domain) {
    const auto keys = keys_for(domain, ask(of.ctx, "dkim list", domain), "current");
    return std::ranges::all_of(
        keys, [&](const json& k) { return std::filesystem::path{text_of(k, "file")}.parent_path() == of.directory(); });
}

void check_subdomain(const rotation& of, const std::string& domain) {
    if (!is_domain_argument(domain, false) || !domain.ends_with(of.order.domain.substr(1)))
        throw failed_command{exit_usage, printable(domain, 253) + " is no domain of " + of.order.domain, "usage"};
    if (!signs_with_these(of, domain))
        throw failed_command{exit_refused, domain + " has other keys; `postsluice dkim list " + domain + "` shows them",
                             "refused"};
}

/// Where records are to be.
void find_domains(rotation& of, const std::vector<std::string>& named) {
    if (!of.wildcard()) {
        if (!named.empty()) throw failed_command{exit_usage, "only a wildcard has records of subdomains", "usage"};
        of.domains = {of.order.domain};
        return;
    }
    std::set<std::string> found;
    for (const auto& one : named) {
        const auto domain = to_lower(one);
        check_subdomain(of, domain);
        found.insert(domain);
    }
    if (found.empty())
        throw failed_command{exit_usage,
                             "the keys of a wildcard have a record at each domain that sends; name all of them with "
                             "--subdomain",
                             "usage"};
    of.domains.assign(found.begin(), found.end());
}

/// rsa202611, rsa202611b, ...: one that no key had that is still known of.
std::string free_selector(const rotation& of, auth::algorithm kind) {
    const auto usual = usual_selector(of.ctx, kind);
    auto out = usual;
    const auto taken = [&] {
        std::error_code ignored;
        for (const auto role : {auth::key_role::current, auth::key_role::next, auth::key_role::retired})
            if (std::filesystem::exists(of.directory() / auth::folder_of(role) / (out + ".pem"), ignored)) return true;
        return false;
    };
    for (char letter = 'b'; taken() && letter <= 'z'; ++letter)
        out = usual + letter;
    return out;
}

void make_next_keys(rotation& of) {
    for (auto& step : of.steps) {
        if (!step.next.empty()) continue;
        auto order = of.order;
        order.role = auth::key_role::next;
        if (step.kind == auth::algorithm::rsa_sha256) order.rsa_bits = std::max(order.rsa_bits, step.rsa_bits);
        step.next = free_selector(of, step.kind);
        const auto made = make_key_file(order, step.next, step.kind);
        if (!made) throw failed_command{exit_refused, made.error().message(), "failed"};
    }
}

json records_of(const rotation& of) {
    json out = json::array();
    for (const auto& domain : of.domains) {
        const auto answer = ask(of.ctx, "dkim record", domain);
        const json& all = part_of(answer, "records");
        for (const auto& step : of.steps) {
            const auto found = std::ranges::find_if(all, [&](const json& r) {
                return text_of(r, "selector") == step.next && text_of(r, "role") == "next";
            });
            if (found == all.end())
                throw failed_command{
                    exit_refused,
                    "the filter cannot use the new key " + step.next + "; `postsluice dkim list` says why", "failed"};
            out.push_back(*found);
        }
    }
    return out;
}

/// Which of the next keys receivers cannot verify yet at a domain, and why.
std::string missing_at(const rotation& of, const std::string& domain) {
    std::string out;
    const auto next = keys_for(domain, ask(of.ctx, "dkim verify", domain), "next");
    for (const auto& step : of.steps) {
        const auto found =
            std::ranges::find_if(next, [&](const json& k) { return text_of(k, "selector") == step.next; });
        if (found != next.end() && flag_of(*found, "usable") && text_of(*found, "trouble").empty()) continue;
        const auto trouble = found == next.end() ? "is gone" : text_of(*found, "trouble");
        out += (out.empty() ? "" : ", ") + step.next + (of.wildcard() ? " of " + domain : "") + " (" +
               (!trouble.empty() ? trouble : join(part_of(*found, "differences"), "; ")) + ")";
    }
    return out;
}

std::string missing(const rotation& of) {
    std::string out;
    for (const auto& domain : of.domains)
        if (const auto what = missing_at(of, domain); !what.empty()) out += (out.empty() ? "" : ", ") + what;
    return out;
}

bool wait_until_published(const rotation& of, std::int64_t wait, std::int64_t interval) {
    const auto until = std::chrono::steady_clock::now() + seconds{wait};
    for (;;) {
        const auto what = missing(of);
        if (what.empty()) return true;
        const auto left = std::chrono::floor<seconds>(until - std::chrono::steady_clock::now());
        if (left <= seconds{0}) {
            of.ctx.note("not published: " + what);
            return false;
        }
        of.ctx.note("not published yet: " + what);
        std::this_thread::sleep_for(std::min(left, seconds{interval}));
    }
}

void put_in_force(const rotation& of) {
    for (const auto& step : of.steps)
        if (const auto done = switch_keys(of.directory(), step.next, step.old, of.ctx.now()); !done)
            throw failed_command{exit_refused, done.error().message() + "; run this again to go on", "failed"};
    const auto current = own_keys(of, ask(of.ctx, "dkim list", of.order.domain), "current");
    for (const auto& step : of.steps)
        if (!has_selector(current, step.next))
            throw failed_command{exit_refused,
                                 "the filter does not sign with " + step.next + "; `postsluice dkim list` says why",
                                 "failed"};
}

/// Those whose time is over, and the records of all.
json clear_retired(const rotation& of) {
    json out = json::array();
    for (auto& k : own_keys(of, ask(of.ctx, "dkim list", of.order.domain), "retired")) {
        const auto until = time_of(k, "needed_until");
        const bool over = until && *until <= of.ctx.now();
        if (over)
            if (const auto gone = remove_retired(of.directory(), text_of(k, "selector")); !gone)
                of.ctx.note(gone.error().message());
        for (const auto& domain : of.domains)
            out.push_back({{"selector", text_of(k, "selector")},
                           {"name", auth::record_name(domain, text_of(k, "selector"))},
                           {"needed_until", k.value("needed_until", json())},
                           {"removed", over}});
    }
    return out;
}

void print_outcome(const rotation& of, const json& retired) {
    for (const auto& step : of.steps)
        of.ctx.out << of.order.domain << ": " << step.next << " signs"
                   << (step.old.empty() ? "" : ", " + step.old + " does not any more") << "\n";
    for (const auto& one : retired)
        of.ctx.out << text_of(one, "name")
                   << (flag_of(one, "removed") ? ": its key is deleted; remove its record from the DNS"
                                               : ": its record must stay in the DNS until " +
                                                     say_time(time_of(one, "needed_until"), of.ctx.now()))
                   << "\n";
}

json steps_of(const rotation& of) {
    json out = json::array();
    for (const auto& step : of.steps)
        out.push_back({{"algorithm", auth::to_string(step.kind)}, {"old", step.old}, {"next", step.next}});
    return out;
}

int run(rotation& of, const std::vector<std::string>& named, std::int64_t wait, std::int64_t interval) {
    plan(of);
    const auto alone = rotation_lock::take(of.directory());
    if (!alone) return of.ctx.fail(exit_refused, alone.error().message(), "refused");
    of.steps.clear();
    plan(of); // as it is now that nobody else changes it
    find_domains(of, named);
    make_next_keys(of);
    const auto records = records_of(of);
    if (!of.ctx.json())
        for (const auto& r : records) {
            print_dkim_record(of.ctx, r);
            of.ctx.out << std::endl;
        }
    if (!wait_until_published(of, wait, interval)) {
        if (of.ctx.json())
            of.ctx.print_json({{"ok", false}, {"rotated", false}, {"keys", steps_of(of)}, {"records", records}});
        of.ctx.note("nothing is changed; run this again once the records are published");
        return exit_try_again;
    }
    put_in_force(of);
    const auto retired = clear_retired(of);
    if (of.ctx.json())
        of.ctx.print_json({{"rotated", true}, {"keys", steps_of(of)}, {"records", records}, {"retired", retired}});
    else
        print_outcome(of, retired);
    return exit_done;
}

/// A profile that names a selector that is no more would have all keys sign for its accounts.
void tell_of_profiles(const rotation& of) {
    const auto loaded = config::load(of.ctx.config_file());
    if (!loaded.settings) return;
    for (const auto& [name, profile] : loaded.settings->profiles)
        for (const auto& step : of.steps)
            if (!step.old.empty() && iequals(profile->dkim_selector, step.old))
                of.ctx.note("profile " + name + " names dkim_selector = \"" + step.old + "\"; change it to \"" +
                            step.next + "\"");
}

std::int64_t seconds_of(const arguments& given, std::string_view name, std::int64_t otherwise) {
    const auto text = given.get(name);
    return text ? std::stoll(*text) : otherwise; // within 1 to 100000, or it would not have come so far
}

} // namespace

int dkim_rotate(context& ctx, const arguments& given) {
    if (!is_domain_argument(given["DOMAIN"], true))
        return ctx.fail(exit_usage, printable(given["DOMAIN"], 253) + " is no domain", "usage");
    int exit = exit_done;
    auto order = key_order_of(ctx, given, exit);
    if (!order) return exit;
    rotation of{ctx, std::move(*order), given.get("--selector").value_or(""), {}};
    try {
        exit = run(of, given.all("--subdomain"), seconds_of(given, "--wait", usual_wait),
                   seconds_of(given, "--interval", usual_interval));
    } catch (const failed_command& why) {
        return ctx.fail(why.exit, why.error, why.code);
    }
    if (exit == exit_done) tell_of_profiles(of);
    return exit;
}

} // namespace postsluice::admin
