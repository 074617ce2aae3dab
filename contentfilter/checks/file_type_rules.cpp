// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/checks/file_type_rules.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace postsluice::contentfilter {

namespace {

using kind = content_kind;
using row = std::pair<std::string_view, kind>;

constexpr std::array<std::string_view, 11> programs{
    "application/x-dosexec",      "application/vnd.microsoft.portable-executable",
    "application/x-executable",   "application/x-pie-executable",
    "application/x-sharedlib",    "application/x-object",
    "application/x-mach-binary",  "application/x-ms-shortcut",
    "application/x-msi",          "application/x-ms-ne-executable",
    "application/x-lx-executable"};

// By how a type begins; the first row holds. Vector images are text, or somebody's program's.
constexpr std::array found_types{row{"image/svg", kind::unknown},
                                 row{"image/vnd.dwg", kind::unknown},
                                 row{"image/", kind::image},
                                 row{"audio/", kind::media},
                                 row{"video/", kind::media},
                                 row{"application/pdf", kind::pdf},
                                 row{"application/zip", kind::zip},
                                 row{"application/vnd.openxmlformats-", kind::zip},
                                 row{"application/vnd.oasis.opendocument.", kind::zip},
                                 row{"application/epub+zip", kind::zip},
                                 row{"application/java-archive", kind::zip},
                                 row{"application/msword", kind::old_office},
                                 row{"application/vnd.ms-cab-compressed", kind::archive},
                                 row{"application/vnd.ms-", kind::old_office},
                                 row{"application/x-ole-storage", kind::old_office},
                                 row{"application/cdfv2", kind::old_office},
                                 row{"application/CDFV2", kind::old_office},
                                 row{"application/encrypted", kind::old_office},
                                 row{"application/x-rar", kind::archive},
                                 row{"application/vnd.rar", kind::archive},
                                 row{"application/x-7z-compressed", kind::archive},
                                 row{"application/gzip", kind::archive},
                                 row{"application/x-gzip", kind::archive},
                                 row{"application/x-bzip2", kind::archive},
                                 row{"application/x-xz", kind::archive},
                                 row{"application/x-iso9660-image", kind::archive}};

constexpr std::array declared_types{row{"image/jpeg", kind::image},
                                    row{"image/jpg", kind::image},
                                    row{"image/pjpeg", kind::image},
                                    row{"image/png", kind::image},
                                    row{"image/gif", kind::image},
                                    row{"image/webp", kind::image},
                                    row{"image/bmp", kind::image},
                                    row{"image/tiff", kind::image},
                                    row{"audio/", kind::media},
                                    row{"video/", kind::media},
                                    row{"application/pdf", kind::pdf},
                                    row{"application/x-pdf", kind::pdf},
                                    row{"application/zip", kind::archive},
                                    row{"application/x-zip", kind::archive},
                                    row{"application/x-rar", kind::archive},
                                    row{"application/vnd.rar", kind::archive},
                                    row{"application/x-7z-compressed", kind::archive},
                                    row{"application/gzip", kind::archive},
                                    row{"application/x-gzip", kind::archive},
                                    row{"application/msword", kind::office},
                                    row{"application/vnd.ms-excel", kind::office},
                                    row{"application/vnd.ms-powerpoint", kind::office},
                                    row{"application/vnd.ms-word", kind::office},
                                    row{"application/vnd.openxmlformats-officedocument", kind::office},
                                    row{"application/vnd.oasis.opendocument.", kind::office}};

constexpr std::array names{
    row{"jpg", kind::image},   row{"jpeg", kind::image},  row{"png", kind::image},   row{"gif", kind::image},
    row{"webp", kind::image},  row{"bmp", kind::image},   row{"tif", kind::image},   row{"tiff", kind::image},
    row{"mp3", kind::media},   row{"mp4", kind::media},   row{"m4a", kind::media},   row{"wav", kind::media},
    row{"avi", kind::media},   row{"mov", kind::media},   row{"ogg", kind::media},   row{"pdf", kind::pdf},
    row{"zip", kind::archive}, row{"rar", kind::archive}, row{"7z", kind::archive},  row{"gz", kind::archive},
    row{"tgz", kind::archive}, row{"bz2", kind::archive}, row{"xz", kind::archive},  row{"doc", kind::office},
    row{"docx", kind::office}, row{"docm", kind::office}, row{"xls", kind::office},  row{"xlsx", kind::office},
    row{"xlsm", kind::office}, row{"ppt", kind::office},  row{"pptx", kind::office}, row{"pptm", kind::office},
    row{"odt", kind::office},  row{"ods", kind::office},  row{"odp", kind::office}};

template <class Rows>
kind by_beginning(const Rows& rows, std::string_view type) noexcept {
    const auto at = std::find_if(rows.begin(), rows.end(), [&](const row& r) { return type.starts_with(r.first); });
    return at == rows.end() ? kind::unknown : at->second;
}

bool fits(kind found, kind said) noexcept {
    switch (found) {
    case kind::zip:
        return said == kind::archive || said == kind::office;
    case kind::old_office:
        return said == kind::office;
    default:
        return said == found;
    }
}

} // namespace

std::string_view type_at_a_glance(std::string_view octets) noexcept {
    using namespace std::string_view_literals;
    constexpr std::array starts{std::pair{"\x89PNG\r\n\x1a\n"sv, "image/png"sv},
                                std::pair{"\xff\xd8\xff"sv, "image/jpeg"sv},
                                std::pair{"GIF87a"sv, "image/gif"sv},
                                std::pair{"GIF89a"sv, "image/gif"sv},
                                std::pair{"%PDF-"sv, "application/pdf"sv},
                                std::pair{"PK\3\4"sv, "application/zip"sv}};
    const auto* const known =
        std::find_if(starts.begin(), starts.end(), [&](const auto& one) { return octets.starts_with(one.first); });
    return known == starts.end() ? std::string_view{} : known->second;
}

bool is_program_type(std::string_view type) noexcept {
    return std::find(programs.begin(), programs.end(), type) != programs.end();
}

content_kind kind_found(std::string_view type) noexcept {
    return by_beginning(found_types, type);
}

content_kind kind_declared(std::string_view type) noexcept {
    return by_beginning(declared_types, type);
}

content_kind kind_named(std::string_view extension) noexcept {
    const auto* const at = std::find_if(names.begin(), names.end(), [&](const row& r) { return r.first == extension; });
    return at == names.end() ? kind::unknown : at->second;
}

bool contradicts(content_kind found, content_kind declared, content_kind named) noexcept {
    if (found == kind::unknown || (declared == kind::unknown && named == kind::unknown)) return false;
    return !fits(found, declared) && !fits(found, named);
}

} // namespace postsluice::contentfilter
