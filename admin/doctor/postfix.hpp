// SPDX-License-Identifier: Apache-2.0
// Postfix's configuration as postconf(1) tells it: every parameter of main.cf with its default (`postconf -x`), the
// services of master.cf (`postconf -M`) with what they override (`postconf -Px`), $names expanded. Reads files, asks no
// daemon, needs no root. errc::unavailable: no postconf, or it failed; the detail is what it said.
#pragma once

#include "shared/core/result.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::admin::doctor {

struct postfix_service {
    std::string name, type; ///< "submission", "inet"
    bool chrooted = false;
    std::string program; ///< "smtpd"
    std::map<std::string, std::string> overrides;

    [[nodiscard]] std::string label() const { return name + '/' + type; } ///< as postconf -P wants it
};

struct postfix_facts {
    std::filesystem::path directory; ///< empty: postconf's own default
    std::map<std::string, std::string> parameters;
    std::vector<postfix_service> services;

    /// Of main.cf; empty where it is not known.
    [[nodiscard]] const std::string& parameter(const std::string& name) const;
    /// As the service sees it: its own, or main.cf's.
    [[nodiscard]] const std::string& parameter(const postfix_service& of, const std::string& name) const;
    /// "postconf", or "postconf -c DIR": for commands that are recommended.
    [[nodiscard]] std::string postconf() const;
    [[nodiscard]] std::string reload() const;
};

[[nodiscard]] result<postfix_facts> read_postfix(const std::filesystem::path& directory);

/// Whether master(8) runs: it holds a lock on its pid file. nullopt: we may not look. (`postfix status` asks the same,
/// but logs through postlogd(8), and waits for that one.)
[[nodiscard]] std::optional<bool> is_running(const postfix_facts& postfix);

/// One element of a restriction list: "permit_mynetworks", or "check_policy_service" with its argument.
struct restriction {
    std::string word;
    std::string text;                           ///< as it stands there, with its argument
    std::string argument;                       ///< "unix:postsluice/policyd"
    std::map<std::string, std::string> options; ///< of `{ service, name=value, ... }`
};
/// Words at commas and blanks, braces kept together (postconf(5), smtpd_client_restrictions; "Advanced policy client
/// configuration" in SMTPD_POLICY_README).
[[nodiscard]] std::vector<restriction> read_restrictions(std::string_view list);

/// "10s", "2m", "100" -> seconds; nullopt: no time of postconf(5).
[[nodiscard]] std::optional<long> read_postfix_time(std::string_view text);

} // namespace postsluice::admin::doctor
