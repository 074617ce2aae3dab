// SPDX-License-Identifier: Apache-2.0
// The configuration: either settings or errors, each error with a text on one line; settings that load are printed as
// TOML that loads, and prints the same again.
#include "shared/config/load.hpp"
#include "shared/config/print.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace postsluice;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto loaded = config::load_text(fuzz::text_of(data, size));
    fuzz::require((loaded.settings == nullptr) == !loaded.errors.empty(), "settings, or errors");
    for (const auto& error : loaded.errors) {
        fuzz::require(!error.text.empty(), "an error says what is wrong");
        fuzz::require(error.message().find('\n') == std::string::npos, "an error is one line");
    }
    if (loaded.settings) {
        const auto printed = config::print_settings(*loaded.settings);
        const auto again = config::load_text(printed);
        fuzz::require(again.settings != nullptr, "what is printed loads");
        fuzz::require(config::print_settings(*again.settings) == printed, "and prints the same");
    }
    return 0;
}
