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
constexpr std::string_view programs =
    "action ade adp apk app appinstaller appref-ms appx appxbundle bas bat chm cmd com command cpl desktop "
    "diagcab diagcfg diagpkg dll drv exe gadget hta ins isp jar jnlp js jse lnk mde msc msh msh1 msh1xml msh2 "
    "msh2xml mshxml msi msix msixbundle msp mst msu ocx pif ps1 ps1xml ps2 ps2xml psc1 psc2 psd1 psdm1 psm1 "
    "reg scf scr sct settingcontent-ms shb shs sys udl vb vbe vbs vxd wll ws wsc wsf wsh xbap xll";

// What carries programs past other filters, or leads to them: the rest of what Gmail, Outlook and Rspamd name, and what
// was used since. Not their "mat" (MATLAB's data) nor "tmp", which honest people send and nothing opens.
constexpr std::array<std::pair<double, std::string_view>, 4> risky{{
    {4, "ace application img iso library-ms search-ms searchconnector-ms vhd vhdx"},
    {3, "accda accde arj dmg docm dotm dqy fxp iqy mda one onepkg oqy potm ppa ppam ppsm pptm pyw pyz pyzw "
        "rdp rqy sldm slk url uue vsmacros website wiz xla xlam xlm xlsm xltm xnk"},
    {2, "asx cab ex_ hlp htc inf its job mad maf mag mam maq mar mas mau mav maw mcf mdb mdt mdw mdz mjs "
        "ops osd paf pcd prf printerexport pssc pyc pyo shtml theme themepack webpnp wsb"},
    {1, "asp aspx bgi cer cnt crt csh der grp hpj ksh lib nsh pl plg prg pst py svg vbp vsw xz"},
}};

// What a reader takes for harmless when it stands before the real extension.
constexpr std::string_view documents =
    "7z avi bmp csv doc docm docx eml gif heic htm html jpeg jpg mov mp3 mp4 msg odp ods odt pdf png ppt pptx "
    "rar rtf tif tiff txt wav webp xls xlsm xlsx xml zip";

// What archivers split, and number.
constexpr std::string_view archives = "7z bz2 exe gz rar tar tgz xz zip zst";

// What is put around a file, whose own extension stays before theirs: "table.csv.xz" disguises nothing.
constexpr std::string_view wrappers = "cab uue xz";

// How much more a risky extension weighs behind a harmless one: "invoice.pdf.iso".
constexpr double disguised = 1.5;

// UTF-8 of characters that cannot be seen, or that look like a dot.
constexpr std::array overrides{"\u202d"sv, "\u202e"sv};
constexpr std::array invisible{"\u00ad"sv, "\u061c"sv, "\u180e"sv, "\u200b"sv, "\u200c"sv, "\u200d"sv, "\u200e"sv,
                               "\u200f"sv, "\u202a"sv, "\u202b"sv, "\u202c"sv, "\u202d"sv, "\u202e"sv, "\u2060"sv,
                               "\u2066"sv, "\u2067"sv, "\u2068"sv, "\u2069"sv, "\ufeff"sv};
constexpr std::array dots{"\u2024"sv, "\u3002"sv, "\ufe52"sv, "\uff0e"sv, "\uff61"sv};

/// `list`: words, a blank between two.
bool is_in(std::string_view list, std::string_view word) {
    if (word.empty() || word.find(' ') != std::string_view::npos) return false;
    for (auto at = list.find(word); at != std::string_view::npos; at = list.find(word, at + 1)) {
        const auto end = at + word.size();
        if ((at == 0 || list[at - 1] == ' ') && (end == list.size() || list[end] == ' ')) return true;
    }
    return false;
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

double risk_of(std::string_view extension) {
    for (const auto& [weight, words] : risky)
        if (is_in(words, extension)) return weight;
    return 0;
}

/// One reading of a name; what it finds is added to `judged`.
void judge_reading(std::string_view name, name_judgement& judged) {
    name = opened_as(name);
    if (std::find(judged.readings.begin(), judged.readings.end(), name) != judged.readings.end()) return;
    judged.readings.emplace_back(name);
    const auto extension = extension_of(name);
    const bool made_up = is_in(documents, extension_of(opened_as(name.substr(0, name.rfind('.')))));
    if (runs(extension)) {
        judged.executable = true;
        judged.extension = extension;
        judged.twofold = judged.twofold || made_up;
        return;
    }
    if (judged.extension.empty()) judged.extension = extension;
    judged.risk = std::max(judged.risk, risk_of(extension) * (made_up && !is_in(wrappers, extension) ? disguised : 1));
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

constexpr std::size_t longest_name = 4096; // octets; no file system has longer ones

/// All of a name that is no longer than that.
void judge_piece(std::string_view name, name_judgement& judged) {
    std::string as_sent{name};
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
    judged.hidden = judged.hidden || (judged.executable && !plain);
    judged.confusable = judged.confusable || mixes_words(opened_as(as_sent));
}

} // namespace

// Of a longer one the end, with the extension, and the beginning, which some open up to a NUL.
name_judgement judge_name(std::string_view name) {
    name_judgement judged;
    judged.hidden = name.size() > longest_name;
    judge_piece(name.substr(name.size() - std::min(name.size(), longest_name)), judged);
    if (judged.hidden) judge_piece(name.substr(0, longest_name), judged);
    return judged;
}

bool is_volume(std::string_view name) {
    const auto extension = extension_of(name);
    const auto before = extension_of(opened_as(name.substr(0, name.rfind('.'))));
    const auto are_digits = [](std::string_view text) {
        return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    };
    if (extension == "rar") return before.starts_with("part") && are_digits(std::string_view{before}.substr(4));
    if (extension.size() != 3) return false;
    if (are_digits(extension)) return is_in(archives, before);
    return std::string_view{"rsz"}.find(extension.front()) != std::string_view::npos &&
           are_digits(std::string_view{extension}.substr(1));
}

std::vector<std::string_view> risky_extensions() {
    std::vector<std::string_view> out;
    for (const auto& [weight, words] : risky)
        for (const auto word : split(words, ' '))
            out.push_back(word);
    return out;
}

} // namespace postsluice::contentfilter
