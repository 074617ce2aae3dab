// SPDX-License-Identifier: Apache-2.0
// What the worker says of office documents: which of them carry macros, and what those do.
#pragma once

#include "contentfilter/worker/protocol.hpp"
#include "contentfilter/worker/wire.hpp"

#include <optional>
#include <string>
#include <vector>

namespace postsluice::contentfilter::worker {

struct document {
    std::string path;     ///< within the part; empty: the part itself
    bool macros = false;  ///< it holds macros (VBA, or sheets of Excel 4 macros)
    bool damaged = false; ///< some of it cannot be read, and may hold anything
    std::string autorun;  ///< procedures that run without a click, "AutoOpen, Workbook_Open"
    std::string calls;    ///< words of the source that start programs or load code, "Shell, powershell"
    std::string external; ///< a template that is loaded from the web when the document is opened
    bool operator==(const document&) const = default;
};

struct document_report {
    std::uint64_t flags = 0;         ///< report_flag
    std::string detail;              ///< of the first flag
    std::vector<document> documents; ///< those with anything to say
    bool operator==(const document_report&) const = default;

    [[nodiscard]] bool has(report_flag flag) const noexcept { return (flags & flag) != 0; }

    [[nodiscard]] std::string encode() const {
        wire_writer out;
        out.number(flags);
        out.text(detail);
        out.number(documents.size());
        for (const auto& d : documents) {
            out.number(d.macros);
            out.number(d.damaged);
            for (const auto* text : {&d.path, &d.autorun, &d.calls, &d.external})
                out.text(*text);
        }
        return out.take();
    }
    [[nodiscard]] static std::optional<document_report> decode(std::string_view text) {
        wire_reader in{text};
        document_report out;
        std::uint64_t count = 0;
        if (!in.number(out.flags) || !in.text(out.detail) || !in.number(count)) return std::nullopt;
        for (std::uint64_t i = 0; i < count; ++i) {
            document d;
            std::uint64_t macros = 0, damaged = 0;
            if (!in.number(macros) || !in.number(damaged) || !in.text(d.path) || !in.text(d.autorun) ||
                !in.text(d.calls) || !in.text(d.external))
                return std::nullopt;
            d.macros = macros != 0;
            d.damaged = damaged != 0;
            out.documents.push_back(std::move(d));
        }
        if (!in.done()) return std::nullopt;
        return out;
    }
};

} // namespace postsluice::contentfilter::worker
