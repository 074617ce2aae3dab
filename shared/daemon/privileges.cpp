// SPDX-License-Identifier: Apache-2.0
#include "shared/daemon/daemon.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace postsluice::daemon {
namespace {

struct user_ids {
    uid_t uid;
    gid_t gid;
};

[[noreturn]] void fail(const std::string& what, int error = errno) {
    throw std::runtime_error{what + ": " + std::strerror(error)}; // NOLINT(concurrency-mt-unsafe)
}

std::optional<user_ids> find_user(const std::string& name) {
    std::vector<char> storage(65536);
    passwd entry{};
    passwd* found = nullptr;
    if (const int error = ::getpwnam_r(name.c_str(), &entry, storage.data(), storage.size(), &found); error != 0)
        fail("user " + name, error);
    if (found == nullptr) return std::nullopt;
    return user_ids{entry.pw_uid, entry.pw_gid};
}

user_ids existing_user(const std::string& name) {
    const auto user = find_user(name);
    if (!user) throw std::runtime_error{"there is no user \"" + name + "\"; create it, or name another with --user"};
    return *user;
}

// Being root in any of the three ids is being root.
bool is_root() {
    uid_t real = 0, effective = 0, saved = 0;
    ::getresuid(&real, &effective, &saved);
    return real == 0 || effective == 0 || saved == 0;
}

void verify_dropped(const user_ids& user) {
    uid_t ru = 0, eu = 0, su = 0;
    gid_t rg = 0, eg = 0, sg = 0;
    ::getresuid(&ru, &eu, &su);
    ::getresgid(&rg, &eg, &sg);
    const bool uids = ru == user.uid && eu == user.uid && su == user.uid;
    const bool gids = rg == user.gid && eg == user.gid && sg == user.gid;
    if (!uids || !gids) throw std::runtime_error{"privileges were not dropped wholly"};
    // The proof is in the trying: none of these may succeed any more.
    const bool regained = ::setuid(0) == 0 || ::seteuid(0) == 0 || ::setresuid(0, 0, 0) == 0 ||
                          (user.gid != 0 && ::setresgid(0, 0, 0) == 0);
    if (regained) throw std::runtime_error{"root could be regained after privileges were dropped"};
}

} // namespace

void prepare_directory(const std::filesystem::path& directory, const std::string& user, unsigned mode) {
    struct ::stat there {};
    if (::stat(directory.c_str(), &there) == 0) {
        if (!S_ISDIR(there.st_mode)) throw std::runtime_error{directory.string() + ": is not a directory"};
        return;
    }
    if (errno != ENOENT) fail(directory.string());
    std::error_code error;
    if (directory.has_parent_path()) std::filesystem::create_directories(directory.parent_path(), error);
    if (error) throw std::runtime_error{directory.parent_path().string() + ": cannot be made: " + error.message()};
    if (::mkdir(directory.c_str(), 0700) != 0) {
        if (errno == EEXIST) return; // the other daemon was faster
        fail(directory.string() + ": cannot be made");
    }
    const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) fail(directory.string());
    bool done = true;
    if (::geteuid() == 0 && !user.empty()) {
        const auto owner = find_user(user);
        done = owner && ::fchown(fd, owner->uid, owner->gid) == 0;
        if (!owner) errno = ENOENT;
    }
    done = done && ::fchmod(fd, static_cast<mode_t>(mode)) == 0;
    const int why = errno;
    ::close(fd);
    if (!done) fail(directory.string() + ": owner and mode cannot be set", why);
}

void drop_privileges(const std::string& user) {
    if (!is_root()) {
        if (user.empty() || existing_user(user).uid == ::geteuid()) return;
        throw std::runtime_error{"only root can become the user \"" + user + "\""};
    }
    if (user.empty()) throw std::runtime_error{"refusing to run as root; name a user with --user"};
    const auto target = existing_user(user);
    if (target.uid == 0) throw std::runtime_error{"refusing to run as root; \"" + user + "\" is root"};
    // Groups first, the user last: afterwards nothing of this is permitted any more.
    if (::initgroups(user.c_str(), target.gid) != 0) fail("the groups of " + user + " cannot be set");
    if (::setresgid(target.gid, target.gid, target.gid) != 0) fail("cannot change to the group of " + user);
    if (::setresuid(target.uid, target.uid, target.uid) != 0) fail("cannot change to the user " + user);
    verify_dropped(target);
}

} // namespace postsluice::daemon
