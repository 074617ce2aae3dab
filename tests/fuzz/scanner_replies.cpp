// SPDX-License-Identifier: Apache-2.0
// What scanners answer. The first octet says whose protocol it is; a scanner that was taken over may say anything.
#include "contentfilter/checks/clamd_protocol.hpp"
#include "contentfilter/checks/rspamd_protocol.hpp"
#include "contentfilter/checks/spamd_protocol.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <string>

using namespace postsluice;
using namespace postsluice::contentfilter;

namespace {

constexpr std::size_t max_symbols = 5;

void check(const result<foreign_answer>& answer) {
    if (answer) fuzz::require(answer->symbols.size() <= max_symbols, "no more symbols than are wanted");
}

void check_clamd(std::string_view reply) {
    const auto answer = clamd::parse_scan(reply);
    fuzz::require(!answer || (answer->what == clamd::answer::kind::found) == !answer->signature.empty(),
                  "a signature where something was found, and only there");
    (void)clamd::ends_session(reply);
    const auto version = clamd::parse_version(reply);
    fuzz::require(!version || !version->empty(), "a version is no empty text");
}

void check_http(std::string_view text) {
    for (const bool closed : {false, true}) {
        const auto got = rspamd::parse_http(text, closed);
        if (!got || !got->complete) continue;
        fuzz::require(got->body <= text.size() && got->size <= text.size() - got->body,
                      "the body lies in the response");
        check(rspamd::parse_answer(text.substr(got->body, got->size), max_symbols));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = fuzz::text_of(data, size);
    if (input.empty()) return 0;
    const auto text = std::string_view{input}.substr(1);
    switch (input.front()) {
    case 'c':
        check_clamd(text);
        break;
    case 's':
        check(spamd::parse_response(text, max_symbols));
        break;
    case 'h':
        check_http(text);
        break;
    default:
        check(rspamd::parse_answer(text, max_symbols));
    }
    return 0;
}
