// SPDX-License-Identifier: Apache-2.0
#include "admin/key_files.hpp"

#include "shared/auth/dkim_generate.hpp"
#include "shared/core/text.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace postsluice::admin {

namespace {

namespace fs = std::filesystem;

struct owner {
    uid_t user;
    gid_t group;
};

failure failed(const fs::path& what) {
    const int why = errno;
    const auto code = why == EEXIST                    ? errc::exists
                      : why == EACCES || why == EPERM  ? errc::denied
                      : why == ENOSPC || why == EDQUOT ? errc::disk_full
                                                       : errc::unavailable;
    return {code, what.string() + ": " + std::strerror(why)};
}

/// Whose the keys are to be. Only root can give files away.
result<std::optional<owner>> owner_of(const key_order& order) {
    const auto of_user = [](const std::string& name) -> std::optional<owner> {
        const auto* const user = ::getpwnam(name.c_str());
        return user == nullptr ? std::nullopt : std::optional{owner{user->pw_uid, user->pw_gid}};
    };
    if (!order.owner.empty()) {
        const auto named = of_user(order.owner);
        if (!named) return failure{errc::not_found, "there is no user " + printable(order.owner, 64)};
        return named;
    }
    if (::geteuid() != 0) return std::optional<owner>{};
    for (const auto& at : {order.directory / order.domain, order.directory}) {
        struct stat info {};
        if (::stat(at.c_str(), &info) == 0 && info.st_uid != 0) return std::optional{owner{info.st_uid, info.st_gid}};
    }
    const auto ours = of_user("postsluice");
    if (!ours) return failure{errc::not_found, "there is no user postsluice; name one with --owner"};
    return ours;
}

/// 0700 where it is made; what is there stays as it is.
result<void> make_directory(const fs::path& at, const std::optional<owner>& whose) {
    std::error_code ignored;
    if (at.has_parent_path()) fs::create_directories(at.parent_path(), ignored);
    if (::mkdir(at.c_str(), 0700) != 0) {
        if (errno == EEXIST && fs::is_directory(at, ignored)) return {};
        return failed(at);
    }
    if (whose && ::chown(at.c_str(), whose->user, whose->group) != 0) return failed(at);
    return {};
}

result<void> write_all(int to, std::string_view text, const fs::path& file) {
    while (!text.empty()) {
        const auto n = ::write(to, text.data(), text.size());
        if (n < 0 && errno != EINTR) return failed(file);
        if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
    }
    if (::fsync(to) != 0) return failed(file);
    return {};
}

/// Written aside under a hidden name, which the filter does not look at, and then given its name: link() never
/// overwrites.
result<void> write_new(const fs::path& file, const std::string& text, const std::optional<owner>& whose) {
    const auto aside = file.parent_path() / ("." + file.filename().string() + "." + std::to_string(::getpid()));
    const int to = ::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0) return failed(aside);
    result<void> done;
    if (::fchmod(to, 0600) != 0 || (whose && ::fchown(to, whose->user, whose->group) != 0))
        done = failed(aside);
    else
        done = write_all(to, text, aside);
    ::close(to);
    if (done && ::link(aside.c_str(), file.c_str()) != 0) done = failed(file);
    ::unlink(aside.c_str());
    return done;
}

} // namespace

result<auth::signing_key> make_key_file(const key_order& order, const std::string& selector, auth::algorithm kind) {
    const auto whose = owner_of(order);
    if (!whose) return whose.error();
    const auto domain = order.directory / order.domain;
    const auto folder = auth::folder_of(order.role);
    const auto directory = folder.empty() ? domain : domain / folder;
    for (const auto& one : {order.directory, domain, directory})
        if (const auto made = make_directory(one, *whose); !made) return made.error();
    const auto text = auth::generate_key(kind, order.rsa_bits);
    if (!text) return text.error();
    const auto file = directory / (selector + ".pem");
    if (const auto written = write_new(file, *text, *whose); !written) return written.error();
    return auth::load_key(file, order.domain, selector, order.min_rsa_bits);
}

} // namespace postsluice::admin
