// SPDX-License-Identifier: Apache-2.0
// The way back from the filter into Postfix: who may use it, and what becomes there of what was signed.
#include "admin/doctor/doctor.hpp"
#include "admin/human.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <grp.h>
#include <pwd.h>
#include <sstream>
#include <sys/stat.h>

namespace postsluice::admin::doctor {
namespace {

namespace fs = std::filesystem;

/// A running process, as the kernel sees it: group membership is that of its start, not that of /etc/group.
struct credentials {
    uid_t user = 0;
    std::vector<gid_t> groups;
    [[nodiscard]] bool may(const struct stat& file, unsigned wanted) const {
        if (user == 0) return true;
        unsigned bits = file.st_mode;
        if (file.st_uid == user)
            bits >>= 6U;
        else if (std::ranges::find(groups, file.st_gid) != groups.end())
            bits >>= 3U;
        return (bits & wanted) == wanted;
    }
};

std::optional<credentials> credentials_of(std::int64_t pid) {
    std::ifstream in{"/proc/" + std::to_string(pid) + "/status"};
    credentials out;
    bool seen = false;
    for (std::string line; std::getline(in, line);) {
        std::istringstream words{line};
        std::string name;
        words >> name;
        std::uint32_t number = 0;
        if (name == "Uid:") {
            words >> number >> out.user; // the effective one
            seen = true;
        }
        if (name == "Gid:" || name == "Groups:")
            while (words >> number)
                out.groups.push_back(number);
    }
    return seen ? std::optional{out} : std::nullopt;
}

fs::path socket_of(const evidence& at, const postfix_service& back) {
    return fs::path{at.postfix->parameter("queue_directory")} / "public" / back.name;
}

void unreachable(const evidence& at, findings& to) {
    const auto* back = reentry_service(at);
    if (back == nullptr || back->type == "inet" || !at.filter) return;
    const auto process = credentials_of(number_of(*at.filter, "pid", -1));
    if (!process) return;
    const auto socket = socket_of(at, *back);
    struct stat about {};
    for (const auto& [place, wanted] : {std::pair{socket.parent_path().parent_path(), 1U},
                                        std::pair{socket.parent_path(), 1U}, std::pair{socket, 2U}}) {
        if (::stat(place.c_str(), &about) != 0 || process->may(about, wanted)) continue;
        const auto* user = ::getpwuid(process->user);
        const auto* group = ::getgrgid(about.st_gid);
        const std::string who = user != nullptr ? user->pw_name : std::to_string(process->user);
        to.push_back({{},
                      "The filter (user " + who + ") cannot get through " + place.string() + " to the way back, " +
                          socket.string() + ".",
                      "What was filtered cannot go on, and waits in the queue.",
                      "usermod -aG " + (group != nullptr ? std::string{group->gr_name} : "postdrop") + ' ' + who +
                          " && systemctl restart postsluice-contentfilter postsluice-policyd"});
        return;
    }
}

void open_to_others(const evidence& at, findings& to) {
    const auto* back = reentry_service(at);
    if (back == nullptr || back->type == "inet") return;
    const auto directory = socket_of(at, *back).parent_path();
    const std::string why = "Who reaches it sends past the limits and the filter, as anybody.";
    struct stat about {};
    if (::stat(directory.c_str(), &about) == 0 && (about.st_mode & 0001U) != 0)
        to.push_back({{},
                      "Everybody may pass " + directory.string() + ", where the way back from the filter lies.",
                      why,
                      "chmod o= " + directory.string()});
    const auto* group = ::getgrnam(at.postfix->parameter("setgid_group").c_str());
    if (group == nullptr || !at.settings) return;
    struct stat ours {};
    const bool known = ::stat(at.settings->state.directory.c_str(), &ours) == 0;
    const std::string name = group->gr_name;
    for (char** member = group->gr_mem; *member != nullptr; ++member) {
        const std::string who = *member;
        const auto* user = ::getpwnam(who.c_str());
        if (user == nullptr || user->pw_uid == 0 || (known && user->pw_uid == ours.st_uid)) continue;
        to.push_back({{},
                      "The user " + who + " is in the group " + name + ", and so may use the way back.",
                      why,
                      "gpasswd -d " + who + ' ' + name});
    }
}

std::string set_option(const evidence& at, const postfix_service& service, const std::string& option) {
    return at.postfix->postconf() + " -P '" + service.label() + '/' + option + "' && " + at.postfix->reload();
}

void rewrites(const evidence& at, findings& to) {
    const auto* back = reentry_service(at);
    if (back == nullptr) return;
    const std::string why = "What Postfix changes after the filter breaks the signature.";
    const auto& options = at.postfix->parameter(*back, "receive_override_options");
    for (const char* one : {"no_header_body_checks", "no_milters", "no_address_mappings"})
        if (options.find(one) == std::string::npos) {
            to.push_back({{},
                          "The way back, " + back->label() + ", lacks " + one + " in receive_override_options.",
                          why,
                          set_option(at, *back,
                                     "receive_override_options=no_unknown_recipient_checks,no_header_body_checks,no_"
                                     "milters,no_address_mappings")});
            break;
        }
    if (const auto& clients = at.postfix->parameter(*back, "local_header_rewrite_clients"); !clients.empty())
        to.push_back({{},
                      "The way back, " + back->label() + ", has local_header_rewrite_clients = " + clients + ".",
                      why,
                      set_option(at, *back, "local_header_rewrite_clients=")});
}

// smtpd calls a client on a unix socket 127.0.0.1, or ::1 where Postfix has no IPv4 (smtpd_peer.c).
void refuses(const evidence& at, findings& to) {
    const auto* back = reentry_service(at);
    if (back == nullptr || back->type == "inet") return;
    const bool six = at.postfix->parameter("inet_protocols") == "ipv6";
    const auto& networks = at.postfix->parameter(*back, "mynetworks");
    if (networks.find(six ? "::1]" : "127.0.0.") != std::string::npos ||
        networks.find("0.0.0.0/0") != std::string::npos)
        return;
    to.push_back({{},
                  "The way back, " + back->label() + ", has mynetworks = " + networks +
                      ", without the address that Postfix gives clients on unix sockets (" +
                      (six ? "::1" : "127.0.0.1") + ").",
                  "It refuses what was filtered, and the filter passes that on: mail bounces.",
                  set_option(at, *back, "mynetworks=127.0.0.0/8,[::1]/128")});
}

/// A number of octets of postconf(5); 0, none: nothing is too large. nullopt: it is none.
std::optional<std::uint64_t> octets(const std::string& text) {
    std::uint64_t out = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return out == 0 ? ~std::uint64_t{0} : out;
}

/// Where the way back and its cleanup(8) take less than what may come, "NAME has option = value"; empty: nowhere.
std::string too_small(const evidence& at, const postfix_service& back, const postfix_service& cleanup) {
    constexpr std::uint64_t grows = 65536; // Received, signatures, lines that are broken: a few KB
    const auto& postfix = *at.postfix;
    const auto field = at.settings->contentfilter.max_header.value;
    const auto limit = octets(postfix.parameter(cleanup, "header_size_limit"));
    if (limit && *limit < field + field / 256) // a long field is broken into lines
        return cleanup.label() + " has header_size_limit = " + postfix.parameter(cleanup, "header_size_limit");
    const auto let_in = octets(postfix.parameter("message_size_limit"));
    for (const auto* one : {&back, &cleanup}) {
        const auto taken = octets(postfix.parameter(*one, "message_size_limit"));
        if (let_in && taken && *taken != ~std::uint64_t{0} && (*taken < grows || *taken - grows < *let_in))
            return one->label() + " has message_size_limit = " + postfix.parameter(*one, "message_size_limit");
    }
    return {};
}

void bounds(const evidence& at, findings& to) {
    if (!at.postfix || !at.settings) return;
    const auto* first = reentry_service(at);
    const auto* second = service_behind(at, at.settings->contentfilter.hold_hop);
    for (const auto* back : {first, second == first ? nullptr : second}) {
        if (back == nullptr) continue;
        const auto& name = at.postfix->parameter(*back, "cleanup_service_name");
        const auto cleanup = std::ranges::find_if(
            at.postfix->services, [&](const postfix_service& one) { return one.name == name && one.type == "unix"; });
        if (cleanup == at.postfix->services.end()) continue;
        const auto small = too_small(at, *back, *cleanup);
        if (small.empty()) continue;
        const auto set = at.postfix->postconf() + " -P '";
        const std::string ours = "postsluice-cleanup/unix";
        to.push_back(
            {{},
             "Behind the way back, " + back->label() + ", " + small + '.',
             "The filter adds to a message and breaks long lines: what is near Postfix's limit bounces there, and a "
             "header field that is cut there breaks its signature.",
             at.postfix->postconf() + " -M '" + ours + "=postsluice-cleanup unix n - " +
                 (cleanup->chrooted ? 'y' : 'n') + " - 0 cleanup' && " + set + ours + "/message_size_limit=0' '" +
                 ours + "/header_size_limit=" + std::to_string(2 * at.settings->contentfilter.max_header.value) +
                 "' '" + back->label() + "/cleanup_service_name=postsluice-cleanup' '" + back->label() +
                 "/message_size_limit=0' && " + at.postfix->reload()});
    }
}

constexpr diagnosis table[] = {
    {"reentry-permissions", "May the filter use the way back?", unreachable},
    {"reentry-open", "May nobody else use it?", open_to_others},
    {"reentry-rewrites", "Does what was signed stay as it is there?", rewrites},
    {"reentry-refuses", "Does it take what the filter brings?", refuses},
    {"reentry-bounds", "Does it take that where it is long?", bounds},
};

} // namespace

std::span<const diagnosis> way_back_diagnoses() {
    return table;
}

} // namespace postsluice::admin::doctor
