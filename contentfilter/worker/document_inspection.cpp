// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/worker/document_inspection.hpp"

#include "contentfilter/worker/compound_file.hpp"
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
    document_report finish() {
        report_.flags = account_.flags();
        report_.detail = account_.detail();
        return std::move(report_);
    }
    unpacking& account() noexcept { return account_; }

private:
    void look_into_compound(std::string_view octets, const std::string& path) {
        const auto file = compound_file::open(octets, account_.bounds().files);
        if (!file) {
            account_.note(file.error().code == errc::too_large ? too_many : damaged, path + ": " + file.error().detail);
            return;
        }
        if (file->find("EncryptedPackage")) account_.note(encrypted, path);
        const auto source = read_vba(*file, account_.bounds().code);
        if (source.cut) account_.note(too_large, path);
        if (!source.present || !account_.charge_octets(source.text.size())) return;
        auto& found = document_at(path);
        found.macros = true;
        found.autorun = autorun_names(source.text);
        found.calls = dangerous_words(source.text);
    }

    void look_into_archive(std::string_view octets, const std::string& path, std::uint64_t level) {
        archive_reader reader{octets};
        archive_reader::entry entry;
        while (!account_.stopped() && reader.next(entry) == archive_reader::outcome::good) {
            if (!account_.charge_file()) break;
            if (entry.encrypted) account_.note(encrypted, path);
            if (entry.file) look_at(reader, entry, path, level);
        }
    }

    void look_at(archive_reader& reader, const archive_reader::entry& entry, const std::string& container,
                 std::uint64_t level) {
        const auto path = entry.path.empty() ? without_compression(container) : join_path(container, entry.path);
        const auto name = lowered(entry.path);
        const bool relationships = name.ends_with(".rels");
        if (name.find("xl/macrosheets/") != std::string::npos) document_at(container).macros = true;
        const auto found = read_member(reader, path, account_, [&](std::string_view head) {
            return relationships || is_compound(head) || (is_archive(head) && level < account_.bounds().levels);
        });
        if (!found.whole || account_.stopped()) return;
        if (relationships) {
            if (const auto target = external_template(found.octets); !target.empty())
                document_at(container).external = target;
        } else if (name.ends_with("vbaproject.bin")) {
            look_into_compound(found.octets, container); // the package is the document, not this file in it
        } else {
            look_into(found.octets, path, level + 1);
        }
    }

    document& document_at(const std::string& path) {
        auto& all = report_.documents;
        const auto at = std::find_if(all.begin(), all.end(), [&](const document& d) { return d.path == path; });
        if (at != all.end()) return *at;
        if (all.size() >= max_documents) {
            account_.stop(too_many);
            return all.back();
        }
        all.push_back({path, false, "", "", ""});
        return all.back();
    }

    unpacking account_;
    document_report report_;
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
        all.look_into(octets, "", 1);
    } catch (const std::bad_alloc&) {
        all.account().stop(no_memory);
    }
    return all.finish();
}

} // namespace postsluice::contentfilter::worker
