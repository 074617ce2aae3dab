// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/trial.hpp"

#include "admin/atomic_file.hpp"
#include "admin/doctor/run.hpp"
#include "admin/setup/scratch.hpp"
#include "admin/setup/smtp_talk.hpp"
#include "admin/setup/trial_config.hpp"
#include "admin/setup/wait.hpp"
#include "shared/core/text.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace postsluice::admin::setup {
namespace {

namespace fs = std::filesystem;

/// Seconds, for master(8) -e: it ends by itself after the longest trial there can be, whatever becomes of us.
std::string lifetime(const config::setup_settings& bounds) {
    constexpr int replies = 20; // of two dialogues
    return std::to_string((bounds.start_timeout + bounds.message_timeout + replies * bounds.reply_timeout).count());
}

/// The filter's way back leads here while this lives, where it leads nowhere else: Postfix makes that socket only when
/// it has the service.
class way_back {
public:
    way_back(fs::path from, const fs::path& to, const config::setup_settings& bounds)
        : link_{std::move(from)} {
        if (smtp_talk::over_unix(link_, bounds)) return; // in use: not ours to bend
        const auto beside = link_.string() + ".trial";
        ::unlink(beside.c_str());
        laid_ = ::symlink(to.c_str(), beside.c_str()) == 0 && ::rename(beside.c_str(), link_.c_str()) == 0;
        if (laid_) return;
        trouble_ = link_.string() + ": " + std::strerror(errno);
        ::unlink(beside.c_str());
    }
    way_back(const way_back&) = delete;
    way_back& operator=(const way_back&) = delete;
    ~way_back() {
        if (laid_) ::unlink(link_.c_str());
    }
    [[nodiscard]] bool laid() const noexcept { return laid_; }
    [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }

private:
    fs::path link_;
    bool laid_ = false;
    std::string trouble_;
};

class trial {
public:
    trial(const instance& real, const file_set& wanted, way w, const site& s,
          const std::function<std::optional<std::int64_t>()>& asked, trial_place at,
          const config::setup_settings& bounds)
        : real_{real}
        , wanted_{wanted}
        , way_{w}
        , site_{s}
        , asked_{asked}
        , at_{std::move(at)}
        , bounds_{bounds} {}

    trial_outcome run() {
        if (copy_is_good() && prepare()) {
            auto master = child::start({real_.facts().parameter("daemon_directory") + "/master", "-c",
                                        at_.etc().string(), "-e", lifetime(bounds_)},
                                       bounds_.stop_timeout);
            const way_back back{real_.queue_directory() / "public/postsluice-reentry", at_.reentry(), bounds_};
            if (!master)
                fail("master(8): " + master.error().message());
            else if (!back.trouble().empty())
                fail(back.trouble());
            else if (comes_up(*master))
                converse(leads_here(site_, reentry_name) && back.laid());
        }
        return std::move(out_);
    }

private:
    bool fail(std::string why) {
        if (out_.failed.empty()) out_.failed = std::move(why);
        return false;
    }
    bool pass(std::string what) {
        out_.passed.push_back(std::move(what));
        return true;
    }

    /// The files, and beside them whatever else lies in the real directory.
    bool put(const fs::path& directory, const file_set& files) {
        std::error_code error;
        fs::create_directories(directory, error);
        for (const auto& [name, text] : files) {
            if (!(std::ofstream{directory / name, std::ios::binary} << text).flush())
                return fail((directory / name).string() + " cannot be written");
            // Postfix's programs wait 2 s for a main.cf that is newer, lest it be half written (dict_load_file(3))
            fs::last_write_time(directory / name, fs::file_time_type::clock::now() - std::chrono::seconds{10}, error);
        }
        for (const auto& one : fs::directory_iterator{real_.config_directory(), error})
            if (!files.contains(one.path().filename().string()))
                fs::create_symlink(one.path(), directory / one.path().filename(), error);
        return true;
    }

    bool copy_is_good() {
        const auto copy = at_.directory / "copy";
        if (!put(copy, wanted_)) return false;
        for (const std::vector<std::string>& one : {std::vector<std::string>{"postconf", "-c", copy.string(), "-M"},
                                                    {"postfix", "-c", copy.string(), "check"}})
            if (auto done = doctor::run(one); !done)
                return fail('`' + one.front() + ' ' + one.back() +
                            "` on a copy of the configuration: " + done.error().message());
        return pass("`postfix check` finds nothing wrong with a copy of the new configuration");
    }

    bool prepare() {
        if (!put(at_.etc(), trial_files(wanted_, way_, site_, at_))) return false;
        std::error_code error;
        fs::create_directories(at_.queue(), error);
        fs::create_directory(at_.directory / "data", error);
        const auto* owner = ::getpwnam(real_.facts().parameter("mail_owner").c_str());
        if (owner == nullptr || ::chown((at_.directory / "data").c_str(), owner->pw_uid, owner->pw_gid) != 0)
            return fail("the user mail_owner of Postfix does not exist");
        // Makes the queue's directories.
        if (auto done = doctor::run({"postfix", "-c", at_.etc().string(), "check"}); !done)
            return fail("a private Postfix: " + done.error().message());
        fs::create_symlink(real_.queue_directory() / "postsluice", at_.queue() / "postsluice", error);
        return true;
    }

    bool comes_up(child& master) {
        const bool up = wait_for(bounds_.start_timeout, [&] {
            const auto talk = smtp_talk::over_unix(at_.door(), bounds_);
            return talk.has_value() || !master.alive();
        });
        if (!up || !master.alive()) return fail("a private Postfix does not start: " + last_complaint());
        return true;
    }

    /// As an account; and where its rules refuse the trial message, as an unknown client, of whom they ask nothing.
    void converse(bool through) {
        for (const bool login : {true, false}) {
            auto talk = smtp_talk::over_unix(at_.door(), bounds_);
            if (!talk) return void(fail(talk.error().message()));
            if (!greet(*talk, login)) return;
            const auto before = asked_();
            const auto answer = ask(*talk);
            if (!answer) return;
            if (answer->ok()) {
                if (!was_asked(before)) return void(fail("Postfix took a recipient and did not ask policyd"));
                pass("policyd answers Postfix about a recipient");
                if (through)
                    send(*talk);
                else
                    pass("no message was sent through: the way back is in use, or leads elsewhere");
                return;
            }
            if (answer->text().find("4.3.5") != std::string::npos)
                return void(fail("Postfix does not reach policyd: " + answer->text()));
            pass("policyd refuses the trial message by its rules (" + answer->text() + ")");
        }
        fail("policyd refuses mail of a client that is no account of ours");
    }

    bool was_asked(std::optional<std::int64_t> before) {
        const auto now = asked_();
        return !before || !now || *now > *before;
    }

    std::optional<smtp::reply> said(result<smtp::reply> answer, const std::string& what) {
        if (answer) return std::move(*answer);
        fail(what + ": " + answer.error().message() + "; " + last_complaint());
        return std::nullopt;
    }

    bool greet(smtp_talk& talk, bool login) {
        std::vector<std::string> commands{"EHLO postsluice-setup.invalid"};
        if (login) commands.push_back("XCLIENT LOGIN=" + at_.address), commands.push_back(commands.front());
        auto answer = said(talk.greeting(), "the greeting of smtpd");
        for (const auto& one : commands) {
            if (answer && !answer->ok()) fail("smtpd: " + answer->text());
            if (!answer || !answer->ok()) return false;
            answer = said(talk.say(one), one);
        }
        return answer && (answer->ok() || fail("EHLO: " + answer->text()));
    }

    std::optional<smtp::reply> ask(smtp_talk& talk) {
        const auto from = said(talk.say("MAIL FROM:<" + at_.address + '>'), "MAIL");
        if (!from || !from->ok()) return from;
        return said(talk.say("RCPT TO:<" + at_.address + '>'), "RCPT");
    }

    void send(smtp_talk& talk) {
        auto answer = said(talk.say("DATA"), "DATA");
        if (answer && answer->code == 354)
            answer = said(talk.say("From: <" + at_.address + ">\r\nTo: <" + at_.address +
                                   ">\r\nSubject: postsluice setup\r\nMessage-ID: <" + std::to_string(::getpid()) +
                                   '.' + at_.directory.filename().string() + '@' + "postsluice-setup.invalid>\r\n\r\n" +
                                   "A trial message; it is discarded.\r\n."),
                          "the trial message");
        if (!answer) return;
        if (!answer->ok()) return void(fail("the trial message: " + answer->text()));
        if (!wait_for(bounds_.message_timeout, [this] { return arrived(); }) && out_.failed.empty())
            fail("the trial message went to the filter and did not come back; " + last_complaint());
        if (out_.failed.empty()) pass("a message goes through the filter, comes back, and is discarded");
    }

    std::string log_text() const {
        auto text = read_file(at_.log());
        return text ? std::move(*text) : std::string{};
    }

    /// Postfix's own word for it, or for why not.
    bool arrived() {
        const auto log = log_text();
        for (const auto line : split(log, '\n')) {
            for (const auto* status : {"status=deferred", "status=bounced"})
                if (line.find(status) != std::string::npos)
                    return fail("the trial message: " + printable(line.substr(line.find(status)))), true;
            if (line.find("/discard[") != std::string::npos && line.find("status=sent") != std::string::npos)
                return true;
        }
        return false;
    }

    /// The worst, and of several the last.
    std::string last_complaint() {
        const auto log = log_text();
        for (const auto* kind : {"panic: ", "fatal: ", "error: ", "warning: "}) {
            const auto at = log.rfind(kind);
            if (at != std::string::npos) return printable(std::string_view{log}.substr(at, log.find('\n', at) - at));
        }
        return "Postfix logged no complaint";
    }

    const instance& real_;
    const file_set& wanted_;
    way way_;
    const site& site_;
    const std::function<std::optional<std::int64_t>()>& asked_;
    trial_place at_;
    config::setup_settings bounds_;
    trial_outcome out_;
};

} // namespace

trial_outcome try_out(const instance& real, const file_set& wanted, way w, const site& s,
                      const std::function<std::optional<std::int64_t>()>& policyd_requests,
                      const config::setup_settings& bounds) {
    const auto place = scratch::make();
    if (!place) return {{}, "no scratch directory: " + place.error().message()};
    const auto address = "postsluice-setup@" + real.facts().parameter("myhostname");
    return trial{real, wanted, w, s, policyd_requests, {place->path(), address}, bounds}.run();
}

} // namespace postsluice::admin::setup
