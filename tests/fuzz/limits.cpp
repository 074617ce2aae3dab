// SPDX-License-Identifier: Apache-2.0
// The limit and the trigger language: what parses is printed to what parses to the same.
#include "shared/config/limit_language.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace postsluice;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = fuzz::text_of(data, size);
    if (const auto limit = config::parse_limit(input)) {
        const auto again = config::parse_limit(to_string(*limit));
        fuzz::require(again && *again == *limit, "a limit survives printing");
    }
    if (const auto trigger = config::parse_trigger(input)) {
        const auto again = config::parse_trigger(to_string(*trigger));
        fuzz::require(again && *again == *trigger, "a trigger survives printing");
        fuzz::require(trigger->count > 0 && trigger->window <= strike_memory, "a trigger is one that can fire");
    }
    return 0;
}
