// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/worker/archive_inspection.hpp"

#include "contentfilter/worker/member.hpp"
#include "contentfilter/worker/signatures.hpp"

#include <new>

namespace postsluice::contentfilter::worker {

namespace {

constexpr std::size_t max_report = max_answer - 65536;

class inspection {
public:
    inspection(std::uint64_t size, const unpack_bounds& bounds, const type_namer& name_type)
        : account_{bounds, size}
        , name_type_{name_type} {}

    void look_into(std::string_view octets, const std::string& container, std::uint64_t level) {
        // Blank blocks are the end of a tar to libarchive, whatever comes behind them: what has no entries is looked at
        // once more as the single file that unpackers make of it.
        if (!look_through(archive_reader{octets}, container, level) && !account_.stopped())
            look_through(archive_reader{octets, true}, container, level);
    }

    archive_report finish() {
        report_.flags = account_.flags();
        report_.files = account_.files();
        report_.unpacked = account_.unpacked();
        report_.detail = account_.detail();
        return std::move(report_);
    }
    unpacking& account() noexcept { return account_; }

private:
    /// False: it ended before its first entry.
    bool look_through(archive_reader&& reader, const std::string& container, std::uint64_t level) {
        archive_reader::entry entry;
        for (std::size_t entries = 0; !account_.stopped(); ++entries) {
            const auto outcome = reader.next(entry);
            if (outcome == archive_reader::outcome::encrypted) { // and with the entry its name
                account_.note(names_encrypted, container);
                account_.note(encrypted, container);
            }
            if (outcome == archive_reader::outcome::no_memory) account_.note(no_memory, container);
            if (outcome == archive_reader::outcome::broken && (entries > 0 || level == 1))
                account_.note(damaged, (container.empty() ? "" : container + ": ") + reader.trouble());
            if (outcome != archive_reader::outcome::good) return entries > 0 || outcome != archive_reader::outcome::end;
            report_.is_archive = true;
            if (!account_.charge_file()) break;
            if (entry.file) look_at(reader, entry, container, level);
        }
        return true;
    }

    void look_at(archive_reader& reader, const archive_reader::entry& entry, const std::string& container,
                 std::uint64_t level) {
        const auto path = entry.path.empty() ? without_compression(container) : join_path(container, entry.path);
        if (entry.encrypted) { // what libarchive says of the content of several such entries makes no sense
            account_.note(encrypted, path);
            list({path, "", level});
            return;
        }
        const auto found = read_member(reader, path, account_, [&](std::string_view head) {
            if (!is_archive(head)) return false;
            if (level < account_.bounds().levels) return true;
            account_.note(too_deep, path);
            return false;
        });
        list({path, may_be_program(found.octets) ? name_type_(found.octets.substr(0, beginning)) : "", level});
        if (found.whole && !account_.stopped()) look_into(found.octets, path, level + 1);
    }

    void list(archive_member m) {
        listed_ += m.path.size() + m.type.size() + 3 * sizeof(std::uint64_t);
        if (listed_ > max_report)
            account_.stop(too_many);
        else
            report_.members.push_back(std::move(m));
    }

    unpacking account_;
    const type_namer& name_type_;
    archive_report report_;
    std::size_t listed_ = 0;
};

} // namespace

archive_report inspect_archive(std::string_view octets, const unpack_bounds& bounds, const type_namer& name_type) {
    inspection all{octets.size(), bounds, name_type};
    try {
        all.look_into(octets, "", 1);
    } catch (const std::bad_alloc&) {
        all.account().stop(no_memory);
    }
    return all.finish();
}

} // namespace postsluice::contentfilter::worker
