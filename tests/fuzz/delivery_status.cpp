// SPDX-License-Identifier: Apache-2.0
// A message/delivery-status, as a notice of bounces has it.
#include "contentfilter/feedback/bounce_report.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t most = 20;
    const auto report = feedback::read_delivery_status(fuzz::text_of(data, size), {"5.1.1", "5.1.2"}, most);
    if (!report) return 0;
    fuzz::require(!report->queue_id.empty(), "a report is about a message");
    fuzz::require(report->failed <= most && report->invalid.size() <= report->failed, "no more than failed, and may");
    for (const auto& one : report->invalid)
        fuzz::require(!one.empty() && one.find('\n') == std::string::npos, "a recipient is one line");
    return 0;
}
