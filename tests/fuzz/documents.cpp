// SPDX-License-Identifier: Apache-2.0
// Office documents as the scan worker reads them: any octets end within the bounds, as a compound file and as VBA; the
// report comes back from the wire as it was.
#include "contentfilter/worker/archive_reader.hpp"
#include "contentfilter/worker/compound_file.hpp"
#include "contentfilter/worker/document_inspection.hpp"
#include "contentfilter/worker/legacy_office.hpp"
#include "contentfilter/worker/vba.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace postsluice;
using namespace postsluice::contentfilter::worker;

namespace {

void as_compound_file(std::string_view input) {
    constexpr std::size_t most = 200;
    const auto file = compound_file::open(input, most);
    if (!file) return;
    for (const auto& e : file->entries())
        fuzz::require(file->read(e, 100'000).size() <= std::min<std::size_t>(input.size(), 100'000),
                      "a stream holds no more than the file");
    fuzz::require(read_vba(*file, 65536).text.size() <= 65536 + most, "source is bounded");
    (void)read_legacy_office(*file, 100'000);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const bool warm = (archive_reader::warm_up(), true);
    fuzz::require(warm, "libarchive can be used");
    const auto input = fuzz::text_of(data, size);
    as_compound_file(input);
    fuzz::require(vba_decompress(input, 10'000).size() <= 10'000, "no more source than was asked for");
    fuzz::require(external_template(input).size() <= 300, "a target is bounded");
    unpack_bounds bounds;
    bounds.files = 200;
    bounds.unpacked = 4U << 20U;
    bounds.member = 1U << 20U;
    bounds.code = 65536;
    bounds.cpu_milliseconds = 2000;
    const auto report = inspect_document(input, bounds);
    const auto text = report.encode();
    fuzz::require(text.size() < max_answer, "a report fits into an answer");
    fuzz::require(document_report::decode(text) == report, "a report is read as it was written");
    return 0;
}
