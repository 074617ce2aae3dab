// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/worker/vba.hpp"

#include "contentfilter/worker/little_endian.hpp"

#include <algorithm>
#include <vector>

namespace postsluice::contentfilter::worker {

namespace {

constexpr std::size_t chunk_plain = 4096;

/// [MS-OVBA] section 2.4.1.3.19.1: how the 16 bits of a copy token are shared depends on how far into the chunk it is.
void copy_token(std::string& out, std::size_t chunk_begin, std::uint16_t token, std::size_t most) {
    const auto position = out.size() - chunk_begin;
    if (position == 0) return;
    unsigned bits = 4;
    while ((std::size_t{1} << bits) < position)
        ++bits;
    const auto length_mask = static_cast<std::uint16_t>(0xFFFFU >> bits);
    const std::size_t length = (token & length_mask) + 3U;
    const std::size_t offset = (token >> (16 - bits)) + 1U;
    if (offset > position) return;
    for (std::size_t i = 0; i < length && out.size() < most && out.size() - chunk_begin < chunk_plain; ++i)
        out += out[out.size() - offset];
}

void decompress_chunk(std::string& out, std::string_view chunk, std::size_t most) {
    const auto begin = out.size();
    for (std::size_t at = 0; at < chunk.size();) {
        const auto flags = static_cast<unsigned char>(chunk[at++]);
        for (unsigned bit = 0; bit < 8 && at < chunk.size() && out.size() < most; ++bit) {
            if ((flags >> bit & 1U) == 0) {
                out += chunk[at++];
            } else {
                copy_token(out, begin, little_endian<std::uint16_t>(chunk, at), most);
                at += 2;
            }
        }
    }
}

struct module_place {
    std::string stream;       // in the project's code page
    std::string unicode_name; // the same, as storages name it
    std::uint32_t offset = 0;
};

/// The modules of a dir stream ([MS-OVBA] section 2.3.4.2): records of id, size and content, but for one that lies
/// about its size.
std::vector<module_place> modules_of(std::string_view dir) {
    constexpr std::uint16_t version = 0x0009, stream_name = 0x001A, unicode_name = 0x0032, text_offset = 0x0031;
    std::vector<module_place> out;
    for (std::size_t at = 0; at + 6 <= dir.size();) {
        const auto id = little_endian<std::uint16_t>(dir, at);
        const std::size_t size = id == version ? 6 : little_endian<std::uint32_t>(dir, at + 2);
        at += 6;
        if (size > dir.size() - at) break;
        const auto content = dir.substr(at, size);
        if (id == stream_name) out.push_back({std::string{content}, {}, 0});
        if (id == unicode_name && !out.empty()) out.back().unicode_name = compound_name(content);
        if (id == text_offset && !out.empty()) out.back().offset = little_endian<std::uint32_t>(content, 0);
        at += size;
    }
    return out;
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool in_word(char c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '_';
}
std::string lowered(std::string_view text) {
    std::string out{text};
    std::transform(out.begin(), out.end(), out.begin(), lower);
    return out;
}

/// Is the word at `at` of lower-case `source` the name in a definition: after Sub or Function, maybe on the next line?
bool is_defined(std::string_view source, std::size_t at) {
    auto before = source.substr(0, at);
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '_'; };
    const auto had = before.size();
    while (!before.empty() && blank(before.back()))
        before.remove_suffix(1);
    if (before.size() == had) return false;
    for (const std::string_view keyword : {"sub", "function"})
        if (before.ends_with(keyword) &&
            (before.size() == keyword.size() || !in_word(before[before.size() - keyword.size() - 1])))
            return true;
    return false;
}

template <class Words, class Accept>
std::string words_in(std::string_view source, const Words& words, Accept accept) {
    const auto text = lowered(source);
    std::string out;
    for (const std::string_view word : words) {
        const auto needle = lowered(word);
        for (auto at = text.find(needle); at != std::string::npos; at = text.find(needle, at + 1)) {
            const auto end = at + needle.size();
            const bool starts = at == 0 || !in_word(needle.front()) || !in_word(text[at - 1]);
            const bool ends = end == text.size() || !in_word(needle.back()) || !in_word(text[end]);
            if (!starts || !ends || !accept(std::string_view{text}, at)) continue;
            out += (out.empty() ? "" : ", ") + std::string{word};
            break;
        }
    }
    return out;
}

} // namespace

std::string vba_decompress(std::string_view octets, std::size_t most) {
    std::string out;
    if (octets.empty() || octets.front() != 1) return out;
    for (std::size_t at = 1; at + 2 <= octets.size() && out.size() < most;) {
        const auto header = little_endian<std::uint16_t>(octets, at);
        at += 2;
        if ((header >> 12U & 7U) != 3) break; // the signature of a chunk
        const bool packed = (header & 0x8000U) != 0;
        const auto chunk = octets.substr(at, packed ? (header & 0xFFFU) + 1U : chunk_plain);
        at += chunk.size();
        if (packed)
            decompress_chunk(out, chunk, most);
        else
            out.append(chunk.substr(0, most - out.size()));
    }
    return out;
}

namespace {

class project_reader {
public:
    project_reader(const compound_file& from, std::size_t most)
        : from_{from}
        , most_{most}
        , left_{4 * most} {}

    /// `dir`: the entry of a project's dir stream.
    void read(const compound_file::entry& dir) {
        out_.present = true;
        const auto list = vba_decompress(octets_of(dir, max_dir), max_dir);
        out_.cut = out_.cut || list.size() >= max_dir;
        const auto modules = modules_of(list);
        out_.damaged = out_.damaged || modules.empty(); // a project has one module at least
        const auto folder = dir.path.substr(0, dir.path.size() - 3);
        for (const auto& m : modules) {
            if (out_.text.size() >= most_ || left_ == 0) {
                out_.cut = true;
                return;
            }
            read(m, folder);
        }
    }
    [[nodiscard]] vba_source take() { return std::move(out_); }

private:
    void read(const module_place& m, const std::string& folder) {
        left_ -= std::min(left_, module_cost);
        const auto* stream = from_.find(folder + m.unicode_name);
        if (m.unicode_name.empty() || !stream) stream = from_.find(folder + m.stream);
        if (!stream || !stream->stream) {
            out_.damaged = true;
            return;
        }
        const auto octets = octets_of(*stream, most_);
        if (m.offset >= octets.size()) return; // no source: stomped
        out_.text += vba_decompress(std::string_view{octets}.substr(m.offset), most_ - out_.text.size());
        if (out_.text.size() >= most_) out_.cut = true;
        out_.text += '\n';
    }

    std::string octets_of(const compound_file::entry& of, std::size_t most) {
        most = std::min(most, left_);
        auto octets = from_.read(of, most);
        out_.cut = out_.cut || (of.size > most && octets.size() == most);
        left_ -= octets.size();
        return octets;
    }

    static constexpr std::size_t max_dir = 1U << 20U;
    static constexpr std::size_t module_cost = 256; // octets that looking for one is worth, also where it is not there
    const compound_file& from_;
    std::size_t most_, left_; // many streams may be the same octets over and over
    vba_source out_;
};

} // namespace

vba_source read_vba(const compound_file& from, std::size_t most) {
    constexpr std::string_view suffix = "vba/dir";
    project_reader reader{from, most};
    for (const auto& e : from.entries()) {
        const auto path = lowered(e.path);
        if (!e.stream || !path.ends_with(suffix)) continue;
        if (path.size() > suffix.size() && path[path.size() - suffix.size() - 1] != '/') continue;
        reader.read(e);
    }
    return reader.take();
}

std::string autorun_names(std::string_view source) {
    // Word, Excel, PowerPoint; the names with '_' of both spellings.
    static constexpr std::string_view names[] = {
        "AutoExec",        "AutoOpen",           "Auto_Open",     "AutoNew",           "AutoClose",
        "Auto_Close",      "AutoExit",           "Document_Open", "DocumentOpen",      "Document_New",
        "Document_Close",  "DocumentBeforeSave", "Workbook_Open", "Workbook_Activate", "Workbook_BeforeClose",
        "Workbook_Close",  "Worksheet_Activate", "Auto_Activate", "NewDocument",       "Presentation_Open",
        "App_DocumentOpen"};
    return words_in(source, names, is_defined);
}

std::string dangerous_words(std::string_view source) {
    static constexpr std::string_view words[] = {"Shell",
                                                 "WScript.Shell",
                                                 "ShellExecute",
                                                 "URLDownloadToFile",
                                                 "XMLHTTP",
                                                 "WinHttpRequest",
                                                 "ADODB.Stream",
                                                 "powershell",
                                                 "cmd.exe",
                                                 "cmd /c",
                                                 "mshta",
                                                 "regsvr32",
                                                 "rundll32",
                                                 "certutil",
                                                 "bitsadmin",
                                                 "Win32_Process",
                                                 "MacScript",
                                                 "AppleScriptTask",
                                                 "VirtualAlloc",
                                                 "CreateThread",
                                                 "WriteProcessMemory",
                                                 "CreateProcessA",
                                                 "MSScriptControl"};
    return words_in(source, words, [](std::string_view, std::size_t) { return true; });
}

} // namespace postsluice::contentfilter::worker
