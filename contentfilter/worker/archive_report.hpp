// SPDX-License-Identifier: Apache-2.0
// What the worker says of an archive: the files in it, and what kept it from seeing more.
#pragma once

#include "contentfilter/worker/protocol.hpp"
#include "contentfilter/worker/wire.hpp"

#include <optional>
#include <string>
#include <vector>

namespace postsluice::contentfilter::worker {

struct archive_member {
    std::string path;        ///< "inner.zip/invoice.exe"; empty for the content of a compressed file, which names none
    std::string type;        ///< libmagic's, of what may be a program; else empty
    std::uint64_t level = 1; ///< of the archive that holds it
    bool operator==(const archive_member&) const = default;
};

struct archive_report {
    bool is_archive = false;
    std::uint64_t flags = 0; ///< report_flag
    std::uint64_t files = 0, unpacked = 0;
    std::string detail; ///< of the first flag: a path, or what the unpacker said
    std::vector<archive_member> members;
    bool operator==(const archive_report&) const = default;

    [[nodiscard]] bool has(report_flag flag) const noexcept { return (flags & flag) != 0; }

    [[nodiscard]] std::string encode() const {
        wire_writer out;
        for (const auto value : {std::uint64_t{is_archive}, flags, files, unpacked, std::uint64_t{members.size()}})
            out.number(value);
        out.text(detail);
        for (const auto& m : members) {
            out.number(m.level);
            out.text(m.path);
            out.text(m.type);
        }
        return out.take();
    }
    [[nodiscard]] static std::optional<archive_report> decode(std::string_view text) {
        wire_reader in{text};
        archive_report out;
        std::uint64_t is = 0, count = 0;
        if (!in.number(is) || !in.number(out.flags) || !in.number(out.files) || !in.number(out.unpacked) ||
            !in.number(count) || !in.text(out.detail))
            return std::nullopt;
        out.is_archive = is != 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            archive_member m;
            if (!in.number(m.level) || !in.text(m.path) || !in.text(m.type)) return std::nullopt;
            out.members.push_back(std::move(m));
        }
        if (!in.done()) return std::nullopt;
        return out;
    }
};

} // namespace postsluice::contentfilter::worker
