// SPDX-License-Identifier: Apache-2.0
// Dot transparency: any text that is stuffed reads back as itself, bare CR and LF as blanks, in one message that ends
// where it was finished, however it is cut.
#include "shared/smtp/dot_stream.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>

using namespace postsluice;

namespace {

std::string canonical(std::string_view input) {
    std::string out;
    for (std::size_t i = 0; i < input.size(); ++i) {
        if (input[i] == '\r' && i + 1 < input.size() && input[i + 1] == '\n') {
            out += "\r\n";
            ++i;
        } else {
            out += input[i] == '\r' || input[i] == '\n' ? ' ' : input[i];
        }
    }
    if (!out.empty() && !out.ends_with("\r\n")) {
        out += "\r\n";
    }
    return out;
}

std::string stuff(std::string_view input, std::size_t piece) {
    smtp::dot_stuffer stuffer;
    std::string out;
    for (; !input.empty(); input.remove_prefix(std::min(piece, input.size()))) {
        stuffer.feed(input.substr(0, piece), out);
    }
    stuffer.finish(out);
    return out;
}

/// What a reader makes of it, and how much of it it used.
std::pair<std::string, std::size_t> read(std::string_view wire, std::size_t piece) {
    smtp::dot_reader reader;
    std::string out;
    std::size_t used = 0;
    while (used < wire.size()) {
        const auto step = reader.feed(wire.substr(used, piece), out);
        used += step.consumed;
        if (step.ended) {
            break;
        }
        fuzz::require(step.consumed == std::min(piece, wire.size() - used + step.consumed), "all of it is used");
    }
    return {out, used};
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = fuzz::text_of(data, size);
    const auto wire = stuff(input, input.size() + 1);
    fuzz::require(stuff(input, 1) == wire && stuff(input, 7) == wire, "cuts do not change what is written");
    const auto [back, used] = read(wire + "MAIL FROM:<>\r\n", wire.size() + 100);
    fuzz::require(used == wire.size(), "one message, which ends at its dot");
    fuzz::require(back == canonical(input), "the text comes back");
    const auto raw = read(input, input.size() + 1);
    fuzz::require(read(input, 1) == raw, "cuts do not change what is read");
    return 0;
}
