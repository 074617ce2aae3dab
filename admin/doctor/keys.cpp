// SPDX-License-Identifier: Apache-2.0
// DKIM keys as the running filter sees them: there, readable, published.
#include "admin/doctor/doctor.hpp"
#include "admin/human.hpp"

namespace postsluice::admin::doctor {
namespace {

void none(const evidence& at, findings& to) {
    if (!at.filter || !at.settings || !at.settings->dkim.sign || !at.filter->contains("keys")) return;
    if (!part_of(*at.filter, "keys").empty() || !part_of(*at.filter, "key_errors").empty()) return;
    to.push_back({{},
                  "dkim.sign is true, but there is no key in " + at.settings->dkim.directory.string() + ".",
                  "All mail leaves unsigned.",
                  "postsluice dkim keygen DOMAIN, publish the records that it shows, then postsluice reload"});
}

void unreadable(const evidence& at, findings& to) {
    if (!at.filter) return;
    for (const auto& one : part_of(*at.filter, "key_errors"))
        if (one.is_string())
            to.push_back({{},
                          "A DKIM key cannot be used: " + one.get<std::string>() + '.',
                          "Mail of its domain waits, since unsigned it may be refused.",
                          "mend the file (owner: the daemons' user, mode 0600), then postsluice reload"});
}

void unpublished(const evidence& at, findings& to) {
    for (const auto& one : part_of(at.keys, "keys")) {
        const auto state = text_of(one, "published");
        const auto role = text_of(one, "role", "current");
        if (state.empty() || state == "unknown" || state == "good" || role != "current") continue;
        const auto name = text_of(one, "selector") + "._domainkey." + text_of(one, "domain");
        to.push_back(
            {{},
             "The DNS record of the DKIM key " + name + " is " + state + ".",
             state == "testing" ? "t=y tells receivers to make nothing of the signature."
                                : "Receivers cannot verify what it signs.",
             "postsluice dkim record " + text_of(one, "domain") + ' ' + text_of(one, "selector") + ", and publish it"});
    }
}

constexpr diagnosis table[] = {
    {"no-keys", "Is there a key to sign with?", none},
    {"key-unusable", "Can the filter use its keys?", unreadable},
    {"key-unpublished", "Are the keys in the DNS?", unpublished},
};

} // namespace

std::span<const diagnosis> key_diagnoses() {
    return table;
}

} // namespace postsluice::admin::doctor
