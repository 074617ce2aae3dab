// SPDX-License-Identifier: Apache-2.0
// Archives as the scan worker reads them: any octets end within the bounds, in a report that comes back from the wire
// as it was; twice the same.
#include "contentfilter/worker/archive_inspection.hpp"
#include "contentfilter/worker/archive_reader.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter::worker;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const bool warm = (archive_reader::warm_up(), true);
    fuzz::require(warm, "libarchive can be used");
    const auto input = fuzz::text_of(data, size);
    unpack_bounds bounds;
    bounds.files = 200;
    bounds.unpacked = 4U << 20U;
    bounds.member = 1U << 20U;
    bounds.ratio_from = 2U << 20U;
    bounds.cpu_milliseconds = 2000;
    const auto name_type = [](std::string_view beginning) { return std::to_string(beginning.size()); };
    const auto report = inspect_archive(input, bounds, name_type);
    fuzz::require(report.members.size() <= bounds.files, "no more files than the bound");
    fuzz::require(report.unpacked <= bounds.unpacked + 65536, "no more octets than the bound, and one piece");
    for (const auto& m : report.members)
        fuzz::require(m.level >= 1 && m.level <= bounds.levels, "no deeper than the bound");
    const auto text = report.encode();
    fuzz::require(text.size() < max_answer, "a report fits into an answer");
    fuzz::require(archive_report::decode(text) == report, "a report is read as it was written");
    fuzz::require(!archive_report::decode(std::string_view{text}.substr(0, text.size() - 1)), "half of one is not");
    return 0;
}
