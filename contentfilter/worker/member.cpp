// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/worker/member.hpp"

#include <array>

namespace postsluice::contentfilter::worker {

namespace {
constexpr std::size_t max_path = 1000;
}

member read_member(archive_reader& from, const std::string& path, unpacking& account,
                   const std::function<bool(std::string_view)>& wanted) {
    member out;
    bool keep = true, asked = false;
    std::array<char, 16384> buffer; // NOLINT(cppcoreguidelines-pro-type-member-init): filled by read()
    for (;;) {
        std::size_t got = 0;
        const auto outcome = from.read(buffer.data(), buffer.size(), got);
        if (outcome != archive_reader::outcome::good) {
            out.whole = keep && outcome == archive_reader::outcome::end;
            out.readable = outcome == archive_reader::outcome::end;
            if (outcome == archive_reader::outcome::encrypted) account.note(encrypted, path);
            if (outcome == archive_reader::outcome::broken) account.note(damaged, path + ": " + from.trouble());
            if (outcome == archive_reader::outcome::no_memory) account.note(no_memory, path);
            break;
        }
        if (keep) out.octets.append(buffer.data(), got);
        if (!account.charge_octets(got)) break;
        if (!asked && out.octets.size() >= beginning) {
            asked = true;
            keep = wanted(out.octets);
        }
        if (keep && out.octets.size() > account.bounds().member) {
            account.note(too_large, path);
            keep = false;
            out.octets.resize(beginning);
        }
    }
    if (!asked && out.whole) out.whole = wanted(out.octets);
    return out;
}

std::string join_path(const std::string& container, const std::string& name) {
    auto path = container.empty() ? name : container + "/" + name;
    if (path.size() > max_path) path.erase(0, path.size() - max_path);
    return path;
}

std::string without_compression(const std::string& name) {
    const auto dot = name.rfind('.');
    if (dot == std::string::npos) return name;
    auto stem = name.substr(0, dot);
    return name.size() - dot == 4 && name[dot + 1] == 't' ? stem + ".tar" : stem;
}

} // namespace postsluice::contentfilter::worker
