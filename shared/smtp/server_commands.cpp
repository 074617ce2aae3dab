// SPDX-License-Identifier: Apache-2.0
// The commands of the server machine.
#include "shared/smtp/server.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace postsluice::smtp {

namespace {

// Blanks only: a stray CR or LF stays, and makes the command a wrong one.
std::string_view without_blanks(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// "from:<a@b>" without its first word: what follows `word`, blanks and a colon; nullopt where they are not there.
std::optional<std::string_view> after_colon(std::string_view argument, std::string_view word) {
    if (!istarts_with(argument, word)) return std::nullopt;
    argument = without_blanks(argument.substr(word.size()));
    if (!argument.starts_with(':')) return std::nullopt;
    return argument.substr(1);
}

// A decimal number; what is too long for 64 bits is the largest. nullopt: not a number.
std::optional<std::uint64_t> decimal(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || problem == std::errc::invalid_argument || end != text.data() + text.size()) return std::nullopt;
    return problem == std::errc{} ? value : UINT64_MAX;
}

std::string_view keyword_of(std::string_view capability) {
    return capability.substr(0, capability.find(' '));
}

std::vector<std::string> offered(const server_options& options) {
    std::vector<std::string> out{"PIPELINING"};
    std::uint64_t size = options.max_message_size;
    bool size_known = size > 0;
    std::vector<std::string> passed;
    for (const auto& capability : options.capabilities) {
        const auto keyword = keyword_of(capability);
        if (iequals(keyword, "SIZE")) {
            const auto value = decimal(trim(std::string_view{capability}.substr(keyword.size()))).value_or(0);
            if (value > 0 && (size == 0 || value < size)) size = value;
            size_known = true;
        }
        for (const std::string_view known : {"8BITMIME", "DSN", "SMTPUTF8"}) {
            if (iequals(keyword, known)) passed.emplace_back(known);
        }
    }
    if (size_known) out.push_back(size > 0 ? "SIZE " + std::to_string(size) : "SIZE");
    out.emplace_back("ENHANCEDSTATUSCODES");
    out.insert(out.end(), passed.begin(), passed.end());
    if (options.allow_xforward) out.emplace_back("XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT");
    return out;
}

} // namespace

void server::execute(std::string_view line) {
    struct entry {
        std::string_view verb;
        void (server::*run)(std::string_view);
    };
    static constexpr std::array commands{
        entry{"MAIL", &server::on_mail},        entry{"RCPT", &server::on_rcpt},
        entry{"DATA", &server::on_data},        entry{"XFORWARD", &server::on_xforward},
        entry{"RSET", &server::on_rset},        entry{"NOOP", &server::on_noop},
        entry{"EHLO", &server::on_hello},       entry{"LHLO", &server::on_hello},
        entry{"HELO", &server::on_helo},        entry{"QUIT", &server::on_quit},
        entry{"VRFY", &server::on_vrfy},        entry{"BDAT", &server::on_not_offered},
        entry{"AUTH", &server::on_not_offered}, entry{"STARTTLS", &server::on_not_offered},
        entry{"EXPN", &server::on_not_offered}, entry{"HELP", &server::on_not_offered},
        entry{"ETRN", &server::on_not_offered}, entry{"XCLIENT", &server::on_not_offered},
    };
    line = without_blanks(line);
    const auto verb = line.substr(0, line.find_first_of(" \t"));
    const auto argument = without_blanks(line.substr(verb.size()));
    const bool speaks_lmtp = options_.speaks == protocol::lmtp;
    const bool wrong_hello = speaks_lmtp ? iequals(verb, "EHLO") || iequals(verb, "HELO") : iequals(verb, "LHLO");
    const auto found =
        std::find_if(commands.begin(), commands.end(), [&](const entry& e) { return iequals(e.verb, verb); });
    if (found == commands.end() || wrong_hello) {
        return error(500, "5.5.2",
                     speaks_lmtp && wrong_hello ? "Error: this is LMTP, send LHLO" : "Error: command not recognized");
    }
    (this->*found->run)(argument);
}

void server::on_hello(std::string_view argument) {
    if (argument.empty()) return error(501, "5.5.4", "Syntax: EHLO or LHLO hostname");
    reset_transaction();
    envelope_.helo = printable(argument, 255);
    greeted_ = true;
    reply hello{250, "", {options_.hostname}};
    for (auto& capability : offered(options_))
        hello.lines.push_back(std::move(capability));
    output_ += to_wire(hello);
}

void server::on_helo(std::string_view argument) {
    if (argument.empty()) return error(501, "5.5.4", "Syntax: HELO hostname");
    reset_transaction();
    envelope_.helo = printable(argument, 255);
    greeted_ = true;
    say(250, "", options_.hostname);
}

void server::on_xforward(std::string_view argument) {
    if (!options_.allow_xforward) return error(550, "5.7.0", "Error: insufficient authorization");
    if (mail_) return error(503, "5.5.1", "Error: MAIL transaction in progress");
    if (!apply_xforward(argument, envelope_.xforward))
        return error(501, "5.5.4", "Syntax: XFORWARD attribute=value...");
    say(250, "2.0.0", "Ok");
}

bool server::size_is_acceptable(const path_argument& sender) {
    const auto announced = sender.parameter("SIZE");
    if (!announced) return true;
    const auto size = decimal(*announced);
    if (!size) return error(501, "5.5.4", "Error: bad message size syntax"), false;
    if (options_.max_message_size == 0 || *size <= options_.max_message_size) return true;
    say(552, "5.3.4", "Message size exceeds fixed limit");
    return false;
}

void server::on_mail(std::string_view argument) {
    if (!greeted_) return error(503, "5.5.1", "Error: send EHLO or LHLO first");
    if (mail_) return error(503, "5.5.1", "Error: nested MAIL command");
    mail_failed_ = true;
    const auto text = after_colon(argument, "FROM");
    const auto path = text ? parse_path_argument(*text) : result<path_argument>{failure{errc::malformed, "no FROM:"}};
    if (!path) return error(501, "5.5.4", "Syntax: MAIL FROM:<address>");
    if (!size_is_acceptable(*path)) return;
    envelope_.sender = *path;
    mail_ = true;
    mail_failed_ = false;
    say(250, "2.1.0", "Ok");
}

void server::on_rcpt(std::string_view argument) {
    if (!mail_ && mail_failed_) return say(503, "5.5.1", "Error: the MAIL command was refused");
    if (!mail_) return error(503, "5.5.1", "Error: need MAIL command");
    const auto text = after_colon(argument, "TO");
    const auto path = text ? parse_path_argument(*text) : result<path_argument>{failure{errc::malformed, "no TO:"}};
    if (!path) return error(501, "5.5.4", "Syntax: RCPT TO:<address>");
    if (path->address.is_null()) return error(501, "5.1.3", "Bad recipient address syntax");
    if (envelope_.recipients.size() >= options_.max_recipients) return say(452, "4.5.3", "Error: too many recipients");
    envelope_.recipients.push_back(*path);
    say(250, "2.1.5", "Ok");
}

void server::on_data(std::string_view argument) {
    if (!mail_ && mail_failed_) return say(503, "5.5.1", "Error: the MAIL command was refused");
    if (!mail_) return error(503, "5.5.1", "Error: need MAIL command");
    if (!argument.empty()) return error(501, "5.5.4", "Syntax: DATA");
    if (envelope_.recipients.empty()) return say(554, "5.5.1", "Error: no valid recipients");
    begun_ = false;
    state_ = state::deciding;
}

void server::on_rset(std::string_view argument) {
    if (!argument.empty()) return error(501, "5.5.4", "Syntax: RSET");
    reset_transaction();
    say(250, "2.0.0", "Ok");
}

void server::on_noop(std::string_view) {
    say(250, "2.0.0", "Ok");
}

void server::on_vrfy(std::string_view argument) {
    if (argument.empty()) return error(501, "5.5.4", "Syntax: VRFY address");
    say(252, "2.0.0", "Cannot verify here; send some mail");
}

void server::on_quit(std::string_view) {
    say(221, "2.0.0", "Bye");
    state_ = state::closed;
}

void server::on_not_offered(std::string_view) {
    error(502, "5.5.1", "Error: command not offered");
}

} // namespace postsluice::smtp
