// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/preflight.hpp"

#include <algorithm>
#include <pwd.h>
#include <sys/stat.h>

namespace postsluice::admin::setup {
namespace {

class looker {
public:
    looker(const config::settings& s, const instance& p, preflight& to)
        : settings_{s}
        , queue_{p.queue_directory().string()}
        , knows_{p}
        , out_{to} {}

    void where_we_are() {
        auto& here = out_.here;
        here.queue_directory = queue_;
        here.libexec_directory = settings_.contentfilter.worker.parent_path().string();
        struct stat about {};
        if (::stat(settings_.state.directory.c_str(), &about) == 0)
            if (const auto* user = ::getpwuid(about.st_uid)) here.user = user->pw_name;
        here.knows = [facts = knows_.facts()](const std::string& name) { return facts.parameters.contains(name); };
    }

    void back() {
        const auto leads = [this](const std::string& hop, const std::string& service) {
            return hop == "unix:" + queue_ + "/public/" + service;
        };
        const auto& filter = settings_.contentfilter;
        std::erase_if(out_.here.ways_back, [&](const std::string& service) {
            return !leads(service == reentry_name ? filter.next_hop : filter.hold_hop, service);
        });
        const auto ought = "unix:" + queue_ + "/public/" + std::string{reentry_name};
        if (!leads(filter.next_hop, std::string{reentry_name}))
            out_.notes.push_back("contentfilter.next_hop = " + settings_.contentfilter.next_hop +
                                 ": what was filtered does not come back to this Postfix (that would be " + ought +
                                 "), so it gets no postsluice-reentry, and no message is sent through on trial.");
    }

    void listens(const std::string& option, const std::vector<std::string>& list, const std::string& ought) {
        if (std::ranges::find(list, ought) != list.end()) return;
        std::string wanted = "[";
        for (const auto& one : list)
            wanted += '"' + one + "\", ";
        out_.obstacles.push_back(option + " lacks \"" + ought + "\": postsluice config set " + option + " '" + wanted +
                                 '"' + ought + "\"]' and restart the daemon");
    }

    void by_tcp() {
        for (const auto& one : settings_.contentfilter.listen) {
            if (!one.starts_with("smtp:inet:")) continue;
            auto host = one.substr(10, one.rfind(':') - 10);
            std::erase_if(host, [](char c) { return c == '[' || c == ']'; });
            out_.here.smtp_destination = '[' + host + "]:" + one.substr(one.rfind(':') + 1);
            return;
        }
        listens("contentfilter.listen", settings_.contentfilter.listen, "smtp:inet:127.0.0.1:10587");
    }

    void doors(way w) {
        const auto socket = [this](const char* name) { return "unix:" + queue_ + "/postsluice/" + name; };
        listens("policyd.listen", settings_.policyd.listen, socket("policyd"));
        const auto& filter = settings_.contentfilter;
        if (w == way::smtp) by_tcp();
        if (w == way::lmtp || w == way::before_queue)
            listens("contentfilter.listen", filter.listen, "lmtp:" + socket("filter"));
        if (w == way::before_queue)
            listens("contentfilter.listen_before_queue", filter.listen_before_queue, socket("before-queue"));
        if (w == way::pipe) listens("contentfilter.listen_pipe", filter.listen_pipe, socket("pipe"));
    }

private:
    const config::settings& settings_;
    std::string queue_;
    const instance& knows_;
    preflight& out_;
};

} // namespace

preflight look(const config::settings& settings, const instance& postfix, way w) {
    preflight out;
    looker at{settings, postfix, out};
    at.where_we_are();
    at.back();
    at.doors(w);
    for (const auto& other : postfix.other_instances())
        out.notes.push_back("The Postfix instance " + other + " stays as it is: setup --config-directory " + other +
                            " is for that one.");
    return out;
}

} // namespace postsluice::admin::setup
