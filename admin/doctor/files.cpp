// SPDX-License-Identifier: Apache-2.0
// Files: sockets that Postfix must reach, keys that nobody else may read, room on the disks. What we may not look at
// finds nothing: gather() runs as whoever asks.
#include "admin/doctor/doctor.hpp"
#include "admin/human.hpp"

#include <algorithm>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

namespace postsluice::admin::doctor {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t room_least = 256U << 20U; // octets

/// May `user`, with its own groups, do `wanted` (bits 4, 2, 1) to the file? As the kernel would say without ACLs.
bool may(const struct stat& file, const passwd& user, unsigned wanted) {
    if (user.pw_uid == 0) return true;
    unsigned bits = file.st_mode;
    if (file.st_uid == user.pw_uid) return (bits >> 6U & wanted) == wanted;
    gid_t groups[64] = {};
    int count = 64;
    bool member = file.st_gid == user.pw_gid;
    if (::getgrouplist(user.pw_name, user.pw_gid, groups, &count) >= 0)
        member = member || std::find(groups, groups + count, file.st_gid) != groups + count;
    return member ? (bits >> 3U & wanted) == wanted : (bits & wanted) == wanted;
}

/// The first directory on the way below `root` that the user may not pass, or the socket where it may not be written.
std::optional<fs::path> barrier(const fs::path& root, const fs::path& socket, const passwd& user) {
    fs::path at = root;
    const auto rest = socket.lexically_relative(root);
    struct stat about {};
    for (const auto& part : rest) {
        if (::stat(at.c_str(), &about) == 0 && !may(about, user, 1)) return at;
        at /= part;
    }
    if (::stat(at.c_str(), &about) == 0 && !may(about, user, 2)) return at;
    return std::nullopt;
}

void sockets(const evidence& at, findings& to) {
    if (!at.postfix || !at.settings) return;
    const auto* user = ::getpwnam(at.postfix->parameter("mail_owner").c_str());
    if (user == nullptr) return;
    const passwd postfix = *user;
    const fs::path queue = at.postfix->parameter("queue_directory");
    std::vector<std::string> all = at.settings->policyd.listen;
    for (const auto& one : at.settings->contentfilter.listen)
        all.push_back(one.substr(one.find(':') + 1));
    const auto& before = at.settings->contentfilter.listen_before_queue;
    all.insert(all.end(), before.begin(), before.end());
    for (const auto& one : all) {
        if (!one.starts_with("unix:")) continue;
        const fs::path socket = one.substr(5);
        const bool inside = socket.lexically_relative(queue).native().substr(0, 2) != "..";
        const auto wall = barrier(inside ? queue : fs::path{"/"}, socket, postfix);
        if (!wall) continue;
        std::string group = "postfix";
        if (const auto* of = ::getgrgid(postfix.pw_gid)) group = of->gr_name;
        to.push_back({{},
                      "Postfix (user " + at.postfix->parameter("mail_owner") + ") cannot get through " +
                          wall->string() + " to " + socket.string() + ".",
                      "Postfix reaches nobody there: mail is put off.",
                      *wall == socket ? "chmod 0666 " + wall->string()
                                      : "chgrp " + group + ' ' + wall->string() + " && chmod 2750 " + wall->string()});
    }
}

bool others_may(const fs::path& file, unsigned bits) {
    struct stat about {};
    return ::lstat(file.c_str(), &about) == 0 && (about.st_mode & bits) != 0;
}

/// Directories of our sockets below the queue directory that everybody may pass.
void open_directories(const evidence& at, findings& to) {
    if (!at.settings) return;
    std::vector<fs::path> told;
    std::vector<std::string> all = at.settings->policyd.listen;
    for (const auto* list : {&at.settings->contentfilter.listen, &at.settings->contentfilter.listen_before_queue,
                             &at.settings->contentfilter.listen_pipe, &at.settings->contentfilter.listen_bounces})
        all.insert(all.end(), list->begin(), list->end());
    for (const auto& one : all) {
        const auto path = one.find("unix:/");
        if (path == std::string::npos) continue;
        const auto directory = fs::path{one.substr(path + 5)}.parent_path();
        struct stat about {};
        if (::stat(directory.c_str(), &about) != 0 || (about.st_mode & 0001U) == 0 ||
            std::ranges::find(told, directory) != told.end())
            continue;
        told.push_back(directory);
        to.push_back({{},
                      "Everybody may pass " + directory.string() + ", where the daemons' sockets lie.",
                      "Local users can use up policyd's connections, and ask it in others' names.",
                      "chmod o= " + directory.string()});
    }
}

void trusts_everybody(const evidence& at, findings& to) {
    if (!at.settings) return;
    for (const auto& one : at.settings->contentfilter.trusted) {
        const auto text = one.to_string();
        if (!text.ends_with("/0")) continue;
        to.push_back({{},
                      "contentfilter.trusted holds " + text + ": everybody.",
                      "Every host that reaches the filter's port gets its mail sent, and signed where a key fits.",
                      "postsluice config set contentfilter.trusted '[\"ADDRESS OF YOUR POSTFIX\"]'"});
    }
}

void private_keys(const evidence& at, findings& to) {
    if (!at.settings) return;
    std::error_code error;
    for (fs::recursive_directory_iterator
             it{at.settings->dkim.directory, fs::directory_options::skip_permission_denied, error},
         end;
         !error && it != end; it.increment(error)) {
        if (it->path().extension() != ".pem" || !others_may(it->path(), 0077)) continue;
        to.push_back({{},
                      "The DKIM key " + it->path().string() + " can be read or written by others than its owner.",
                      "Whoever can read it can sign as the domain.",
                      "chmod 0600 " + it->path().string()});
    }
}

void state_files(const evidence& at, findings& to) {
    if (!at.settings) return;
    const auto& directory = at.settings->state.directory;
    if (others_may(directory, 0007))
        to.push_back({{},
                      "The state directory " + directory.string() + " is open to everybody.",
                      "It holds who sends what to whom, and the keys that make tickets.",
                      "chmod o= " + directory.string()});
    for (const char* name : {"ticket.keys", "hash.key"})
        if (others_may(directory / name, 0007))
            to.push_back({{},
                          (directory / name).string() + " can be read or written by everybody.",
                          "Whoever can read the keys of tickets can send as any account.",
                          "chmod o= " + (directory / name).string()});
    const auto& record = at.settings->policyd.record;
    if (!record.empty() && others_may(record, 0077))
        to.push_back({{},
                      "The record " + record.string() + " can be read by others than its owner.",
                      "It holds logins and addresses: personal data.",
                      "chmod 0600 " + record.string()});
}

void disk_space(const evidence& at, findings& to) {
    if (!at.settings) return;
    std::vector<fs::path> places{at.settings->state.directory, at.settings->quarantine.directory,
                                 at.settings->contentfilter.spool_directory};
    if (at.postfix) places.emplace_back(at.postfix->parameter("queue_directory"));
    std::vector<unsigned long> told;
    for (const auto& place : places) {
        struct statvfs room {};
        if (::statvfs(place.c_str(), &room) != 0 || std::ranges::find(told, room.f_fsid) != told.end()) continue;
        const auto free = std::uint64_t{room.f_bavail} * room.f_frsize;
        if (free >= room_least) continue;
        told.push_back(room.f_fsid);
        to.push_back({{},
                      "The disk of " + place.string() + " has " + say_size(free) + " left.",
                      "When it is full nothing can be recorded, quarantined or queued: mail is put off.",
                      "df -h " + place.string() + ", then make room"});
    }
}

constexpr diagnosis table[] = {
    {"socket-permissions", "May Postfix reach the daemons' sockets?", sockets},
    {"sockets-open", "May nobody else use them?", open_directories},
    {"filter-trusts-everybody", "May only known hosts use the filter's port?", trusts_everybody},
    {"key-permissions", "Are private keys private?", private_keys},
    {"state-permissions", "Is the state private?", state_files},
    {"disk-space", "Is there room on the disks?", disk_space},
};

} // namespace

std::span<const diagnosis> file_diagnoses() {
    return table;
}

} // namespace postsluice::admin::doctor
