// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/part_file.hpp"

#include "contentfilter/intake/digest.hpp"
#include "contentfilter/worker/signatures.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace postsluice::contentfilter {

namespace {

constexpr std::size_t kept_beginning = 65536, kept_end = 66 * 1024;
constexpr auto all = std::numeric_limits<std::uint64_t>::max();

void need(const result<void>& done, const mime::part& part) {
    if (!done) throw std::runtime_error{"part " + part.path + ": " + done.error().message()};
}

} // namespace

part_ends ends_of(const mime::part& part) {
    part_ends out;
    need(mime::decoded(part, all,
                       [&](std::string_view piece) {
                           out.size += piece.size();
                           if (out.beginning.size() < kept_beginning)
                               out.beginning.append(piece.substr(0, kept_beginning - out.beginning.size()));
                           out.end.append(piece);
                           // The mark may lie across two pieces.
                           const auto fresh =
                               std::min(out.end.size(), piece.size() + worker::compound_magic.size() - 1);
                           out.compound =
                               out.compound ||
                               std::string_view{out.end}.substr(out.end.size() - fresh).find(worker::compound_magic) !=
                                   std::string_view::npos;
                           if (out.end.size() > 4 * kept_end) out.end.erase(0, out.end.size() - kept_end);
                           return true;
                       }),
         part);
    return out;
}

std::string beginning_of(const mime::part& part, std::uint64_t most) {
    std::string out;
    need(mime::decoded(part, most,
                       [&](std::string_view piece) {
                           out += piece;
                           return true;
                       }),
         part);
    return out;
}

std::string sha256_of(const mime::part& part) {
    sha256 sum;
    need(mime::decoded(part, all,
                       [&](std::string_view piece) {
                           sum.update(piece);
                           return true;
                       }),
         part);
    return sum.hex();
}

std::shared_ptr<const spool> copy_of(const mime::part& part, const config::filter_settings& settings) {
    auto out = std::make_shared<spool>(settings.spool_memory, settings.spool_directory);
    result<void> written;
    need(mime::decoded(part, all,
                       [&](std::string_view piece) {
                           written = out->append(piece);
                           return written.has_value();
                       }),
         part);
    need(written, part);
    return out;
}

} // namespace postsluice::contentfilter
