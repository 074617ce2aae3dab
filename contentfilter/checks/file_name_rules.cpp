// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/file_name_rules.hpp"

#include "contentfilter/checks/look_alikes.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace postsluice::contentfilter {

namespace {

using namespace std::string_view_literals;

// What Windows and others run or install on opening.
constexpr std::array programs{
    "action"sv,     "ade"sv,     "adp"sv,     "apk"sv, "app"sv,    "appref-ms"sv, "appx"sv,
    "appxbundle"sv, "bas"sv,     "bat"sv,     "chm"sv, "cmd"sv,    "com"sv,       "command"sv,
    "cpl"sv,        "desktop"sv, "diagcab"sv, "dll"sv, "drv"sv,    "exe"sv,       "gadget"sv,
    "hta"sv,        "ins"sv,     "isp"sv,     "jar"sv, "jnlp"sv,   "js"sv,        "jse"sv,
    "lnk"sv,        "mde"sv,     "msc"sv,     "msh"sv, "msi"sv,    "msix"sv,      "msp"sv,
    "mst"sv,        "ocx"sv,     "pif"sv,     "ps1"sv, "ps1xml"sv, "ps2"sv,       "psc1"sv,
    "psd1"sv,       "psm1"sv,    "reg"sv,     "scf"sv, "scr"sv,    "sct"sv,       "settingcontent-ms"sv,
    "shb"sv,        "shs"sv,     "sys"sv,     "udl"sv, "vb"sv,     "vbe"sv,       "vbs"sv,
    "ws"sv,         "wsc"sv,     "wsf"sv,     "wsh"sv, "xbap"sv,   "xll"sv};

// What carries programs past other filters.
constexpr std::array<std::pair<std::string_view, double>, 22> risky{
    {{"ace", 4}, {"arj", 3}, {"crt", 1},  {"docm", 3}, {"dotm", 3}, {"hlp", 2},   {"img", 4}, {"inf", 2},
     {"iso", 4}, {"one", 3}, {"potm", 3}, {"ppam", 3}, {"pptm", 3}, {"shtml", 2}, {"svg", 1}, {"url", 3},
     {"uue", 3}, {"vhd", 4}, {"vhdx", 4}, {"xlam", 3}, {"xlsm", 3}, {"xz", 1}}};

// What a reader takes for harmless when it stands before the real extension.
constexpr std::array documents{"7z"sv,  "avi"sv, "bmp"sv,  "csv"sv,  "doc"sv,  "docm"sv, "docx"sv, "eml"sv,
                               "gif"sv, "htm"sv, "html"sv, "jpeg"sv, "jpg"sv,  "mp3"sv,  "mp4"sv,  "odt"sv,
                               "pdf"sv, "png"sv, "ppt"sv,  "pptx"sv, "rar"sv,  "rtf"sv,  "tif"sv,  "tiff"sv,
                               "txt"sv, "wav"sv, "xls"sv,  "xlsm"sv, "xlsx"sv, "xml"sv,  "zip"sv};

// UTF-8 of characters that cannot be seen, or that look like a dot.
constexpr std::array overrides{"\u202d"sv, "\u202e"sv};
constexpr std::array invisible{"\u00ad"sv, "\u061c"sv, "\u180e"sv, "\u200b"sv, "\u200c"sv, "\u200d"sv, "\u200e"sv,
                               "\u200f"sv, "\u202a"sv, "\u202b"sv, "\u202c"sv, "\u202d"sv, "\u202e"sv, "\u2060"sv,
                               "\u2066"sv, "\u2067"sv, "\u2068"sv, "\u2069"sv, "\ufeff"sv};
constexpr std::array dots{"\u2024"sv, "\u3002"sv, "\ufe52"sv, "\uff0e"sv, "\uff61"sv};

template <class List>
bool is_in(const List& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string percent_decoded(std::string_view name) {
    std::string text;
    for (std::size_t i = 0; i < name.size(); ++i) {
        const bool coded = name[i] == '%' && i + 2 < name.size() && hex(name[i + 1]) >= 0 && hex(name[i + 2]) >= 0;
        text += coded ? static_cast<char>(hex(name[i + 1]) * 16 + hex(name[i + 2])) : name[i];
        if (coded) i += 2;
    }
    return text;
}

std::string without_tricks(std::string_view name) {
    std::string text;
    for (std::size_t i = 0; i < name.size();) {
        const auto rest = name.substr(i);
        const auto starts = [&](std::string_view mark) { return rest.starts_with(mark); };
        if (const auto* mark = std::find_if(invisible.begin(), invisible.end(), starts); mark != invisible.end()) {
            i += mark->size();
        } else if (const auto* dot = std::find_if(dots.begin(), dots.end(), starts); dot != dots.end()) {
            text += '.';
            i += dot->size();
        } else {
            if (static_cast<unsigned char>(name[i]) >= 0x20) text += name[i];
            ++i;
        }
    }
    if (const auto stream = text.find("::$"); stream != std::string::npos) text.resize(stream); // NTFS: "a.exe::$DATA"
    return text;
}

/// The name's last component without the blanks and dots that Windows drops at its end.
std::string_view opened_as(std::string_view name) {
    if (const auto slash = name.find_last_of("/\\"); slash != std::string_view::npos && slash + 1 < name.size())
        name.remove_prefix(slash + 1);
    while (!name.empty() && (name.back() == ' ' || name.back() == '.' || name.back() == '\t' || name.back() == '"'))
        name.remove_suffix(1);
    return name;
}

std::string extension_of(std::string_view name) {
    const auto dot = name.rfind('.');
    return dot == std::string_view::npos ? std::string{} : to_lower(trim(name.substr(dot + 1)));
}

bool runs(std::string_view extension) {
    return is_in(programs, extension) ||
           (extension.size() == 38 && extension.front() == '{' && extension.back() == '}'); // a class id
}

/// One reading of a name; what it finds is added to `judged`.
bool judge_reading(std::string_view name, name_judgement& judged) {
    name = opened_as(name);
    const auto extension = extension_of(name);
    if (!runs(extension)) {
        for (const auto& [word, weight] : risky)
            if (word == extension) judged.risk = std::max(judged.risk, weight);
        if (judged.extension.empty()) judged.extension = extension;
        return false;
    }
    const auto stem = opened_as(name.substr(0, name.rfind('.')));
    judged.executable = true;
    judged.extension = extension;
    judged.twofold = judged.twofold || is_in(documents, extension_of(stem));
    return true;
}

/// "invоice.pdf" with a Cyrillic о: the letters of one word, between whatever is no letter.
bool mixes_words(std::string_view name) {
    const auto parts = [](char c) {
        const auto u = static_cast<unsigned char>(c);
        return u < 0x80 && (u < 'A' || (u > 'Z' && u < 'a') || u > 'z');
    };
    while (!name.empty()) {
        const auto end = std::find_if(name.begin(), name.end(), parts);
        const auto size = static_cast<std::size_t>(end - name.begin());
        if (mixes_look_alikes(name.substr(0, size))) return true;
        name.remove_prefix(std::min(size + 1, name.size()));
    }
    return false;
}

} // namespace

name_judgement judge_name(std::string_view name) {
    name_judgement judged;
    std::string as_sent{name.substr(0, 4096)}; // longer than any file system's
    // Untrimmed: a blank or dot at the end hides the extension from those who compare it as it is.
    const bool plain = runs(to_lower(as_sent.substr(as_sent.rfind('.') + 1)));
    std::string decoded = as_sent;
    for (int round = 0; round < 3; ++round) {
        judged.overridden = judged.overridden ||
                            std::any_of(overrides.begin(), overrides.end(),
                                        [&](std::string_view mark) { return decoded.find(mark) != std::string::npos; });
        // Some systems stop at a NUL, others skip it.
        judge_reading(without_tricks(decoded.substr(0, decoded.find('\0'))), judged);
        judge_reading(without_tricks(decoded), judged);
        auto next = percent_decoded(decoded);
        if (next == decoded) break;
        decoded = std::move(next);
    }
    judged.hidden = judged.executable && !plain;
    judged.confusable = mixes_words(as_sent);
    return judged;
}

} // namespace postsluice::contentfilter
