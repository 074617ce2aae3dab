// SPDX-License-Identifier: Apache-2.0
#include "admin/command.hpp"
#include "admin/doctor/doctor.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::admin::doctor {
namespace {

constexpr std::string_view all_lists[] = {"smtpd_client_restrictions", "smtpd_helo_restrictions",
                                          "smtpd_sender_restrictions", "smtpd_relay_restrictions",
                                          "smtpd_recipient_restrictions"};

std::optional<nlohmann::json> status_of(context& ctx, daemon whom, bool& down, std::vector<std::string>& unseen) {
    auto answer = ctx.ask(whom, {{"verb", "status"}, {"accounts", 1}});
    if (answer.ok()) return std::move(answer.body);
    down = answer.exit == exit_daemon_down;
    if (!down) unseen.push_back(answer.error);
    return std::nullopt;
}

/// Is it an endpoint on which our policyd listens?
bool is_ours(const evidence& at, const std::string& reached) {
    const auto& listen = at.settings->policyd.listen;
    return std::ranges::find(listen, reached) != listen.end();
}

} // namespace

std::string reached_by(const postfix_facts& postfix, const postfix_service& service, std::string_view endpoint) {
    if (!endpoint.starts_with("unix:")) return std::string{endpoint};
    const std::string path{endpoint.substr(5)};
    const auto& queue = postfix.parameter("queue_directory");
    if (!path.starts_with('/')) return "unix:" + queue + '/' + path;
    return service.chrooted ? "unix:" + queue + path : "unix:" + path;
}

// By its address; and where none is right, by the name: "a hook that asks a wrong place" is another finding than none.
std::optional<restriction> hook_in(const evidence& at, const postfix_service& service, const std::string& list) {
    std::optional<restriction> by_name;
    for (auto& one : read_restrictions(at.postfix->parameter(service, list))) {
        if (one.word != "check_policy_service") continue;
        if (is_ours(at, reached_by(*at.postfix, service, one.argument))) return one;
        if (one.argument.find("postsluice") != std::string::npos) by_name = std::move(one);
    }
    return by_name;
}

std::vector<const postfix_service*> submission_services(const evidence& at) {
    std::vector<const postfix_service*> out;
    if (!at.postfix || !at.settings) return out;
    const auto* const back = reentry_service(at);
    const auto* const held = service_behind(at, at.settings->contentfilter.hold_hop);
    for (const auto& one : at.postfix->services) {
        if (one.program != "smtpd" || &one == back || &one == held) continue;
        const bool asks = std::ranges::any_of(
            all_lists, [&](std::string_view list) { return hook_in(at, one, std::string{list}).has_value(); });
        if (asks || at.postfix->parameter(one, "smtpd_sasl_auth_enable") == "yes") out.push_back(&one);
    }
    return out;
}

const postfix_service* reentry_service(const evidence& at) {
    return at.settings ? service_behind(at, at.settings->contentfilter.next_hop) : nullptr;
}

const postfix_service* service_behind(const evidence& at, const std::string& hop) {
    if (!at.postfix) return nullptr;
    for (const auto& one : at.postfix->services) {
        if (one.program != "smtpd") continue;
        if (one.type == "unix" || one.type == "pass") {
            const auto queue = at.postfix->parameter("queue_directory");
            if (hop == "unix:" + queue + "/public/" + one.name || hop == "unix:" + queue + "/private/" + one.name)
                return &one;
        } else if (!hop.starts_with("unix:")) {
            const auto port = hop.substr(hop.rfind(':') + 1);
            const auto mine = one.name.substr(one.name.rfind(':') + 1);
            if (port == mine) return &one;
        }
    }
    return nullptr;
}

evidence gather(context& ctx, const std::filesystem::path& postfix_directory) {
    evidence out;
    out.now = ctx.now();
    out.config_file = ctx.config_file();
    auto loaded = config::load(out.config_file);
    out.settings = std::move(loaded.settings);
    out.config_errors = std::move(loaded.errors);
    if (out.settings) {
        out.policyd = status_of(ctx, daemon::policyd, out.policyd_down, out.unseen);
        out.filter = status_of(ctx, daemon::contentfilter, out.filter_down, out.unseen);
        if (out.filter)
            if (auto keys = ctx.ask(daemon::contentfilter, {{"verb", "dkim verify"}}); keys.ok())
                out.keys = std::move(keys.body);
    }
    auto postfix = read_postfix(postfix_directory);
    if (postfix)
        out.postfix = std::move(*postfix);
    else
        out.unseen.push_back("Postfix's configuration: " + postfix.error().message());
    return out;
}

std::vector<diagnosis> all_diagnoses() {
    std::vector<diagnosis> out;
    for (const auto part : {daemon_diagnoses(), mail_server_diagnoses(), hook_diagnoses(), filter_diagnoses(),
                            way_back_diagnoses(), key_diagnoses(), file_diagnoses()})
        out.insert(out.end(), part.begin(), part.end());
    return out;
}

findings diagnose(const evidence& at) {
    findings out;
    for (const auto& one : all_diagnoses()) {
        const auto before = out.size();
        one.look(at, out);
        for (auto i = before; i < out.size(); ++i)
            out[i].diagnosis = one.name;
    }
    return out;
}

} // namespace postsluice::admin::doctor
