// SPDX-License-Identifier: Apache-2.0
// From a table of the document into a section of the settings, by the section's option rows. Every key of the table is
// either a row, a table that rows lie in ("lock" of "lock.for"), one of `others` (tables that the caller reads
// himself), or an error with a suggestion. Also where the pieces of load.cpp meet: profiles with inheritance, and what
// can only be said of the whole.
#pragma once

#include "shared/config/options.hpp"

namespace postsluice::config {

/// Reports `key` as unknown; `known` are the keys that could have stood there.
void report_unknown(const std::string& key, const node& where, const std::vector<std::string>& known, const report& to);
/// True where it is a table; reports otherwise, with how it is to be written.
bool expect_table(const node& from, std::string_view written, const report& to);

template <class Section>
void read_table(const node& from, Section& into, const options<Section>& rows, const report& to,
                const std::vector<std::string>& others = {}, const std::string& prefix = {}) {
    std::vector<std::string> known = others;
    for (const auto& row : rows)
        if (row.key.starts_with(prefix))
            known.push_back(row.key.substr(prefix.size(), row.key.find('.', prefix.size()) - prefix.size()));
    for (const auto& [key, value] : from.members) {
        const auto here = to.at(key);
        const auto whole = prefix + key;
        bool found = false;
        for (const auto& row : rows) {
            if (row.key == whole) {
                row.read(value, into, here);
            } else if (row.key.starts_with(whole + ".")) {
                if (expect_table(value, "{ ... }", here)) read_table(value, into, rows, here, {}, whole + ".");
            } else {
                continue;
            }
            found = true;
            break;
        }
        if (!found && std::find(others.begin(), others.end(), key) == others.end())
            report_unknown(key, value, known, to);
    }
}

/// Reads [profile.*] with inheritance; `into` always has "default" then. Profiles with errors, and those that inherit
/// from them, are there all the same, so that what refers to them is not reported as well.
void read_profiles(const node* profiles, settings& into, const report& to);

/// What no single row can say: it needs two values, or another section. `accounts`, `customers` and `assigns` are the
/// tables the entries were read from, in order. An account of which something was wrong is not looked at (`sound`).
void check_whole(const settings& s, const node& root, const report& to);
void check_accounts(const settings& s, const std::vector<const node*>& accounts,
                    const std::vector<const node*>& customers, const std::vector<const node*>& assigns,
                    const std::vector<bool>& sound, const report& to);
/// The same for [[settings]]; afterwards they stand in the order in which they are asked.
void check_settings(settings& s, const std::vector<const node*>& tables, const report& to);
/// Names in full (list `kind` of the table `where`) must be those of entries that are there; a glob may match nobody
/// yet, and a login or uid needs no [[account]].
void check_named(const std::vector<std::string>& wanted, const std::string& kind, const std::vector<std::string>& names,
                 const node& where, const report& to);

} // namespace postsluice::config
