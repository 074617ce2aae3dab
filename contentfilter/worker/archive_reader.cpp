// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/worker/archive_reader.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <cerrno>
#include <clocale>
#include <new>
#include <string_view>

namespace postsluice::contentfilter::worker {

struct archive_reader::impl {
    ::archive* handle = nullptr;
    bool opened = false, plain = false;

    impl()
        : handle{archive_read_new()} {
        if (!handle) throw std::bad_alloc{};
    }
    ~impl() { archive_read_free(handle); }
    impl(const impl&) = delete;

    [[nodiscard]] outcome failed() const {
        if (archive_errno(handle) == ENOMEM) return outcome::no_memory;
        // There is no code for it; each format says it in its own words.
        const std::string_view why = archive_error_string(handle) ? archive_error_string(handle) : "";
        const auto says = [&](std::string_view word) { return why.find(word) != std::string_view::npos; };
        return says("rypt") || says("assphrase") ? outcome::encrypted : outcome::broken;
    }
};

namespace {

// Neither "all" nor "by code": some filters start programs (lrzip, grzip, lzop), and mtree reads the disk.
void enable_filters(::archive* a) {
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_compress(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_lzma(a);
    archive_read_support_filter_lzip(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_lz4(a);
}

void enable_formats(::archive* a) {
    archive_read_support_format_zip(a);
    archive_read_support_format_rar(a);
    archive_read_support_format_rar5(a);
    archive_read_support_format_7zip(a);
    archive_read_support_format_tar(a);
    archive_read_support_format_iso9660(a);
    archive_read_support_format_cab(a);
    archive_read_support_format_lha(a);
    archive_read_support_format_cpio(a);
    archive_read_support_format_ar(a);
}

std::string path_of(::archive_entry* entry) {
    if (const char* utf8 = archive_entry_pathname_utf8(entry)) return utf8;
    if (const char* raw = archive_entry_pathname(entry)) return raw;
    return "?"; // a name that no character set takes; there is a file all the same
}

} // namespace

archive_reader::archive_reader(std::string_view octets, bool plain)
    : impl_{std::make_unique<impl>()} {
    impl_->plain = plain;
    enable_filters(impl_->handle);
    if (!plain) enable_formats(impl_->handle);
    archive_read_support_format_raw(impl_->handle);
    impl_->opened = archive_read_open_memory(impl_->handle, octets.data(), octets.size()) == ARCHIVE_OK;
}

archive_reader::~archive_reader() = default;

archive_reader::outcome archive_reader::next(entry& into) {
    auto* a = impl_->handle;
    if (!impl_->opened) return impl_->failed();
    ::archive_entry* at = nullptr;
    const int status = archive_read_next_header(a, &at);
    if (status == ARCHIVE_EOF) return outcome::end;
    if (status < ARCHIVE_WARN) return impl_->failed();
    const bool raw = archive_format(a) == ARCHIVE_FORMAT_RAW;
    // "raw" takes any octets: without a filter there is nothing to unpack.
    if (raw && archive_filter_code(a, 0) == ARCHIVE_FILTER_NONE) return impl_->plain ? outcome::end : outcome::broken;
    into.path = raw ? std::string{} : path_of(at);
    into.file = archive_entry_filetype(at) == AE_IFREG || archive_entry_filetype(at) == 0;
    into.encrypted = archive_entry_is_encrypted(at) > 0;
    return outcome::good;
}

archive_reader::outcome archive_reader::read(char* into, std::size_t size, std::size_t& got) {
    got = 0;
    const auto n = archive_read_data(impl_->handle, into, size);
    if (n > 0) {
        got = static_cast<std::size_t>(n);
        return outcome::good;
    }
    return n == 0 ? outcome::end : impl_->failed();
}

std::string archive_reader::trouble() const {
    const char* text = archive_error_string(impl_->handle);
    return text ? text : "it cannot be read";
}

void archive_reader::warm_up() {
    std::setlocale(LC_CTYPE, "C.UTF-8"); // names are made UTF-8 without iconv and its modules
    entry ignored;
    // An archive of one empty file, "a": enough for what is looked up lazily, the time zone among it.
    static constexpr char tiny[] = "PK\3\4\12\0\0\0\0\0\0\0\41\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0a"
                                   "PK\1\2\36\3\12\0\0\0\0\0\0\0\41\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0"
                                   "\244\201\0\0\0\0aPK\5\6\0\0\0\0\1\0\1\0\57\0\0\0\37\0\0\0\0\0";
    archive_reader reader{std::string_view{tiny, sizeof tiny - 1}};
    (void)reader.next(ignored);
}

} // namespace postsluice::contentfilter::worker
