// SPDX-License-Identifier: Apache-2.0
// Archives for tests, made when they run: by libarchive where it writes the format, by hand for those it only reads
// (cab, rar) and for those that nobody should write (bombs).
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <clocale>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postsluice::contentfilter::testing {

struct archived {
    std::string name, content;
};

/// `format`: an extension as libarchive knows it ("zip", "7z", "tgz", "iso"); `options`: its own,
/// "zip:encryption=zipcrypt".
inline std::string make_archive(const std::string& format, const std::vector<archived>& files,
                                const std::string& options = {}) {
    std::setlocale(LC_CTYPE, "C.UTF-8"); // names are written as they are given
    std::string out(1U << 20U, '\0');
    for (const auto& f : files)
        out.resize(out.size() + 2 * f.content.size() + 4096);
    std::size_t used = 0;
    auto* a = archive_write_new();
    const auto need = [&](int status) {
        if (status < ARCHIVE_WARN) throw std::runtime_error{archive_error_string(a)};
    };
    need(archive_write_set_format_filter_by_ext(a, ("x." + format).c_str()));
    if (!options.empty()) {
        need(archive_write_set_options(a, options.c_str()));
        need(archive_write_set_passphrase(a, "secret"));
    }
    archive_write_set_bytes_in_last_block(a, 1);
    need(archive_write_open_memory(a, out.data(), out.size(), &used));
    for (const auto& f : files) {
        auto* entry = archive_entry_new();
        archive_entry_set_pathname_utf8(entry, f.name.c_str());
        archive_entry_set_size(entry, static_cast<la_int64_t>(f.content.size()));
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        need(archive_write_header(a, entry));
        if (!f.content.empty() && archive_write_data(a, f.content.data(), f.content.size()) < 0) need(ARCHIVE_FATAL);
        archive_entry_free(entry);
    }
    need(archive_write_close(a));
    archive_write_free(a);
    out.resize(used);
    return out;
}

inline std::string zip(const std::vector<archived>& files) {
    return make_archive("zip", files);
}

/// `filter`: as libarchive calls it ("gzip", "zstd", "compress").
inline std::string compressed(const char* filter, std::string_view content) {
    std::string out(content.size() + 65536, '\0');
    std::size_t used = 0;
    auto* a = archive_write_new();
    if (archive_write_add_filter_by_name(a, filter) < ARCHIVE_WARN) throw std::runtime_error{archive_error_string(a)};
    archive_write_set_format_raw(a);
    archive_write_set_bytes_in_last_block(a, 1);
    archive_write_open_memory(a, out.data(), out.size(), &used);
    auto* entry = archive_entry_new();
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_write_header(a, entry);
    archive_write_data(a, content.data(), content.size());
    archive_entry_free(entry);
    archive_write_free(a);
    out.resize(used);
    return out;
}

inline std::string gzip(std::string_view content) {
    return compressed("gzip", content);
}

/// `value` in so many octets, the least first.
inline std::string little(std::uint64_t value, std::size_t octets) {
    std::string out;
    for (std::size_t i = 0; i < octets; ++i)
        out += static_cast<char>(value >> (8 * i) & 0xFFU);
    return out;
}
inline std::string le16(std::uint64_t value) {
    return little(value, 2);
}
inline std::string le32(std::uint64_t value) {
    return little(value, 4);
}

inline std::uint32_t crc32(std::string_view octets) {
    std::uint32_t crc = ~std::uint32_t{0};
    for (const char c : octets) {
        crc ^= static_cast<unsigned char>(c);
        for (int i = 0; i < 8; ++i)
            crc = crc >> 1U ^ (crc & 1U ? 0xEDB88320U : 0U);
    }
    return ~crc;
}

/// RAR 4, one stored file.
inline std::string rar(const archived& file) {
    const auto block = [](const std::string& rest) { return le16(crc32(rest) & 0xFFFFU) + rest; };
    const auto size = static_cast<std::uint32_t>(file.content.size());
    const std::string head = std::string(1, '\x74') + le16(0x8000) + le16(32 + file.name.size()) + le32(size) +
                             le32(size) + std::string(1, '\2') + le32(crc32(file.content)) + le32(0x5A210000) +
                             "\x14\x30" + le16(file.name.size()) + le32(0x20) + file.name;
    return std::string("Rar!\x1a\x07\0", 7) +
           block(std::string(1, '\x73') + le16(0) + le16(13) + std::string(6, '\0')) + block(head) + file.content +
           block(std::string(1, '\x7b') + le16(0x4000) + le16(7));
}

/// RAR 4 with a password: of the file's content, or of all that follows the first block, names too.
inline std::string encrypted_rar(const std::string& name, bool names) {
    const auto block = [](const std::string& rest) { return le16(crc32(rest) & 0xFFFFU) + rest; };
    const std::string start("Rar!\x1a\x07\0", 7), content(16, 'e');
    if (names)
        return start + block(std::string(1, '\x73') + le16(0x80) + le16(13) + std::string(6, '\0')) +
               std::string(64, 'e');
    const std::string head = std::string(1, '\x74') + le16(0x8004) + le16(32 + name.size()) + le32(content.size()) +
                             le32(11) + std::string(1, '\2') + le32(0) + le32(0x5A210000) + "\x1d\x30" +
                             le16(name.size()) + le32(0x20) + name;
    return start + block(std::string(1, '\x73') + le16(0) + le16(13) + std::string(6, '\0')) + block(head) + content +
           block(std::string(1, '\x7b') + le16(0x4000) + le16(7));
}

/// RAR 5: numbers of seven bits in each octet, the least first, and blocks of their CRC, their size and their fields.
class rar5_writer {
public:
    static std::string number(std::uint64_t value) {
        std::string out;
        for (; value > 0x7F; value >>= 7U)
            out += static_cast<char>(0x80U | (value & 0x7FU));
        return out + static_cast<char>(value);
    }
    static std::string block(const std::string& fields) {
        const auto rest = number(fields.size()) + fields;
        return le32(crc32(rest)) + rest;
    }
    /// One stored file.
    static std::string write(const archived& file) {
        const auto size = number(file.content.size());
        const auto head = number(2) + number(2) + size + number(4) + size + number(0644) + le32(crc32(file.content)) +
                          number(0) + number(1) + number(file.name.size()) + file.name;
        return start() + block(number(1) + number(0) + number(0)) + block(head) + file.content +
               block(number(5) + number(0) + number(0));
    }
    /// The content is encrypted, the name is not.
    static std::string encrypted_content(const std::string& name) {
        const std::string content(16, 'e');
        const auto record = number(1) + number(0) + number(0) + "\x0f" + std::string(32, 's');
        const auto extra = number(record.size()) + record;
        const auto head = number(2) + number(3) + number(extra.size()) + number(content.size()) + number(4) +
                          number(11) + number(0644) + le32(0) + number(0) + number(1) + number(name.size()) + name +
                          extra;
        return start() + block(number(1) + number(0) + number(0)) + block(head) + content +
               block(number(5) + number(0) + number(0));
    }
    /// All after the first block is encrypted, names too.
    static std::string encrypted() {
        return start() + block(number(4) + number(0) + number(0) + number(0) + "\x0f" + std::string(16, 's')) +
               std::string(64, 'e');
    }

private:
    static std::string start() { return {"Rar!\x1a\x07\1\0", 8}; }
};

/// LHA (level 0), one stored file; `lhasa t` finds it good.
inline std::string lha(const archived& file) {
    std::uint16_t crc = 0;
    for (const char c : file.content) {
        crc = static_cast<std::uint16_t>(crc ^ static_cast<unsigned char>(c));
        for (int i = 0; i < 8; ++i)
            crc = static_cast<std::uint16_t>(crc >> 1U ^ (crc & 1U ? 0xA001U : 0U));
    }
    const auto head = "-lh0-" + le32(file.content.size()) + le32(file.content.size()) + le32(0x5A210000) + "\x20" +
                      std::string(1, '\0') + static_cast<char>(file.name.size()) + file.name + le16(crc);
    std::uint8_t sum = 0;
    for (const char c : head)
        sum = static_cast<std::uint8_t>(sum + static_cast<unsigned char>(c));
    return std::string{static_cast<char>(head.size()), static_cast<char>(sum)} + head + file.content +
           std::string(1, '\0');
}

/// A cabinet of one folder with one stored file.
inline std::string cab(const archived& file) {
    const auto size = static_cast<std::uint32_t>(file.content.size());
    const std::uint32_t files = 36 + 8, data = files + 16 + static_cast<std::uint32_t>(file.name.size()) + 1;
    return "MSCF" + le32(0) + le32(data + 8 + size) + le32(0) + le32(files) + le32(0) + "\3\1" + le16(1) + le16(1) +
           le16(0) + le16(7) + le16(0) + le32(data) + le16(1) + le16(0) + le32(size) + le32(0) + le16(0) +
           le16(0x5A21) + le16(0) + le16(0x20) + file.name + std::string(1, '\0') + le32(0) + le16(size) + le16(size) +
           file.content;
}

/// `depth` archives inside each other, the last of them with `inner`.
inline std::string nested(int depth, const archived& inner) {
    auto out = zip({inner});
    for (int i = 1; i < depth; ++i)
        out = zip({{"level" + std::to_string(i) + ".zip", out}});
    return out;
}

} // namespace postsluice::contentfilter::testing
