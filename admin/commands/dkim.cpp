// SPDX-License-Identifier: Apache-2.0
// What signs, and whether the DNS publishes it. The keys are readable for the filter alone, so it is asked.
#include "admin/commands/commands.hpp"
#include "admin/commands/dkim_commands.hpp"
#include "admin/human.hpp"
#include "admin/table.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <ostream>

namespace postsluice::admin {
namespace {

using nlohmann::json;

/// "good", "absent: there is no TXT record", "unknown: not asked yet".
std::string say_published(const json& key) {
    auto out = text_of(key, "published", "unknown");
    const json& differences = part_of(key, "differences");
    if (!differences.empty()) out += ": " + join(differences, "; ");
    if (const auto trouble = text_of(key, "trouble"); !trouble.empty()) out += " (" + trouble + ")";
    return out;
}

std::string say_kind(const json& key) {
    auto out = text_of(key, "algorithm");
    if (out == "rsa-sha256") out += " " + std::to_string(number_of(key, "bits"));
    return out;
}

/// What a rotation left behind: until when the DNS must keep its record.
void print_retired(context& ctx, const json& key) {
    const auto until = time_of(key, "needed_until");
    if (!until) return;
    const bool over = *until <= ctx.now();
    ctx.out << text_of(key, "name")
            << (over ? " is needed no more: its record may be removed, and " + text_of(key, "file") + " with it"
                     : " must stay in the DNS until " + say_time(until, ctx.now()) +
                           ": mail under way was signed with it")
            << "\n";
}

int list(context& ctx, const arguments& given) {
    json request = {{"verb", "dkim list"}};
    if (const auto domain = given.get("DOMAIN")) request["domain"] = *domain;
    const auto r = ctx.ask(daemon::contentfilter, request);
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    table t{{"DOMAIN", "SELECTOR", "KEY", "STATE", "PUBLISHED", "SIGNS FOR", "FROM"}};
    const json& keys = part_of(r.body, "keys");
    for (const auto& k : keys) {
        const auto source = text_of(k, "source");
        t.row({text_of(k, "domain"), text_of(k, "selector"), say_kind(k), text_of(k, "role"), say_published(k),
               join(part_of(k, "signs_for")), (source == "directory" ? "" : source + " ") + text_of(k, "file")});
    }
    t.print(ctx.out, "There is no key.");
    for (const auto& k : keys)
        print_retired(ctx, k);
    for (const auto& e : part_of(r.body, "key_errors"))
        if (e.is_string()) ctx.note("not used: " + e.get<std::string>());
    return exit_done;
}

int record(context& ctx, const arguments& given) {
    json request = {{"verb", "dkim record"}, {"domain", given["DOMAIN"]}};
    if (const auto selector = given.get("--selector")) request["selector"] = *selector;
    const auto r = ctx.ask(daemon::contentfilter, request);
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    bool first = true;
    for (const auto& one : part_of(r.body, "records")) {
        if (!std::exchange(first, false)) ctx.out << '\n';
        ctx.out << "; " << text_of(one, "role") << " key, " << text_of(one, "algorithm") << "\n";
        print_dkim_record(ctx, one);
    }
    return exit_done;
}

/// Whether receivers fail to verify mail because of this key. One that is to sign next is allowed to be unpublished.
bool is_fault(const json& key, instant now) {
    const auto role = text_of(key, "role");
    const auto until = time_of(key, "needed_until");
    if (role == "next" || (role == "retired" && until && *until <= now)) return false;
    return !flag_of(key, "usable");
}

int verify(context& ctx, const arguments& given) {
    const auto domain = given.get("DOMAIN");
    const bool all = given.get("--all").has_value();
    if (all == domain.has_value()) return ctx.fail(exit_usage, "name a domain, or say --all", "usage");
    json request = {{"verb", "dkim verify"}};
    if (domain) request["domain"] = *domain;
    if (const auto selector = given.get("--selector")) request["selector"] = *selector;
    const auto r = ctx.ask(daemon::contentfilter, request);
    if (!r.ok()) return ctx.fail(r);
    const json& keys = part_of(r.body, "keys");
    if (domain && keys.empty())
        return ctx.fail(exit_not_found, "a wildcard has no record of its own; name a subdomain", "not-found");
    std::size_t faults = 0, undecided = 0;
    table t{{"RECORD", "KEY", "STATE", "PUBLISHED"}};
    for (const auto& k : keys) {
        t.row({text_of(k, "name"), say_kind(k), text_of(k, "role"), say_published(k)});
        if (!text_of(k, "trouble").empty())
            ++undecided;
        else if (is_fault(k, ctx.now()))
            ++faults;
    }
    if (ctx.json()) {
        auto body = r.body;
        body.update({{"faults", faults}, {"undecided", undecided}});
        ctx.print_json(std::move(body));
    } else {
        t.print(ctx.out, "There is no key.");
    }
    return faults > 0 ? exit_refused : undecided > 0 ? exit_try_again : exit_done;
}

} // namespace

std::vector<command> dkim_commands() {
    const argument one_domain{"DOMAIN", "only what concerns mail from this domain", false};
    const argument selector{"--selector", "only this one", false};
    const argument owner{"--owner", "the user that the filter runs as, where it cannot be told from dkim.directory",
                         false, "USER"};
    return {
        {"dkim",
         "list",
         "all keys: what they sign, where they come from, what the DNS publishes",
         {one_domain},
         "",
         list},
        {"dkim",
         "record",
         "what the DNS is to publish for a domain",
         {{"DOMAIN", "the domain of From"}, selector},
         "",
         record},
        {"dkim",
         "verify",
         "ask the DNS whether it publishes the keys; exit 1 where it does not, 75 where it did not answer",
         {one_domain, {"--all", "every domain", false, "FLAG"}, selector},
         "",
         verify},
        {"dkim",
         "keygen",
         "make new keys, and show the records to publish; overwrites nothing",
         {{"DOMAIN", "the domain; \"*.DOMAIN\" for every domain below it"},
          {"--selector", "instead of rsaYYYYMM and ed25519YYYYMM; with both types -rsa and -ed25519 are appended",
           false},
          {"--type", "rsa, ed25519 or both (the default)", false, "TYPE"},
          owner},
         "",
         dkim_keygen},
        {"dkim",
         "rotate",
         "make the next keys, wait until they are published, and sign with them; run again to go on",
         {{"DOMAIN", "the domain whose keys are replaced; \"*.DOMAIN\" for those of every domain below it"},
          {"--subdomain", "of a wildcard: a domain that sends and publishes its keys; may be repeated", false,
           "DOMAIN..."},
          {"--selector", "replace this one only", false},
          {"--wait", "seconds to wait for the DNS (600); exit 75 where it takes longer", false, "NUMBER"},
          {"--interval", "seconds between two questions (30)", false, "NUMBER"},
          owner},
         "",
         dkim_rotate},
    };
}

} // namespace postsluice::admin
