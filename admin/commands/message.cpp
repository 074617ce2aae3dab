// SPDX-License-Identifier: Apache-2.0
// What would become of a message: the content filter runs its checks on it and decides, and nothing is delivered,
// counted or kept.
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/message_files.hpp"
#include "admin/table.hpp"
#include "shared/core/result.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <ostream>

namespace postsluice::admin {
namespace {

using nlohmann::json;

/// Mail that was saved on a Unix machine has bare line feeds; on the wire each line ends in CRLF. A file with any CRLF
/// is taken as it is: bare line feeds are part of what is to be tested then.
std::string with_wire_line_ends(std::string text) {
    if (text.find("\r\n") != std::string::npos) return text;
    std::string out;
    out.reserve(text.size() + text.size() / 32);
    for (const char c : text) {
        if (c == '\n') out += '\r';
        out += c;
    }
    return out;
}

double score_of(const json& object, const char* member) {
    const auto at = object.find(member);
    return at != object.end() && at->is_number() ? at->get<double>() : 0;
}

void print_verdict(context& ctx, const json& a) {
    const json& thresholds = part_of(a, "thresholds");
    fact_list facts;
    facts.add("Account", text_of(a, "account") + ", profile " + text_of(a, "profile"));
    std::string settings;
    for (const auto& one : part_of(a, "settings"))
        settings += (settings.empty() ? "" : ", ") + text_of(one, "name") +
                    (flag_of(one, "only_stricter") ? " (only what is stricter)" : "");
    facts.add("Settings", settings.empty() ? "as in the profile" : settings);
    facts.add("Verdict", text_of(a, "verdict") + (flag_of(a, "observed") ? " (observe mode: it would go on)" : ""));
    facts.add("Reason", text_of(a, "reason"));
    facts.add("Score", say_score(score_of(a, "score")) + " (tag " + say_score(score_of(thresholds, "tag")) + ", hold " +
                           say_score(score_of(thresholds, "hold")) + ", reject " +
                           say_score(score_of(thresholds, "reject")) + ")");
    std::string keys;
    for (const auto& k : part_of(a, "keys"))
        keys += (keys.empty() ? "" : ", ") + text_of(k, "selector") + "._domainkey." + text_of(k, "domain") + " (" +
                text_of(k, "algorithm") + ")";
    const auto unsigned_why = text_of(a, "sign_sentence");
    facts.add("DKIM", text_of(a, "sign") + (keys.empty() ? "" : " by " + keys) +
                          (unsigned_why.empty() ? "" : ": " + unsigned_why));
    facts.add("Size", say_size(static_cast<std::uint64_t>(std::max<std::int64_t>(number_of(a, "size"), 0))));
    facts.print(ctx.out);

    table findings{{"SYMBOL", ">SCORE", "GROUP", "ACTION", "EVIDENCE"}};
    for (const auto& f : part_of(a, "findings")) {
        const auto action = text_of(f, "action", "none");
        findings.row({text_of(f, "symbol"), say_score(score_of(f, "score")), text_of(f, "group"),
                      action == "none" ? "-" : action, text_of(f, "evidence")});
    }
    ctx.out << '\n';
    findings.print(ctx.out, "No check found anything.");
}

int test(context& ctx, const arguments& given) {
    auto message = read_message(given["FILE"]);
    if (!message) return ctx.fail(exit_refused, message.error().detail, "malformed");
    const std::string wire = with_wire_line_ends(std::move(*message));
    if (wire.size() > max_message)
        return ctx.fail(exit_refused, given["FILE"] + ": larger than " + say_size(max_message), "too-large");
    json request = {{"verb", "message test"}, {"content", base64(wire)}};
    if (const auto account = given.get("--as")) request["account"] = *account;
    if (const auto sender = given.get("--sender")) request["sender"] = *sender;
    if (const auto client = given.get("--client")) request["client"] = *client;
    if (const auto recipient = given.get("--to")) request["recipients"] = json::array({*recipient});
    const auto r = ctx.ask(daemon::contentfilter, request);
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    print_verdict(ctx, r.body);
    return exit_done;
}

} // namespace

std::vector<command> message_commands() {
    return {{"message",
             "test",
             "what every check finds in a message, and the verdict; nothing is sent or counted",
             {{"FILE", "the message with its header; - for standard input"},
              {"--as", "as if this account sent it", false, "ACCOUNT"},
              {"--client", "the address that its client connected from", false, "ADDRESS"},
              {"--sender", "the envelope sender", false, "ADDRESS"},
              {"--to", "a recipient", false, "ADDRESS"}},
             "",
             test}};
}

} // namespace postsluice::admin
