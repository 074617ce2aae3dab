// SPDX-License-Identifier: Apache-2.0
// The policy request parser: how the octets are cut never changes what is parsed, bounds hold, and what is broken stays
// broken.
#include "policyd/protocol.hpp"
#include "policyd/request.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <string>
#include <vector>

namespace {

using namespace postsluice;
using policyd::protocol_machine;

constexpr policyd::protocol_bounds bounds{.line = 512, .request = 4096, .attributes = 64};

/// Every request, flattened; the last entry says how it ended.
std::vector<std::string> parse(std::string_view input, std::size_t piece) {
    protocol_machine machine{bounds};
    std::vector<std::string> out;
    while (true) {
        const auto step = machine.next();
        if (!step) {
            fuzz::require(!machine.next().has_value(), "a broken machine stays broken");
            out.emplace_back("broken");
            return out;
        }
        if (*step == protocol_machine::step::request) {
            const auto& a = machine.current();
            std::string flat;
            for (const auto value :
                 {a.request, a.protocol_state, a.client_address, a.server_address, a.server_port, a.sender, a.recipient,
                  a.recipient_count, a.queue_id, a.instance, a.size, a.sasl_username, a.policy_context}) {
                fuzz::require(value.size() <= bounds.line, "no value is longer than a line");
                fuzz::require(value.find('\n') == value.npos && value.find('\0') == value.npos, "a value is one line");
                flat.append(value).push_back('\n');
            }
            (void)policyd::read_request(a);
            out.push_back(std::move(flat));
            continue;
        }
        if (input.empty()) {
            out.emplace_back(machine.idle() ? "idle" : "within");
            return out;
        }
        machine.feed(input.substr(0, piece));
        input.remove_prefix(std::min(piece, input.size()));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = fuzz::text_of(data, size);
    const auto whole = parse(input, input.size() + 1);
    fuzz::require(parse(input, 1) == whole, "cut into single octets: the same requests");
    fuzz::require(parse(input, 61) == whole, "cut into pieces: the same requests");
    return 0;
}
