// SPDX-License-Identifier: Apache-2.0
// Office documents for tests, made when they run: compound files ([MS-CFB]) with VBA projects ([MS-OVBA]), and packages
// around them. Written from the specifications, with all records that a strict reader wants; clamd reads them too
// (tests/integration/test_scanners.py).
#pragma once

#include "archive_fixture.hpp"

#include <algorithm>
#include <functional>

namespace postsluice::contentfilter::testing {

/// UTF-16, the least octet first, of UTF-8 within the basic plane.
inline std::string utf16(std::string_view utf8) {
    std::string out;
    for (std::size_t at = 0; at < utf8.size();) {
        const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(utf8[at + i]); };
        const std::size_t size = octet(0) < 0x80 ? 1 : octet(0) < 0xE0 ? 2 : 3;
        unsigned unit = octet(0);
        if (size == 2) unit = (octet(0) & 0x1FU) << 6U | (octet(1) & 0x3FU);
        if (size == 3) unit = (octet(0) & 0xFU) << 12U | (octet(1) & 0x3FU) << 6U | (octet(2) & 0x3FU);
        out += le16(unit);
        at += size;
    }
    return out;
}

/// A stream of a compound file, by its whole path: "Macros/VBA/dir".
struct ole_stream {
    std::string path, content;
};

class ole_writer {
public:
    static std::string write(const std::vector<ole_stream>& streams) {
        ole_writer w;
        w.nodes_.push_back({"Root Entry", 5, "", {}});
        for (const auto& s : streams)
            w.add(s);
        return w.finish();
    }

private:
    static constexpr std::uint32_t none = 0xFFFFFFFF, end_of_chain = 0xFFFFFFFE, table_sector = 0xFFFFFFFD;
    static constexpr std::size_t sector = 512, mini = 64, cutoff = 4096;
    struct node {
        std::string name;
        unsigned char kind;
        std::string content;
        std::vector<std::size_t> children;
        std::uint32_t start = end_of_chain, right = none, child = none;
    };

    void add(const ole_stream& s) {
        std::size_t at = 0;
        std::string_view rest = s.path;
        for (;;) {
            const auto slash = rest.find('/');
            const std::string name{rest.substr(0, slash)};
            const auto& siblings = nodes_[at].children;
            const auto found =
                std::find_if(siblings.begin(), siblings.end(), [&](std::size_t i) { return nodes_[i].name == name; });
            if (slash == std::string_view::npos) {
                nodes_[at].children.push_back(nodes_.size());
                nodes_.push_back({name, 2, s.content, {}});
                return;
            }
            if (found != siblings.end()) {
                at = *found;
            } else {
                nodes_[at].children.push_back(nodes_.size());
                nodes_.push_back({name, 1, "", {}});
                at = nodes_.size() - 1;
            }
            rest.remove_prefix(slash + 1);
        }
    }

    /// Appends `content` in sectors and chains them.
    std::uint32_t store(const std::string& content) {
        if (content.empty()) return end_of_chain;
        const auto first = static_cast<std::uint32_t>(table_.size());
        const auto count = (content.size() + sector - 1) / sector;
        for (std::size_t i = 0; i < count; ++i)
            table_.push_back(i + 1 < count ? first + static_cast<std::uint32_t>(i) + 1 : end_of_chain);
        body_ += content;
        body_.resize((body_.size() + sector - 1) / sector * sector);
        return first;
    }

    void link_siblings() { // sorted, each the right child of the one before: a tree, if not a balanced one
        for (auto& n : nodes_) {
            auto order = n.children;
            std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
                const auto &x = nodes_[a].name, &y = nodes_[b].name;
                return std::make_pair(x.size(), x) < std::make_pair(y.size(), y);
            });
            for (std::size_t i = 0; i < order.size(); ++i) {
                if (i == 0) n.child = static_cast<std::uint32_t>(order[0]);
                if (i + 1 < order.size()) nodes_[order[i]].right = static_cast<std::uint32_t>(order[i + 1]);
            }
        }
    }

    std::string directory() const {
        std::string out;
        for (const auto& n : nodes_) {
            auto name = utf16(n.name);
            const auto used = name.size() + 2;
            name.resize(64);
            out += name + le16(used) + static_cast<char>(n.kind) + '\1' + le32(none) + le32(n.right) + le32(n.child) +
                   std::string(16 + 4 + 16, '\0') + le32(n.start) + le32(n.content.size()) + le32(0);
        }
        out.resize((out.size() + sector - 1) / sector * sector);
        return out;
    }

    std::string finish() {
        std::string small;
        std::vector<std::uint32_t> small_table;
        for (auto& n : nodes_) {
            if (n.kind != 2 || n.content.empty()) continue;
            if (n.content.size() >= cutoff) {
                n.start = store(n.content);
                continue;
            }
            n.start = static_cast<std::uint32_t>(small_table.size());
            const auto count = (n.content.size() + mini - 1) / mini;
            for (std::size_t i = 0; i < count; ++i)
                small_table.push_back(i + 1 < count ? n.start + static_cast<std::uint32_t>(i) + 1 : end_of_chain);
            small += n.content;
            small.resize((small.size() + mini - 1) / mini * mini);
        }
        nodes_[0].content = small; // the root's stream holds the small ones
        nodes_[0].start = store(small);
        std::string mini_octets;
        for (const auto next : small_table)
            mini_octets += le32(next);
        while (mini_octets.size() % sector != 0)
            mini_octets += le32(none);
        const auto mini_start = store(mini_octets);
        link_siblings();
        const auto directory_start = store(directory());
        std::vector<std::uint32_t> table_sectors;
        while (table_sectors.size() * sector / 4 < table_.size() + 1) {
            table_sectors.push_back(static_cast<std::uint32_t>(table_.size()));
            table_.push_back(table_sector);
        }
        std::string table;
        for (const auto next : table_)
            table += le32(next);
        while (table.size() < table_sectors.size() * sector)
            table += le32(none);
        std::string header = std::string("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8) + std::string(16, '\0') + le16(0x3E) +
                             le16(3) + le16(0xFFFE) + le16(9) + le16(6) + std::string(6, '\0') + le32(0) +
                             le32(table_sectors.size()) + le32(directory_start) + le32(0) + le32(cutoff) +
                             le32(mini_octets.empty() ? end_of_chain : mini_start) + le32(mini_octets.size() / sector) +
                             le32(end_of_chain) + le32(0);
        for (std::size_t i = 0; i < 109; ++i)
            header += le32(i < table_sectors.size() ? table_sectors[i] : none);
        return header + body_ + table;
    }

    std::vector<node> nodes_;
    std::vector<std::uint32_t> table_;
    std::string body_;
};

/// [MS-OVBA] section 2.4.1, compressed chunks: literals, and copy tokens where eight octets or more come again.
inline std::string vba_compress(std::string_view text) {
    std::string out(1, '\1');
    for (std::size_t begin = 0; begin < text.size(); begin += 4096) {
        const auto chunk = text.substr(begin, 4096);
        std::string packed;
        for (std::size_t at = 0; at < chunk.size();) {
            std::string tokens;
            unsigned char flags = 0;
            for (unsigned bit = 0; bit < 8 && at < chunk.size(); ++bit) {
                unsigned bits = 4;
                while ((std::size_t{1} << bits) < at)
                    ++bits;
                const std::size_t longest = (0xFFFFU >> bits) + 3U;
                const auto earlier = at >= 8 && at + 8 <= chunk.size() ? chunk.substr(0, at).rfind(chunk.substr(at, 8))
                                                                       : std::string_view::npos;
                if (earlier == std::string_view::npos) {
                    tokens += chunk[at++];
                    continue;
                }
                std::size_t length = 8;
                while (length < longest && at + length < chunk.size() && chunk[earlier + length] == chunk[at + length])
                    ++length;
                tokens += le16((at - earlier - 1) << (16 - bits) | (length - 3));
                flags = static_cast<unsigned char>(flags | 1U << bit);
                at += length;
            }
            packed += static_cast<char>(flags) + tokens;
        }
        out += le16(0xB000U | (packed.size() - 1)) + packed;
    }
    return out;
}

/// The streams of a VBA project of one module, below `storage` ("Macros/", "_VBA_PROJECT_CUR/", ""). `name`: the
/// module's, UTF-8; `code_page_name`: the same in the project's code page.
inline std::vector<ole_stream> vba_project(const std::string& storage, const std::string& source,
                                           const std::string& name = "Module1",
                                           const std::string& code_page_name = "Module1") {
    const auto record = [](unsigned id, const std::string& content) {
        return le16(id) + le32(content.size()) + content;
    };
    const std::string compiled(100, '\xCC');
    const auto dir = record(0x01, le32(1)) + record(0x02, le32(0x409)) + record(0x14, le32(0x409)) +
                     record(0x03, le16(1252)) + record(0x04, "Project") + record(0x05, "") + record(0x40, "") +
                     record(0x06, "") + record(0x3D, "") + record(0x07, le32(0)) + record(0x08, le32(0)) + le16(0x09) +
                     le32(4) + le32(1) + le16(1) + record(0x0C, "") + record(0x3C, "") + record(0x0F, le16(1)) +
                     record(0x13, le16(0xFFFF)) + record(0x19, code_page_name) + record(0x47, utf16(name)) +
                     record(0x1A, code_page_name) + record(0x32, utf16(name)) + record(0x1C, "") + record(0x48, "") +
                     record(0x31, le32(compiled.size())) + record(0x1E, le32(0)) + record(0x2C, le16(0xFFFF)) +
                     record(0x21, "") + record(0x2B, "") + record(0x10, "");
    return {{storage + "VBA/dir", vba_compress(dir)},
            {storage + "VBA/_VBA_PROJECT", std::string("\xCC\x61\xFF\xFF\0\0\0", 7)},
            {storage + "VBA/" + name, compiled + vba_compress("Attribute VB_Name = \"Module1\"\r\n" + source)},
            {storage + "PROJECT", "ID=\"{00000000-0000-0000-0000-000000000000}\"\r\nModule=Module1\r\n"}};
}

/// A record of Excel's binary format ([MS-XLS] section 2.1.4).
inline std::string biff(unsigned id, const std::string& content) {
    return le16(id) + le16(content.size()) + content;
}
/// BOUNDSHEET: `kind` 0 is a table, 1 a sheet of Excel 4 macros, 2 a chart.
inline std::string biff_sheet(char kind, const std::string& name) {
    return biff(0x85, le32(0) + '\0' + kind + static_cast<char>(name.size()) + '\0' + name);
}
/// The workbook's own records around `more`, and a sheet.
inline std::string biff_workbook(const std::string& more) {
    const auto begin = [](unsigned kind) { return biff(0x809, le16(0x600) + le16(kind) + std::string(12, '\0')); };
    return begin(5) + biff(0x42, le16(1200)) + more + biff(0x0A, "") + begin(0x10) +
           biff(0x200, std::string(14, '\0')) + biff(0x0A, "");
}

inline std::string word_document(const std::string& source) {
    auto streams = vba_project("Macros/", source);
    streams.push_back({"WordDocument", std::string(5000, 'W')});
    return ole_writer::write(streams);
}
inline std::string excel_document(const std::string& source) {
    auto streams = vba_project("_VBA_PROJECT_CUR/", source);
    streams.push_back({"Workbook", biff_workbook(biff_sheet(0, "Table"))});
    return ole_writer::write(streams);
}
inline std::string plain_document() {
    return ole_writer::write({{"WordDocument", std::string(5000, 'W')}, {"1Table", "table"}});
}
/// A package of Word's; `more` are further files in it.
inline std::string docx(std::vector<archived> more = {}) {
    std::vector<archived> files{{"[Content_Types].xml", "<Types/>"},
                                {"_rels/.rels", "<Relationships/>"},
                                {"word/document.xml", "<w:document>hello</w:document>"}};
    files.insert(files.end(), more.begin(), more.end());
    return zip(files);
}
inline archived vba_part(const std::string& source) {
    return {"word/vbaProject.bin", ole_writer::write(vba_project("", source))};
}
inline archived template_relation(const std::string& target) {
    return {"word/_rels/settings.xml.rels",
            "<?xml version=\"1.0\"?><Relationships><Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/"
            "officeDocument/2006/relationships/attachedTemplate\" Target=\"" +
                target + "\" TargetMode=\"External\"/></Relationships>"};
}

} // namespace postsluice::contentfilter::testing
