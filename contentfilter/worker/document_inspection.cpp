// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/worker/document_inspection.hpp"

#include "contentfilter/worker/compound_file.hpp"
#include "contentfilter/worker/legacy_office.hpp"
#include "contentfilter/worker/member.hpp"
#include "contentfilter/worker/signatures.hpp"
#include "contentfilter/worker/vba.hpp"

#include <algorithm>
#include <new>

namespace postsluice::contentfilter::worker {

namespace {

constexpr std::size_t max_documents = 1000, max_target = 300;

std::string lowered(std::string_view text) {
    std::string out{text};
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

/// The value of an attribute within one element's text; either quote.
std::string_view attribute(std::string_view element, std::string_view name) {
    const auto text = lowered(element);
    const auto at = text.find(" " + std::string{name} + "=");
    if (at == std::string::npos) return {};
    const auto begin = at + name.size() + 3;
    if (begin > element.size()) return {};
    const char quote = element[begin - 1];
    const auto end = element.find(quote, begin);
    if ((quote != '"' && quote != '\'') || end == std::string_view::npos) return {};
    return element.substr(begin, end - begin);
}

class inspection {
public:
    inspection(std::uint64_t size, const unpack_bounds& bounds)
        : account_{bounds, size} {}

    void look_into(std::string_view octets, const std::string& path, std::uint64_t level) {
        if (is_compound(octets))
            look_into_compound(octets, path);
        else
            look_into_archive(octets, path, level);
    }
    /// The file itself, which may be more than one thing: a zip archive counts from its end, whatever is before it; so
    /// does, for some programs, a compound file behind something else.
    void look_into_file(std::string_view octets) {
        const bool begins = is_compound(octets) || is_archive(octets.substr(0, beginning));
        if (begins) look_into(octets, "", 1);
        if (ends_as_zip(octets) && (!begins || is_compound(octets))) {
            behind_prefix_ = true;
            look_into_archive(octets, "", 1);
        }
        if (begins) return;
        for (auto at = octets.find(compound_magic); at != std::string_view::npos && account_.charge_file();
             at = octets.find(compound_magic, at + 1))
            // Eight octets by chance are no document, and no damage to one.
            if (const auto file = compound_file::open(octets.substr(at), account_.bounds().files))
                look_into_compound(*file, "");
    }
    document_report finish() {
        report_.flags = account_.flags();
        report_.detail = account_.detail();
        return std::move(report_);
    }
    unpacking& account() noexcept { return account_; }

private:
    void look_into_compound(std::string_view octets, const std::string& path) {
        const auto file = compound_file::open(octets, account_.bounds().files);
        if (file) {
            look_into_compound(*file, path);
        } else if (file.error().code == errc::too_large) {
            account_.note(too_many, path + ": " + file.error().detail);
        } else {
            account_.note(damaged, path + ": " + file.error().detail);
            if (auto* document = document_at(path)) document->damaged = true;
        }
    }

    void look_into_compound(const compound_file& file, const std::string& path) {
        if (file.too_deep()) account_.note(too_deep, path);
        if (file.find("EncryptedPackage")) account_.note(encrypted, path);
        const auto office = read_legacy_office(file, account_.bounds().member);
        if (office.encrypted) account_.note(encrypted, path);
        const auto source = read_vba(file, account_.bounds().code);
        if (source.cut || office.cut) account_.note(too_large, path);
        const bool macros = source.present || office.macro_sheets, broken = source.damaged || office.damaged;
        if (macros || broken)
            if (auto* found = document_at(path)) {
                found->macros = found->macros || macros;
                found->damaged = found->damaged || broken;
            }
        if (!source.present || !account_.charge_octets(source.text.size())) return;
        if (auto* found = document_at(path)) {
            if (const auto names = autorun_names(source.text); !names.empty()) found->autorun = names;
            if (const auto words = dangerous_words(source.text); !words.empty()) found->calls = words;
        }
    }

    void look_into_archive(std::string_view octets, const std::string& path, std::uint64_t level) {
        archive_reader reader{octets};
        archive_reader::entry entry;
        bool package = false;
        while (!account_.stopped()) {
            const auto outcome = reader.next(entry);
            if (outcome == archive_reader::outcome::encrypted) account_.note(encrypted, path);
            if (outcome == archive_reader::outcome::no_memory) account_.note(no_memory, path);
            if (outcome == archive_reader::outcome::broken && package) note_damage(path);
            if (outcome != archive_reader::outcome::good || !account_.charge_file()) break;
            if (entry.encrypted) account_.note(encrypted, path);
            package = package || lowered(entry.path) == "[content_types].xml";
            if (!entry.file) continue;
            const bool readable = look_at(reader, entry, path, level);
            if (package && !readable && !entry.encrypted && !account_.stopped()) note_damage(path);
        }
    }

    /// Of an office's package; of other archives others tell. What only ends as one may be a piece of one.
    void note_damage(const std::string& path) {
        if (behind_prefix_) return;
        if (auto* document = document_at(path)) document->damaged = true;
    }

    /// False where it cannot be read to its end.
    bool look_at(archive_reader& reader, const archive_reader::entry& entry, const std::string& container,
                 std::uint64_t level) {
        const auto path = entry.path.empty() ? without_compression(container) : join_path(container, entry.path);
        const auto name = lowered(entry.path);
        const bool relationships = name.ends_with(".rels"), project = name.ends_with("vbaproject.bin");
        // What is in a project that cannot be read nobody knows; that the document has one is known.
        if (project || name.find("xl/macrosheets/") != std::string::npos)
            if (auto* document = document_at(container)) document->macros = true;
        const auto found = read_member(reader, path, account_, [&](std::string_view head) {
            if (relationships || project || is_compound(head)) return true;
            if (!is_archive(head)) return false;
            if (level < account_.bounds().levels) return true;
            account_.note(too_deep, path);
            return false;
        });
        if (account_.stopped() || !found.whole) return found.readable;
        if (relationships) {
            if (const auto target = external_template(found.octets); !target.empty())
                if (auto* document = document_at(container)) document->external = target;
        } else if (project) {
            look_into_compound(found.octets, container); // the package is the document, not this file in it
        } else {
            look_into(found.octets, path, level + 1);
        }
        return true;
    }

    /// Null where there are more of them than are told.
    document* document_at(const std::string& path) {
        auto& all = report_.documents;
        const auto at = std::find_if(all.begin(), all.end(), [&](const document& d) { return d.path == path; });
        if (at != all.end()) return &*at;
        if (all.size() >= max_documents) {
            account_.stop(too_many);
            return nullptr;
        }
        all.push_back({path, false, false, "", "", ""});
        return &all.back();
    }

    unpacking account_;
    document_report report_;
    bool behind_prefix_ = false;
};

} // namespace

std::string external_template(std::string_view relationships) {
    for (auto at = relationships.find('<'); at != std::string_view::npos; at = relationships.find('<', at + 1)) {
        const auto element = relationships.substr(at, relationships.find('>', at) - at);
        if (!lowered(attribute(element, "type")).ends_with("/attachedtemplate")) continue;
        const auto target = attribute(element, "target");
        const auto scheme = lowered(target.substr(0, 8));
        if (scheme.starts_with("http:") || scheme.starts_with("https:"))
            return std::string{target.substr(0, max_target)};
    }
    return {};
}

document_report inspect_document(std::string_view octets, const unpack_bounds& bounds) {
    inspection all{octets.size(), bounds};
    try {
        all.look_into_file(octets);
    } catch (const std::bad_alloc&) {
        all.account().stop(no_memory);
    }
    return all.finish();
}

} // namespace postsluice::contentfilter::worker
