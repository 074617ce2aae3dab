// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/worker/compound_file.hpp"

#include "contentfilter/worker/little_endian.hpp"
#include "contentfilter/worker/signatures.hpp"

#include <algorithm>

namespace postsluice::contentfilter::worker {

namespace {

constexpr std::uint32_t last_regular = 0xFFFFFFFA; // above: end of chain, free, tables ([MS-CFB] section 2.1)
constexpr std::size_t header_size = 512, entry_size = 128, mini_sector = 64, in_header = 109;
constexpr unsigned max_depth = 64;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool same(std::string_view a, std::string_view b) {
    return a.size() == b.size() &&
           std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

struct raw_entry { // [MS-CFB] section 2.6.1
    std::string name;
    unsigned kind = 0; // 1: storage, 2: stream, 5: root
    std::uint32_t left = 0, right = 0, child = 0, start = 0;
    std::uint64_t size = 0;
};

/// A name's unit as UTF-8; half a surrogate pair is kept by itself, so that different names stay different.
void add_unit(std::string& to, std::uint16_t unit) {
    const auto octet = [&](unsigned value) { to += static_cast<char>(value); };
    if (unit == '/') return octet('?'); // it parts the names of a path
    if (unit < 0x80) return octet(unit);
    if (unit < 0x800) return octet(0xC0U | unit >> 6U), octet(0x80U | (unit & 0x3FU));
    octet(0xE0U | unit >> 12U);
    octet(0x80U | (unit >> 6U & 0x3FU));
    octet(0x80U | (unit & 0x3FU));
}

raw_entry parse_entry(std::string_view at) {
    raw_entry out;
    const auto length = std::min<std::size_t>(little_endian<std::uint16_t>(at, 64), 64);
    out.name = compound_name(at.substr(0, length));
    out.kind = static_cast<unsigned char>(at[66]);
    out.left = little_endian<std::uint32_t>(at, 68);
    out.right = little_endian<std::uint32_t>(at, 72);
    out.child = little_endian<std::uint32_t>(at, 76);
    out.start = little_endian<std::uint32_t>(at, 116);
    out.size = little_endian<std::uint32_t>(at, 120); // the upper half is garbage in old files
    return out;
}

} // namespace

std::string compound_name(std::string_view utf16) {
    std::string out;
    for (std::size_t i = 0; i + 2 <= utf16.size(); i += 2) {
        const auto unit = little_endian<std::uint16_t>(utf16, i);
        if (unit == 0) break;
        add_unit(out, unit);
    }
    return out;
}

result<compound_file> compound_file::open(std::string_view octets, std::size_t max_entries) {
    compound_file out{octets};
    if (auto read = out.read_header(); !read) return read.error();
    if (auto read = out.read_directory(out.directory_start_, max_entries); !read) return read.error();
    return out;
}

result<void> compound_file::read_header() {
    if (octets_.size() < header_size || !is_compound(octets_)) return failure{errc::malformed, "no compound file"};
    const auto shift = little_endian<std::uint16_t>(octets_, 30);
    if (shift != 9 && shift != 12) return failure{errc::malformed, "sectors of no known size"};
    sector_size_ = std::size_t{1} << shift;
    directory_start_ = little_endian<std::uint32_t>(octets_, 48);
    mini_cutoff_ = little_endian<std::uint32_t>(octets_, 56);
    mini_table_start_ = little_endian<std::uint32_t>(octets_, 60);
    read_table(little_endian<std::uint32_t>(octets_, 68));
    mini_table_ = read_chain(mini_table_start_, octets_.size());
    return {};
}

/// The sectors that hold the allocation table: 109 in the header, then a chain of sectors that list more.
void compound_file::read_table(std::uint32_t difat_start) {
    const auto sectors = octets_.size() / sector_size_ + 1;
    const auto per_sector = sector_size_ / 4;
    const auto add = [&](std::uint32_t number) {
        const auto at = sector(number);
        if (number > last_regular || at.size() < sector_size_ || table_.size() > sectors + per_sector) return;
        for (std::size_t i = 0; i < per_sector; ++i)
            table_.push_back(little_endian<std::uint32_t>(at, 4 * i));
    };
    for (std::size_t i = 0; i < in_header; ++i)
        add(little_endian<std::uint32_t>(octets_, 76 + 4 * i));
    for (std::size_t step = 0; step < sectors && difat_start <= last_regular; ++step) {
        const auto at = sector(difat_start);
        if (at.size() < sector_size_) break;
        for (std::size_t i = 0; i + 1 < per_sector; ++i)
            add(little_endian<std::uint32_t>(at, 4 * i));
        difat_start = little_endian<std::uint32_t>(at, sector_size_ - 4);
    }
}

result<void> compound_file::read_directory(std::uint32_t start, std::size_t max_entries) {
    const auto text = read_chain(start, octets_.size());
    if (text.size() < entry_size) return failure{errc::malformed, "no directory"};
    if (text.size() / entry_size > max_entries + sector_size_ / entry_size)
        return failure{errc::too_large, "more entries than are looked at"};
    std::vector<raw_entry> raw;
    for (std::size_t at = 0; at + entry_size <= text.size(); at += entry_size)
        raw.push_back(parse_entry(std::string_view{text}.substr(at, entry_size)));
    mini_stream_ = read_chain(raw[0].start, std::min<std::uint64_t>(raw[0].size, octets_.size()));

    struct visit {
        std::uint32_t which;
        std::string parent;
        unsigned depth;
    };
    std::vector<bool> seen(raw.size(), false);
    std::vector<visit> waiting{{raw[0].child, "", 0}};
    while (!waiting.empty()) {
        const auto now = std::move(waiting.back());
        waiting.pop_back();
        if (now.which >= raw.size() || seen[now.which]) continue;
        if (now.depth > max_depth) {
            too_deep_ = true;
            continue;
        }
        seen[now.which] = true;
        const auto& r = raw[now.which];
        waiting.push_back({r.left, now.parent, now.depth});
        waiting.push_back({r.right, now.parent, now.depth});
        if (r.kind != 1 && r.kind != 2) continue;
        auto path = now.parent.empty() ? r.name : now.parent + "/" + r.name;
        if (r.kind == 1) waiting.push_back({r.child, path, now.depth + 1});
        entries_.push_back({std::move(path), r.kind == 2, r.start, r.size});
    }
    return {};
}

std::string_view compound_file::sector(std::uint32_t number) const {
    const auto at = (std::uint64_t{number} + 1) * sector_size_;
    return at < octets_.size() ? octets_.substr(static_cast<std::size_t>(at), sector_size_) : std::string_view{};
}

std::uint32_t compound_file::next_of(std::uint32_t number) const {
    return number < table_.size() ? table_[number] : ~std::uint32_t{0};
}

std::string compound_file::read_chain(std::uint32_t start, std::uint64_t most) const {
    std::string out;
    const auto limit = std::min<std::uint64_t>(most, octets_.size()); // a loop ends here
    for (auto at = start; at <= last_regular && out.size() < limit; at = next_of(at)) {
        const auto piece = sector(at);
        if (piece.empty()) break;
        out.append(piece.substr(0, static_cast<std::size_t>(limit - out.size())));
    }
    return out;
}

std::string compound_file::read_mini_chain(std::uint32_t start, std::uint64_t most) const {
    std::string out;
    const auto limit = std::min<std::uint64_t>(most, mini_stream_.size());
    for (auto at = start; at <= last_regular && out.size() < limit;) {
        const auto from = std::uint64_t{at} * mini_sector;
        if (from >= mini_stream_.size()) break;
        out.append(mini_stream_, static_cast<std::size_t>(from),
                   static_cast<std::size_t>(std::min<std::uint64_t>(mini_sector, limit - out.size())));
        if (std::uint64_t{at} * 4 + 4 > mini_table_.size()) break;
        at = little_endian<std::uint32_t>(mini_table_, std::size_t{at} * 4);
    }
    return out;
}

const compound_file::entry* compound_file::find(std::string_view path) const {
    const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const entry& e) { return same(e.path, path); });
    return at == entries_.end() ? nullptr : &*at;
}

std::string compound_file::read(const entry& of, std::size_t most) const {
    const auto size = std::min<std::uint64_t>(of.size, most);
    return of.size < mini_cutoff_ ? read_mini_chain(of.start, size) : read_chain(of.start, size);
}

} // namespace postsluice::contentfilter::worker
