// SPDX-License-Identifier: Apache-2.0
// Start and stop of a daemon. What needs root (dropping it) runs in a forked child, and is skipped where the tests are
// not root.
#define BOOST_TEST_DYN_LINK
#include "shared/daemon/daemon.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

namespace daemon_ = postsluice::daemon;
using namespace std::chrono_literals;

namespace {

class scratch {
public:
    scratch() {
        std::string name = "/tmp/postsluice-daemon-XXXXXX";
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
    }
    ~scratch() { std::filesystem::remove_all(path); }
    std::filesystem::path file(std::string_view name, std::string_view text) const {
        std::ofstream{path / name} << text;
        return path / name;
    }
    std::filesystem::path path;
};

struct parsed {
    std::optional<int> code;
    daemon_::start start;
    std::string out, err;
};

/// parse_arguments with what it prints caught. getopt's own messages go to the real stderr.
parsed parse(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "postsluice-test");
    std::vector<char*> argv;
    for (auto& a : arguments)
        argv.push_back(a.data());
    argv.push_back(nullptr);
    std::ostringstream out, err;
    auto* const old_out = std::cout.rdbuf(out.rdbuf());
    auto* const old_err = std::cerr.rdbuf(err.rdbuf());
    parsed p;
    p.code = daemon_::parse_arguments(static_cast<int>(arguments.size()), argv.data(), "postsluice-test", p.start);
    std::cout.rdbuf(old_out);
    std::cerr.rdbuf(old_err);
    p.out = out.str();
    p.err = err.str();
    return p;
}

std::string message_of(const std::function<void()>& what) {
    try {
        what();
    } catch (const std::runtime_error& e) {
        return e.what();
    }
    return "no exception";
}

/// Runs `what` in a child; its exit code, or 255 where it died.
int in_child(const std::function<int()>& what) {
    const pid_t pid = ::fork();
    BOOST_REQUIRE(pid >= 0);
    if (pid == 0) ::_exit(what());
    int status = 0;
    BOOST_REQUIRE(::waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

bool root() {
    return ::geteuid() == 0;
}
boost::test_tools::assertion_result is_root(boost::unit_test::test_unit_id) {
    return root();
}

} // namespace

BOOST_AUTO_TEST_SUITE(arguments)

BOOST_AUTO_TEST_CASE(without_arguments_the_default_file_is_used_and_never_root) {
    const auto p = parse({});
    BOOST_TEST(!p.code.has_value());
    BOOST_TEST(p.start.program == "postsluice-test");
    BOOST_TEST(p.start.config_file == "/etc/postsluice/postsluice.toml");
    BOOST_TEST(p.start.user == (root() ? "postsluice" : ""));
}

BOOST_AUTO_TEST_CASE(file_and_user_are_taken_and_a_relative_file_becomes_absolute) {
    const auto p = parse({"--config", "here/x.toml", "--user=mailer"});
    BOOST_TEST(!p.code.has_value());
    BOOST_TEST(p.start.config_file == std::filesystem::current_path() / "here/x.toml");
    BOOST_TEST(p.start.user == "mailer");
}

BOOST_AUTO_TEST_CASE(wrong_usage_is_exit_code_2) {
    for (const auto& arguments : std::vector<std::vector<std::string>>{
             {"--nonsense"}, {"--config"}, {"--config", ""}, {"word"}, {"--check-config=yes"}}) {
        BOOST_TEST_CONTEXT(arguments.front()) {
            const auto p = parse(arguments);
            BOOST_REQUIRE(p.code.has_value());
            BOOST_TEST(*p.code == 2);
            BOOST_TEST(p.err.find("--help") != std::string::npos);
        }
    }
}

BOOST_AUTO_TEST_CASE(what_prints_and_exits_does_so) {
    struct row {
        const char* option;
        const char* shows;
    };
    for (const auto& r : {row{"--version", "postsluice-test (postsluice) "}, row{"--help", "Exit codes:"},
                          row{"--print-defaults", "[policyd]"}, row{"--print-sample", "#"}}) {
        BOOST_TEST_CONTEXT(r.option) {
            const auto p = parse({r.option});
            BOOST_REQUIRE(p.code.has_value());
            BOOST_TEST(*p.code == 0);
            BOOST_TEST(p.out.find(r.shows) != std::string::npos);
        }
    }
}

BOOST_AUTO_TEST_CASE(check_config_prints_every_error_and_exits_78) {
    const scratch where;
    const auto file = where.file("bad.toml", "nonsense = 1\n[policyd]\nlisteen = 3\n");
    const auto p = parse({"--check-config", "--config", file.string()});
    BOOST_REQUIRE(p.code.has_value());
    BOOST_TEST(*p.code == 78);
    BOOST_TEST(p.err.find("nonsense") != std::string::npos);
    BOOST_TEST(p.err.find("listeen") != std::string::npos);
    BOOST_TEST(p.err.find(file.string() + ":1:") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(check_config_accepts_a_good_file) {
    const scratch where;
    const auto file = where.file("good.toml", "hostname = \"mail.example.org\"\n");
    const auto p = parse({"--config", file.string(), "--check-config"});
    BOOST_REQUIRE(p.code.has_value());
    BOOST_TEST(*p.code == 0, p.err);
    BOOST_TEST(p.out.find("no errors") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_not_there_is_an_error_of_the_configuration) {
    const auto p = parse({"--check-config", "--config", "/nonexistent/postsluice.toml"});
    BOOST_REQUIRE(p.code.has_value());
    BOOST_TEST(*p.code == 78);
    BOOST_TEST(p.err.find("/nonexistent/postsluice.toml") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(instance)

BOOST_AUTO_TEST_CASE(a_second_instance_is_refused_with_the_pid_of_the_first) {
    const scratch where;
    auto first = std::make_unique<daemon_::single_instance>(where.path, "postsluice-test");
    const auto message = message_of([&] { const daemon_::single_instance second{where.path, "postsluice-test"}; });
    BOOST_TEST(message.find("pid " + std::to_string(::getpid())) != std::string::npos, message);
    // The other daemon works on the same directory.
    BOOST_CHECK_NO_THROW((daemon_::single_instance{where.path, "postsluice-other"}));
    first.reset();
    BOOST_CHECK_NO_THROW((daemon_::single_instance{where.path, "postsluice-test"}));
}

BOOST_AUTO_TEST_CASE(a_killed_instance_leaves_no_lock) {
    const scratch where;
    int ready[2];
    BOOST_REQUIRE(::pipe(ready) == 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
        const daemon_::single_instance held{where.path, "postsluice-test"};
        (void)!::write(ready[1], "x", 1);
        for (;;)
            ::pause();
    }
    char byte = 0;
    BOOST_REQUIRE(::read(ready[0], &byte, 1) == 1);
    const auto message = message_of([&] { const daemon_::single_instance second{where.path, "postsluice-test"}; });
    BOOST_TEST(message.find("pid " + std::to_string(pid)) != std::string::npos, message);
    ::kill(pid, SIGKILL);
    BOOST_REQUIRE(::waitpid(pid, nullptr, 0) == pid);
    BOOST_CHECK_NO_THROW((daemon_::single_instance{where.path, "postsluice-test"}));
    ::close(ready[0]);
    ::close(ready[1]);
}

BOOST_AUTO_TEST_CASE(the_lock_follows_no_link_and_takes_no_foreign_file) {
    const scratch where;
    const auto victim = where.file("victim", "precious");
    std::filesystem::create_symlink(victim, where.path / "soft.lock");
    std::filesystem::create_hard_link(victim, where.path / "hard.lock");
    BOOST_CHECK_THROW((daemon_::single_instance{where.path, "soft"}), std::runtime_error);
    BOOST_CHECK_THROW((daemon_::single_instance{where.path, "hard"}), std::runtime_error);
    std::string text;
    std::ifstream{victim} >> text;
    BOOST_TEST(text == "precious");
}

BOOST_AUTO_TEST_CASE(a_state_directory_that_is_not_there_is_named) {
    const auto message = message_of([] { const daemon_::single_instance s{"/nonexistent/state", "postsluice-test"}; });
    BOOST_TEST(message.find("/nonexistent/state") != std::string::npos, message);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(privileges)

BOOST_AUTO_TEST_CASE(a_directory_is_made_with_its_mode_whatever_the_umask) {
    const scratch where;
    const mode_t old = ::umask(0077);
    daemon_::prepare_directory(where.path / "a/b/c", "", 0770);
    ::umask(old);
    struct ::stat there {};
    BOOST_REQUIRE(::stat((where.path / "a/b/c").c_str(), &there) == 0);
    BOOST_TEST((there.st_mode & 07777) == 0770U);
    BOOST_TEST(there.st_uid == ::geteuid());
}

BOOST_AUTO_TEST_CASE(a_directory_that_exists_is_left_as_it_is) {
    const scratch where;
    BOOST_REQUIRE(::chmod(where.path.c_str(), 0751) == 0);
    daemon_::prepare_directory(where.path, "", 0770);
    struct ::stat there {};
    BOOST_REQUIRE(::stat(where.path.c_str(), &there) == 0);
    BOOST_TEST((there.st_mode & 07777) == 0751U);
}

BOOST_AUTO_TEST_CASE(a_file_in_the_place_of_a_directory_is_named) {
    const scratch where;
    const auto file = where.file("file", "x");
    for (const auto& path : {file, file / "below"}) {
        BOOST_TEST_CONTEXT(path) {
            const auto message = message_of([&] { daemon_::prepare_directory(path, "", 0770); });
            BOOST_TEST(message.find(file.string()) != std::string::npos, message);
        }
    }
}

BOOST_AUTO_TEST_CASE(without_root_staying_who_we_are_is_no_work) {
    const int code = in_child([] {
        const passwd* nobody = ::getpwnam("nobody");
        if (root() &&
            (::setgroups(0, nullptr) != 0 || ::setresgid(nobody->pw_gid, nobody->pw_gid, nobody->pw_gid) != 0 ||
             ::setresuid(nobody->pw_uid, nobody->pw_uid, nobody->pw_uid) != 0))
            return 10;
        const std::string self = ::getpwuid(::getuid())->pw_name;
        daemon_::drop_privileges("");
        daemon_::drop_privileges(self);
        if (message_of([] { daemon_::drop_privileges("root"); }).find("only root can") == std::string::npos) return 11;
        return 0;
    });
    BOOST_TEST(code == 0);
}

BOOST_AUTO_TEST_CASE(root_is_given_up_for_good_with_the_users_groups, *boost::unit_test::precondition(is_root)) {
    const int code = in_child([] {
        const passwd* user = ::getpwnam("daemon");
        gid_t expected[64];
        int count = 64;
        if (::getgrouplist("daemon", user->pw_gid, expected, &count) < 0) return 10;
        const gid_t root_group = 0;
        if (::setgroups(1, &root_group) != 0) return 11;
        daemon_::drop_privileges("daemon");
        if (::getuid() != user->pw_uid || ::geteuid() != user->pw_uid || ::getegid() != user->pw_gid) return 12;
        if (::setuid(0) == 0 || ::setgid(0) == 0) return 13;
        gid_t groups[64];
        const int have = ::getgroups(64, groups);
        for (int i = 0; i < have; ++i) {
            if (std::find(expected, expected + count, groups[i]) == expected + count) return 14;
        }
        return have == count ? 0 : 15;
    });
    BOOST_TEST(code == 0);
}

BOOST_AUTO_TEST_CASE(root_is_refused_in_every_guise, *boost::unit_test::precondition(is_root)) {
    for (const char* user : {"", "root", "no-such-user-here"}) {
        BOOST_TEST_CONTEXT("user \"" << user << "\"") {
            const int code = in_child(
                [user] { return message_of([user] { daemon_::drop_privileges(user); }) == "no exception" ? 1 : 0; });
            BOOST_TEST(code == 0);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_directory_made_by_root_belongs_to_the_user, *boost::unit_test::precondition(is_root)) {
    const scratch where;
    daemon_::prepare_directory(where.path / "state", "daemon", 0770);
    struct ::stat there {};
    BOOST_REQUIRE(::stat((where.path / "state").c_str(), &there) == 0);
    BOOST_TEST(there.st_uid == ::getpwnam("daemon")->pw_uid);
    BOOST_TEST(there.st_gid == ::getpwnam("daemon")->pw_gid);
    BOOST_CHECK_THROW(daemon_::prepare_directory(where.path / "other", "no-such-user-here", 0770), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(a_lock_made_by_root_can_be_taken_by_the_user_later, *boost::unit_test::precondition(is_root)) {
    const scratch where;
    daemon_::prepare_directory(where.path / "state", "daemon", 0770);
    BOOST_REQUIRE(::chmod(where.path.c_str(), 0755) == 0);
    { const daemon_::single_instance by_root{where.path / "state", "postsluice-test"}; }
    const int code = in_child([&where] {
        daemon_::drop_privileges("daemon");
        const auto message = message_of([&where] {
            const daemon_::single_instance again{where.path / "state", "postsluice-test"};
        });
        return message == "no exception" ? 0 : 1;
    });
    BOOST_TEST(code == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(signals)

BOOST_AUTO_TEST_CASE(hangup_reloads_each_time_and_termination_stops_once) {
    for (const int last : {SIGTERM, SIGINT}) {
        BOOST_TEST_CONTEXT(last) {
            boost::asio::io_context context;
            int reloads = 0, stops = 0;
            daemon_::handle_signals(
                context,
                [&] {
                    ++stops;
                    // A second one, while we stop, must not find the default action.
                    ::raise(SIGTERM);
                    ::raise(SIGHUP);
                },
                [&] {
                    if (++reloads < 3)
                        ::raise(SIGHUP);
                    else
                        ::raise(last);
                });
            ::raise(SIGHUP);
            context.run_for(20s);
            BOOST_TEST(context.stopped()); // it ended by itself: nothing was left to wait for
            BOOST_TEST(reloads == 3);
            BOOST_TEST(stops == 1);
        }
    }
}

BOOST_AUTO_TEST_CASE(waiting_for_signals_keeps_the_context_running) {
    boost::asio::io_context context;
    daemon_::handle_signals(
        context, [] {}, [] {});
    context.run_for(10ms);
    BOOST_TEST(!context.stopped());
}

BOOST_AUTO_TEST_CASE(readiness_goes_to_the_supervisor) {
    const scratch where;
    const auto path = where.path / "notify";
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    BOOST_REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    daemon_::notify("READY=1");
    ::unsetenv("NOTIFY_SOCKET");
    daemon_::notify("STOPPING=1"); // nobody listens: no error
    char text[64] = {};
    pollfd p{fd, POLLIN, 0};
    BOOST_REQUIRE(::poll(&p, 1, 20000) == 1);
    BOOST_TEST(::recv(fd, text, sizeof text - 1, 0) == 7);
    BOOST_TEST(std::string{text} == "READY=1");
    ::close(fd);
}

BOOST_AUTO_TEST_SUITE_END()
