// SPDX-License-Identifier: Apache-2.0
#include "shared/config/reader.hpp"
#include "shared/core/account_name.hpp"
#include "shared/core/mail_address.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::config {
namespace {

const node& place(const node& root, std::string_view section, std::string_view key) {
    const auto* table = root.find(section);
    const auto* value = table != nullptr ? table->find(key) : nullptr;
    return value != nullptr ? *value : table != nullptr ? *table : root;
}

bool any_matches(const std::vector<std::string>& patterns, const std::string& name) {
    return std::any_of(patterns.begin(), patterns.end(),
                       [&name](const auto& p) { return glob_match(to_lower(p), name); });
}

/// The profile of an account, as account::select_profile() finds it; `login` empty: it is not known.
std::string profile_of(const settings& s, const account_entry& entry, const std::string& login) {
    const auto name = to_lower(entry.name);
    const auto customer = std::find_if(s.customers.begin(), s.customers.end(),
                                       [&name](const auto& c) { return any_matches(c.account, name); });
    const auto customer_name = customer == s.customers.end() ? std::string{} : to_lower(customer->name);
    for (const auto& assign : s.assigns) {
        if (any_matches(assign.account, name) || (!login.empty() && any_matches(assign.login, login)))
            return assign.profile;
        if (!customer_name.empty() && any_matches(assign.customer, customer_name)) return assign.profile;
    }
    return "default";
}

/// Exact logins stand for the account where only its network is known.
bool has_own(const account_entry& entry, bool whole_address) {
    if (!(whole_address ? entry.aliases : entry.domains).empty()) return true;
    return std::any_of(entry.login.begin(), entry.login.end(), [](const std::string& login) {
        return login.find('*') == std::string::npos && !mail_address::from_internal(login).domain.empty();
    });
}

/// By what it is known without an address: "network"; nullptr where it is not.
const char* known_without_address(const settings& s, const account_entry& entry) {
    if (!entry.network.empty()) return "network";
    if (!entry.certificate.empty()) return "certificate";
    const bool bare = !entry.login.empty() && s.default_domain.empty() &&
                      std::all_of(entry.login.begin(), entry.login.end(), [](const std::string& login) {
                          return login.find_first_of("@*") == std::string::npos;
                      });
    return bare ? "login, which has no domain (nor is there a default_domain)," : nullptr;
}

/// An own-* rule for an account that has nothing of its own would refuse all its mail.
void check_own(const settings& s, const account_entry& entry, const node& where, const report& to) {
    const auto* known = known_without_address(s, entry);
    if (known == nullptr) return;
    const bool by_login = entry.network.empty() && entry.certificate.empty();
    const auto found = s.profiles.find(profile_of(s, entry, by_login ? to_lower(entry.login.front()) : std::string{}));
    if (found == s.profiles.end()) return;
    const auto rule = found->second->from.what;
    const bool address = rule == from_rule::kind::own_address;
    if ((!address && rule != from_rule::kind::own_domain) || has_own(entry, address)) return;
    const auto* member = address ? "aliases" : "domains";
    to.at(member).add(where, quote(entry.name) + " is known by its " + known + " and has no " +
                                 (address ? "address" : "domain") + " of its own, but its profile " +
                                 quote(found->first) +
                                 " says from = " + (address ? R"("own-address")" : R"("own-domain")") + "; give it " +
                                 member + ", or assign it a profile with another from");
}

template <class Entry>
std::vector<std::string> names_of(const std::vector<Entry>& entries) {
    std::vector<std::string> out;
    for (const auto& entry : entries)
        if (!entry.name.empty()) out.push_back(entry.name);
    return out;
}

void check_assign(const settings& s, const assign_entry& entry, const node& where, const report& to) {
    const auto* profile = where.find("profile");
    if (profile == nullptr) {
        to.at("profile").add(where, "is missing; name the profile that these accounts have");
    } else if (!entry.profile.empty() && !s.profiles.contains(entry.profile)) {
        std::vector<std::string> names;
        for (const auto& [name, known] : s.profiles)
            names.push_back(name);
        to.at("profile").add(*profile, "there is no such profile: " + not_one_of(entry.profile, names));
    }
    check_named(entry.account, "account", names_of(s.accounts), where, to);
    check_named(entry.customer, "customer", names_of(s.customers), where, to);
    if (where.find("login") == nullptr && where.find("account") == nullptr && where.find("customer") == nullptr)
        to.add(where, "assigns to nobody; name a login, an account or a customer");
}

void check_customer(const settings& s, std::size_t which, const std::vector<const node*>& tables, const report& to) {
    const auto& entry = s.customers[which];
    const auto& where = *tables[which];
    if (where.find("name") == nullptr) to.at("name").add(where, "is missing; a customer needs a name");
    for (std::size_t i = 0; i < which; ++i)
        if (!entry.name.empty() && iequals(s.customers[i].name, entry.name))
            to.at("name").add(*where.find("name"), quote(entry.name) + " is the name of another customer, in line " +
                                                       std::to_string(tables[i]->find("name")->line) +
                                                       "; choose another, or make the two one");
    check_named(entry.account, "account", names_of(s.accounts), where, to);
    if (where.find("domains") == nullptr && where.find("account") == nullptr)
        to.add(where, "is nobody; name its domains or accounts");
}

} // namespace

void check_named(const std::vector<std::string>& wanted, const std::string& kind, const std::vector<std::string>& names,
                 const node& where, const report& to) {
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        const auto& name = wanted[i];
        const bool sender = kind == "account" && (name.find('@') != std::string::npos || is_reserved_name(name));
        const bool known = std::any_of(names.begin(), names.end(), [&](const auto& n) { return iequals(n, name); });
        if (known || sender || name.find('*') != std::string::npos) continue;
        const auto* list = where.find(kind);
        const auto& place = list != nullptr && i < list->items.size() ? list->items[i] : where;
        to.at(kind).add(
            place, "there is no such " + kind + ": " +
                       (names.empty() ? quote(name) + "; there are no [[" + kind + "]]" : not_one_of(name, names)));
    }
}

void check_whole(const settings& s, const node& root, const report& to) {
    const auto& p = s.policyd;
    if (p.max_request < p.max_line)
        to.at("policyd")
            .at("max_request")
            .add(place(root, "policyd", "max_request"), "is smaller than max_line; a request holds at least one line");
    if (p.ticket_key_retention < p.ticket_key_rotation)
        to.at("policyd")
            .at("ticket_key_retention")
            .add(place(root, "policyd", "ticket_key_retention"),
                 "is shorter than ticket_key_rotation; a key must outlive its use");
    const auto& f = s.contentfilter;
    const auto& d = s.dkim;
    const auto* const only = d.key_table.empty() ? "signing_table" : "key_table";
    if (d.key_table.empty() != d.signing_table.empty())
        to.at("dkim").at(only).add(place(root, "dkim", only),
                                   "is of no use alone; name both key_table and signing_table");
    if (d.expire != seconds{0} && d.expire < seconds{7 * 86400})
        to.at("dkim").at("expire").add(place(root, "dkim", "expire"),
                                       "is shorter than mail may lie in queues; 14 days or more, or 0 s");
    // A part, and the inner archives around each other, lie in the worker's memory at the same time, beside its
    // libraries.
    const auto held = s.archives.max_part.value + s.archives.max_member.value * (s.archives.max_levels - 1);
    if (held + (std::uint64_t{128} << 20U) > f.worker_memory.value)
        to.at("contentfilter")
            .at("worker_memory")
            .add(place(root, "contentfilter", "worker_memory"),
                 "is too small for archives.max_part, max_member and max_levels; at least " +
                     to_string(byte_count{held + (std::uint64_t{128} << 20U)}));
    if (f.check_timeout >= f.deadline)
        to.at("contentfilter")
            .at("check_timeout")
            .add(place(root, "contentfilter", "check_timeout"), "is not shorter than deadline; make it so");
    if (f.listen.empty() && f.listen_before_queue.empty() && f.listen_pipe.empty())
        to.at("contentfilter")
            .at("listen")
            .add(place(root, "contentfilter", "listen"),
                 "is empty, and so are listen_before_queue and listen_pipe; name at "
                 "least one way in");
    if (!f.listen_before_queue.empty() && f.check_timeout >= f.deadline_before_queue)
        to.at("contentfilter")
            .at("check_timeout")
            .add(place(root, "contentfilter", "check_timeout"),
                 "is not shorter than deadline_before_queue; make it so");
}

void check_accounts(const settings& s, const std::vector<const node*>& accounts,
                    const std::vector<const node*>& customers, const std::vector<const node*>& assigns,
                    const std::vector<bool>& sound, const report& to) {
    for (std::size_t i = 0; i < accounts.size(); ++i) {
        const auto& entry = s.accounts[i];
        const auto here = to.at("account");
        if (accounts[i]->find("name") == nullptr)
            here.at("name").add(*accounts[i], "is missing; an account needs a name");
        for (std::size_t j = 0; j < i; ++j)
            if (!entry.name.empty() && iequals(s.accounts[j].name, entry.name))
                here.at("name").add(*accounts[i]->find("name"),
                                    quote(entry.name) + " is the name of another account, in line " +
                                        std::to_string(accounts[j]->find("name")->line) + "; choose another");
        if (sound[i]) check_own(s, entry, *accounts[i], here);
    }
    for (std::size_t i = 0; i < customers.size(); ++i)
        check_customer(s, i, customers, to.at("customer"));
    for (std::size_t i = 0; i < assigns.size(); ++i)
        check_assign(s, s.assigns[i], *assigns[i], to.at("assign"));
}

} // namespace postsluice::config
