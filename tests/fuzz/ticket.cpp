// SPDX-License-Identifier: Apache-2.0
// The ticket: what we did not seal is never unsealed, and what we sealed of any texts comes back as it was. The first
// 16 octets of an input are texts' lengths; the header value under test is the input itself.
#include "shared/account/ticket.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace postsluice;

namespace {

account::ticket_ring& ring() {
    static const auto made = [] {
        std::string name = (std::filesystem::temp_directory_path() / "postsluice-fuzz-XXXXXX").string();
        fuzz::require(::mkdtemp(name.data()) != nullptr, "a scratch directory");
        auto out = account::ticket_ring::open(std::filesystem::path{name} / "ticket.keys");
        fuzz::require(out && (*out)->rotate(instant{seconds{1000}}, seconds{60}, seconds{60}).has_value(), "a key");
        std::filesystem::remove_all(name); // the key is in memory
        return std::move(*out);
    }();
    return *made;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = fuzz::text_of(data, size);
    fuzz::require(!ring().unseal(input).has_value(), "a ticket that nobody sealed is refused");
    const auto third = input.size() / 3;
    account::ticket t;
    t.account = input.substr(0, third);
    t.client = "192.0.2.1";
    t.instance = input.substr(third, third);
    t.queue_id = "-";
    t.recipients = static_cast<std::uint32_t>(size);
    t.issued = instant{seconds{1000}};
    t.login = input.substr(2 * third);
    const auto sealed = ring().seal(t);
    if (!sealed) {
        return 0;
    }
    fuzz::require(sealed->size() < 900 && sealed->find_first_of("\r\n") == std::string::npos, "one short line");
    const auto opened = ring().unseal(*sealed);
    fuzz::require(opened && *opened == t, "a ticket comes back as it was");
    auto forged = *sealed;
    const auto at = forged.rfind(' ') + 1 + size % (forged.size() - forged.rfind(' ') - 2);
    forged[at] = forged[at] == 'A' ? 'B' : 'A';
    fuzz::require(!ring().unseal(forged).has_value(), "a changed ticket is refused");
    return 0;
}
