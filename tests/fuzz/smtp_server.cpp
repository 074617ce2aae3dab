// SPDX-License-Identifier: Apache-2.0
// The SMTP/LMTP server machine: how the octets are cut changes nothing, replies are whole lines with a code, nothing is
// accepted without a recipient. The first octet chooses the protocol.
#include "shared/smtp/server.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>

using namespace postsluice;
using namespace postsluice::smtp;

namespace {

struct story {
    std::string output, content;
    std::size_t messages = 0, aborted = 0;
    bool bye = false;
    bool operator==(const story&) const = default;
};

/// True where the machine goes on.
bool take(server& machine, const server_action& next, protocol speaks, story& out) {
    if (std::holds_alternative<action::begin_message>(next)) {
        fuzz::require(!machine.current().recipients.empty(), "no message without a recipient");
        machine.accept_data();
    } else if (const auto* part = std::get_if<action::content>(&next)) {
        out.content += part->bytes;
    } else if (std::holds_alternative<action::end_of_message>(next)) {
        ++out.messages;
        const auto replies = speaks == protocol::lmtp ? machine.current().recipients.size() : 1;
        machine.finish(std::vector<reply>(replies, reply{.code = 250, .enhanced = "2.0.0", .lines = {"taken"}}));
    } else if (std::holds_alternative<action::abort_message>(next)) {
        ++out.aborted;
    } else if (std::holds_alternative<action::bye>(next)) {
        out.bye = true;
        return false;
    }
    return true;
}

story tell(std::string_view input, std::size_t piece, protocol speaks) {
    server_options options;
    options.speaks = speaks;
    options.hostname = "mail.example.org";
    options.max_recipients = 20;
    options.max_command_line = 512;
    options.max_message_size = 4096;
    server machine{options};
    story out;
    bool ended = false;
    for (;;) {
        const auto next = machine.step();
        if (!std::holds_alternative<action::want_input>(next)) {
            if (!take(machine, next, speaks, out)) {
                break;
            }
        } else if (!input.empty()) {
            machine.feed(input.substr(0, piece));
            input.remove_prefix(std::min(piece, input.size()));
        } else if (!ended) {
            machine.feed_end();
            ended = true;
        } else {
            break;
        }
    }
    out.output = machine.output();
    return out;
}

void check_lines(std::string_view output) {
    while (!output.empty()) {
        const auto end = output.find("\r\n");
        fuzz::require(end != output.npos && end >= 4, "replies are whole lines");
        fuzz::require(output[0] >= '2' && output[0] <= '5' && (output[3] == ' ' || output[3] == '-'), "with a code");
        fuzz::require(output.substr(0, end).find_first_of("\r\n") == output.npos, "without a bare CR or LF");
        output.remove_prefix(end + 2);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto speaks = size != 0 && data[0] % 2 == 0 ? protocol::lmtp : protocol::smtp;
    const auto input = fuzz::text_of(data, size).substr(size == 0 ? 0 : 1);
    const auto whole = tell(input, input.size() + 1, speaks);
    check_lines(whole.output);
    fuzz::require(tell(input, 1, speaks) == whole, "cut into single octets: the same story");
    fuzz::require(tell(input, 37, speaks) == whole, "cut into pieces: the same story");
    return 0;
}
