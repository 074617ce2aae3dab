// SPDX-License-Identifier: Apache-2.0
// What is wrong with an installation, why that matters, and the command that mends it. First everything is looked at
// (evidence.cpp): configuration, both daemons, Postfix's configuration, files; then every diagnosis of the table asks
// one question of that evidence and adds its findings. A diagnosis is one pure function and one line in diagnoses.cpp,
// but for those of files, which look at the file system.
//
// What could not be seen (no root, no Postfix here, a daemon that is down) is a note in `unseen`, never a guess: a
// diagnosis that lacks its evidence finds nothing. A healthy installation gives no finding.
#pragma once

#include "admin/context.hpp"
#include "admin/doctor/postfix.hpp"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace postsluice::admin::doctor {

struct finding {
    std::string diagnosis; ///< its name in the table
    std::string what;      ///< one sentence: what is wrong, where
    std::string why;       ///< one sentence: what comes of it
    std::string mend;      ///< the command, or what to write where
};

struct evidence {
    std::filesystem::path config_file;
    config::settings_ptr settings; ///< null: it has errors
    std::vector<config::config_error> config_errors;
    std::optional<postfix_facts> postfix;
    std::optional<nlohmann::json> policyd, filter;  ///< their `status`
    nlohmann::json keys = nlohmann::json::object(); ///< the filter's `dkim verify`: what the DNS says of them
    bool policyd_down = false, filter_down = false; ///< nobody answers (not: we may not ask)
    std::vector<std::string> unseen;
    instant now{};
};

using findings = std::vector<finding>;

struct diagnosis {
    std::string_view name; ///< "permit-before-hook"
    std::string_view asks; ///< the question, for the manual
    void (*look)(const evidence& at, findings& to);
};

/// All diagnoses, in the order of their findings. The rows stand in tables of their subjects.
[[nodiscard]] std::vector<diagnosis> all_diagnoses();
[[nodiscard]] std::span<const diagnosis> daemon_diagnoses();
[[nodiscard]] std::span<const diagnosis> hook_diagnoses();
[[nodiscard]] std::span<const diagnosis> filter_diagnoses();
[[nodiscard]] std::span<const diagnosis> way_back_diagnoses();
[[nodiscard]] std::span<const diagnosis> mail_server_diagnoses();
[[nodiscard]] std::span<const diagnosis> key_diagnoses();
[[nodiscard]] std::span<const diagnosis> file_diagnoses();

/// Looks at everything. `postfix_directory` empty: where postconf looks by itself.
[[nodiscard]] evidence gather(context& ctx, const std::filesystem::path& postfix_directory);
[[nodiscard]] findings diagnose(const evidence& at);

// ---- what several diagnoses ask

/// Which unix path or host:port an smtpd or lmtp of this service reaches by "unix:postsluice/policyd": chrooted or not,
/// relative names are below queue_directory. "unix:/var/spool/postfix/postsluice/policyd", "inet:127.0.0.1:10040".
[[nodiscard]] std::string reached_by(const postfix_facts& postfix, const postfix_service& service,
                                     std::string_view endpoint);
/// The restriction that asks our policyd, in one of a service's lists; nullopt: none there.
[[nodiscard]] std::optional<restriction> hook_in(const evidence& at, const postfix_service& service,
                                                 const std::string& list);
/// Services with SASL authentication, and those that ask policyd at RCPT: where accounts submit.
[[nodiscard]] std::vector<const postfix_service*> submission_services(const evidence& at);
/// The smtpd behind an endpoint that the filter delivers to; null: none.
[[nodiscard]] const postfix_service* service_behind(const evidence& at, const std::string& hop);
/// The one behind contentfilter.next_hop.
[[nodiscard]] const postfix_service* reentry_service(const evidence& at);

} // namespace postsluice::admin::doctor
