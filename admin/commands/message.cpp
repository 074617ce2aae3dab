// SPDX-License-Identifier: Apache-2.0
// What would become of a message: the content filter runs its checks on it and decides, and nothing is delivered,
// counted or kept.
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/table.hpp"
#include "shared/core/result.hpp"
#include "shared/core/text.hpp"

#include <openssl/evp.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

namespace postsluice::admin {
namespace {

using nlohmann::json;

// What the filter takes (its control_verbs.hpp).
constexpr std::size_t max_message = std::size_t{16} << 20U;

result<std::string> read_message(const std::string& name) {
    std::ifstream file;
    if (name != "-") file.open(name, std::ios::binary);
    if (name != "-" && !file)
        return failure{errc::not_found, name + ": " + std::strerror(errno)}; // NOLINT(concurrency-mt-unsafe)
    std::istream& in = name == "-" ? std::cin : file;
    std::string text;
    std::string chunk(65536, '\0');
    while (in.read(chunk.data(), static_cast<std::streamsize>(chunk.size())), in.gcount() > 0) {
        text.append(chunk, 0, static_cast<std::size_t>(in.gcount()));
        if (text.size() > max_message) return failure{errc::too_large, name + ": larger than " + say_size(max_message)};
    }
    // A directory opens and reads nothing.
    if (in.bad()) return failure{errc::not_found, name + ": cannot be read"};
    if (text.empty()) return failure{errc::malformed, name + ": holds no message"};
    return text;
}

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

std::string base64(const std::string& text) {
    std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    out.resize(static_cast<std::size_t>(size));
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
    facts.add("Verdict", text_of(a, "verdict") + (flag_of(a, "observed") ? " (observe mode: it would go on)" : ""));
    facts.add("Reason", text_of(a, "reason"));
    facts.add("Score", say_score(score_of(a, "score")) + " (tag " + say_score(score_of(thresholds, "tag")) + ", hold " +
                           say_score(score_of(thresholds, "hold")) + ", reject " +
                           say_score(score_of(thresholds, "reject")) + ")");
    std::string keys;
    for (const auto& k : part_of(a, "keys"))
        keys += (keys.empty() ? "" : ", ") + text_of(k, "selector") + "._domainkey." + text_of(k, "domain") + " (" +
                text_of(k, "algorithm") + ")";
    facts.add("DKIM", text_of(a, "sign") + (keys.empty() ? "" : " by " + keys));
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
              {"--sender", "the envelope sender", false, "ADDRESS"},
              {"--to", "a recipient", false, "ADDRESS"}},
             "",
             test}};
}

} // namespace postsluice::admin
