// SPDX-License-Identifier: Apache-2.0
// The SMTP/LMTP client machine: whatever the peer says and however it is cut, success is only what a 2xx after our
// final dot says, nothing follows the dot, and no line of ours is more than one command. The first octet chooses the
// protocol and the number of recipients.
#include "shared/smtp/client.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>

using namespace postsluice;
using namespace postsluice::smtp;

namespace {

struct story {
    std::string said;
    std::vector<int> codes;
    bool reusable = false;
    bool operator==(const story&) const = default;
};

envelope mail_to(std::size_t recipients) {
    envelope out;
    out.sender = parse_path_argument("<a@example.org> BODY=8BITMIME RET=HDRS").value();
    for (std::size_t i = 0; i < recipients; ++i) {
        out.recipients.push_back(parse_path_argument("<r" + std::to_string(i) + "@example.net> NOTIFY=NEVER").value());
    }
    return out;
}

void check_outcomes(const client& machine, std::size_t recipients, bool dot, story& out) {
    const auto replies = outcomes(machine.result());
    fuzz::require(replies.size() == recipients, "an outcome for each recipient");
    for (const auto& r : replies) {
        fuzz::require(r.klass() == 2 || r.klass() == 4 || r.klass() == 5, "an outcome is final");
        fuzz::require(!r.ok() || dot, "no success without a final dot");
        fuzz::require(r.code != 421, "421 ends the peer's session, not ours");
        out.codes.push_back(r.code);
    }
}

story tell(std::string_view input, std::size_t piece, protocol speaks, std::size_t recipients) {
    client machine{{speaks, "filter.example", 5, 200}};
    story out;
    bool begun = false, dot = false, ended = false;
    for (;;) {
        const auto next = machine.step();
        fuzz::require(!dot || machine.output().empty(), "nothing is said after the dot");
        out.said += machine.output();
        machine.output().clear();
        if (std::holds_alternative<action::ready>(next)) {
            fuzz::require(!begun, "ready comes once");
            machine.begin(mail_to(recipients), 7);
            begun = true;
        } else if (std::holds_alternative<action::send_content>(next)) {
            fuzz::require(machine.result().accepted() != 0, "content is for somebody");
            fuzz::require(machine.result().data && machine.result().data->code == 354, "and asked for");
            machine.content_sent();
            dot = true;
        } else if (std::holds_alternative<action::finished>(next)) {
            break;
        } else if (!input.empty()) {
            machine.feed(input.substr(0, piece));
            input.remove_prefix(std::min(piece, input.size()));
        } else {
            fuzz::require(!ended, "the end of the stream ends it");
            machine.feed_end();
            ended = true;
        }
    }
    if (begun) {
        check_outcomes(machine, recipients, dot, out);
    }
    out.reusable = machine.reusable();
    return out;
}

void check_lines(std::string_view said) {
    while (!said.empty()) {
        const auto end = said.find("\r\n");
        fuzz::require(end != said.npos && end >= 4, "commands are whole lines");
        fuzz::require(said.substr(0, end).find_first_of("\r\n") == said.npos, "without a bare CR or LF");
        said.remove_prefix(end + 2);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto kind = size == 0 ? 0U : data[0];
    const auto speaks = kind % 2 == 0 ? protocol::lmtp : protocol::smtp;
    const std::size_t recipients = 1 + kind / 2 % 4;
    const auto input = fuzz::text_of(data, size).substr(size == 0 ? 0 : 1);
    // Replies that came before they were asked for are a failure where they are seen: only octet by octet is what is
    // seen when the same each time.
    const auto slow = tell(input, 1, speaks, recipients);
    check_lines(slow.said);
    check_lines(tell(input, input.size() + 1, speaks, recipients).said);
    check_lines(tell(input, 29, speaks, recipients).said);
    fuzz::require(tell(input, 1, speaks, recipients) == slow, "the same words, the same story");
    return 0;
}
