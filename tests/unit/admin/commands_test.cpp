// SPDX-License-Identifier: Apache-2.0
// The whole command against control servers that give prepared answers: what it asks, prints and exits with.
#define BOOST_TEST_DYN_LINK
#include "admin/command.hpp"
#include "admin/command_line.hpp"
#include "shared/control/control.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

namespace control = postsluice::control;
namespace asio = boost::asio;
using namespace postsluice;
using nlohmann::json;

namespace {

class scratch {
public:
    scratch() {
        std::string name = "/tmp/postsluice-admin-XXXXXX";
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

/// One daemon's socket. Answers by verb; a failure where the answer is a string ("not-found").
class stand_in {
public:
    stand_in(const std::filesystem::path& socket, std::map<std::string, json> answers)
        : server_{context_.get_executor(), socket, "", 24U << 20U}
        , answers_{std::move(answers)} {
        for (const auto& [verb, answer] : answers_)
            server_.on(verb, [this](control::request_context, std::shared_ptr<const json> request) {
                return reply(this, request);
            });
        server_.start();
        thread_ = std::thread{[this] { context_.run(); }};
    }
    ~stand_in() {
        server_.stop();
        context_.stop();
        thread_.join();
    }
    stand_in(const stand_in&) = delete;
    stand_in& operator=(const stand_in&) = delete;
    /// The last request, without its verb.
    json asked() {
        const std::lock_guard guard{mutex_};
        return last_;
    }

private:
    static asio::awaitable<result<json>> reply(stand_in* self, std::shared_ptr<const json> request) {
        const std::string verb = request->at("verb").get<std::string>();
        {
            const std::lock_guard guard{self->mutex_};
            self->last_ = *request;
            self->last_.erase("verb");
        }
        const json& answer = self->answers_.at(verb);
        if (answer.is_string()) co_return failure{*control::parse_code(answer.get<std::string>()), verb + " failed"};
        co_return control::success(answer);
    }

    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
    control::server server_;
    std::map<std::string, json> answers_;
    std::mutex mutex_;
    json last_;
    std::thread thread_;
};

struct outcome {
    int code;
    std::string out, err;
};

outcome run(std::vector<std::string> words) {
    words.insert(words.begin(), "postsluice");
    std::vector<const char*> argv;
    for (const auto& w : words)
        argv.push_back(w.c_str());
    std::ostringstream out, err;
    manual_clock time; // 2026-01-01T00:00:00Z
    const int code = admin::run_command_line(static_cast<int>(argv.size()), argv.data(), out, err, time);
    return {code, out.str(), err.str()};
}

bool has(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

const json use_full = {{"limit", "300 recipients per hour"},
                       {"subject", "recipients per hour"},
                       {"unit", "recipients"},
                       {"period", 3600},
                       {"count", 300},
                       {"used", 300},
                       {"frees", "2026-01-01T00:06:52Z"},
                       {"frees_in", 412}};
const json lock_timed = {
    {"account", "bob@example.org"},    {"locked", true},     {"kind", "timed"},       {"since", "2025-12-31T23:50:00Z"},
    {"until", "2026-01-01T00:20:00Z"}, {"cause", "2 virus"}, {"actor", "postsluice"}, {"reference", "K7QM2P4X"}};
const json refusal = {{"reference", "AAAA2222"},
                      {"reason", "limit"},
                      {"sentence", "The account reached one of its limits."},
                      {"account", "alice@example.org"},
                      {"subject", "recipients per hour"},
                      {"detail", "300 of 300 recipients"},
                      {"client", "192.0.2.1"},
                      {"sender", "alice@example.org"},
                      {"recipient", "x@example.net"},
                      {"queue_id", ""},
                      {"observed", false},
                      {"count", 3},
                      {"first", "2025-12-31T23:00:00Z"},
                      {"last", "2025-12-31T23:53:08Z"}};
const json event = {{"reference", "K7QM2P4X"},
                    {"at", "2025-12-31T23:50:00Z"},
                    {"account", "bob@example.org"},
                    {"sender", "bob@example.org"},
                    {"recipients", {"v@example.net"}},
                    {"queue_id", "4Q"},
                    {"message_id", "<1@x>"},
                    {"verdict", "quarantine"},
                    {"reason", "virus"},
                    {"sentence", "The message carries malware or an executable."},
                    {"findings", {"EICAR(20) a.txt"}},
                    {"observed", false}};
const json entry = {{"id", "K7QM2P4X"},
                    {"at", "2025-12-31T23:50:00Z"},
                    {"account", "bob@example.org"},
                    {"sender", "bob@example.org"},
                    {"recipients", {"v@example.net"}},
                    {"subject", "\x1b[31mred"},
                    {"reason", "virus"},
                    {"sentence", "Malware."},
                    {"findings", {"EICAR(20) a.txt"}},
                    {"size", 1536},
                    {"queue_id", "4Q"},
                    {"digest", "00ff"},
                    {"releasing", false}};
const json policyd_status = {{"program", "postsluice-policyd"},
                             {"version", "0.1.0"},
                             {"pid", 7},
                             {"uptime", 412},
                             {"mode", "enforce"},
                             {"on_error", "defer"},
                             {"connections", {{"now", 2}, {"limit", 4096}}},
                             {"requests", {{"total", 99}, {"violations", 0}}},
                             {"decisions", {{"accepted", 90}, {"none", 5}, {"limit", 4}}},
                             {"tickets", {{"issued", 30}, {"failed", 0}}},
                             {"notices_waiting", 0},
                             {"state", {{"healthy", true}}},
                             {"accounts", json::array({{{"account", "alice@example.org"},
                                                        {"profile", "default"},
                                                        {"last_seen", "2025-12-31T23:53:08Z"},
                                                        {"locked", false},
                                                        {"use", json::array({use_full})}}})},
                             {"locks", json::array({lock_timed})}};
const json filter_status = {{"program", "postsluice-contentfilter"},
                            {"version", "0.1.0"},
                            {"pid", 8},
                            {"uptime", 60},
                            {"mode", "observe"},
                            {"connections", {{"now", 0}, {"limit", 200}}},
                            {"messages", {{"total", 12}, {"octets", 2048}, {"in_progress", 0}}},
                            {"verdicts", {{"pass", 11}, {"quarantine", 1}, {"tag", 0}}},
                            {"keys", json::array()},
                            {"signed", 11},
                            {"next_hop", {{"address", "unix:/x"}, {"reached", nullptr}, {"error", ""}}},
                            {"quarantine", {{"entries", 1}, {"octets", 1536}, {"limit", 1048576}}},
                            {"state", {{"healthy", true}}}};

struct both {
    both(std::map<std::string, json> policyd_answers, std::map<std::string, json> filter_answers)
        : policyd{where.path / "policyd.sock", std::move(policyd_answers)}
        , filter{where.path / "contentfilter.sock", std::move(filter_answers)} {}
    outcome run(std::vector<std::string> words) const {
        words.insert(words.begin(), {"--control", where.path.string()});
        return ::run(std::move(words));
    }
    scratch where;
    stand_in policyd, filter;
};

struct only_policyd {
    explicit only_policyd(std::map<std::string, json> answers)
        : policyd{where.path / "policyd.sock", std::move(answers)} {}
    outcome run(std::vector<std::string> words) const {
        words.insert(words.begin(), {"--control", where.path.string()});
        return ::run(std::move(words));
    }
    scratch where;
    stand_in policyd;
};

} // namespace

BOOST_AUTO_TEST_SUITE(command_line)

BOOST_AUTO_TEST_CASE(wrong_usage_is_exit_code_2_and_suggests) {
    struct row {
        std::vector<std::string> words;
        const char* says;
    };
    for (const auto& r :
         {row{{}, "--help"}, row{{"acount"}, "did you mean \"account\""},
          row{{"unlok", "x"}, "did you mean \"unlock\""}, row{{"account"}, "--help"},
          row{{"account", "dance"}, "--help"}, row{{"account", "show"}, "ACCOUNT"},
          row{{"account", "show", "a", "b"}, "--help"}, row{{"status", "--wrong"}, "--wrong"},
          row{{"account", "list", "--most", "many"}, "many"}, row{{"account", "list", "--most", "0"}, "--most"}}) {
        BOOST_TEST_CONTEXT((r.words.empty() ? "nothing" : r.words.back())) {
            const auto o = run(r.words);
            BOOST_TEST(o.code == 2);
            BOOST_TEST(o.out == "");
            BOOST_TEST(has(o.err, r.says), o.err);
        }
    }
}

BOOST_AUTO_TEST_CASE(help_names_every_noun_short_form_and_exit_code) {
    const auto o = run({"--help"});
    BOOST_TEST(o.code == 0);
    for (const auto& c : admin::all_commands()) {
        BOOST_TEST(has(o.out, c.noun), c.noun);
        BOOST_TEST(has(o.out, c.short_form), c.short_form);
    }
    BOOST_TEST(has(o.out, "4 a daemon is down"));
    BOOST_TEST(has(run({"account", "lock", "--help"}).out, "--why"));
    BOOST_TEST(has(run({"--version"}).out, "postsluice 0"));
}

BOOST_AUTO_TEST_CASE(no_two_commands_have_one_name) {
    std::set<std::string> names;
    for (const auto& c : admin::all_commands()) {
        BOOST_TEST(names.insert(std::string{c.noun} + " " + std::string{c.verb}).second, c.noun);
        if (!c.short_form.empty()) BOOST_TEST(names.insert(std::string{c.short_form} + " ").second, c.short_form);
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(commands)

BOOST_AUTO_TEST_CASE(status_shows_accounts_use_locks_and_verdicts) {
    const both daemons{{{"status", policyd_status}}, {{"status", filter_status}}};
    const auto o = daemons.run({"status"});
    BOOST_TEST(o.code == 0, o.err);
    for (const char* part :
         {"postsluice-policyd 0.1.0: up 6 min 52 s", "4 limit", "alice@example.org",
          "300 of 300 recipients per hour (next in 6 min 52 s)", "6 min 52 s ago", "bob@example.org", "2 virus",
          "in 20 min", "11 pass, 1 quarantine", "observing", "1 message, 1.5 KiB of 1.0 MiB"})
        BOOST_TEST(has(o.out, part), part << " is missing in\n" << o.out);
}

BOOST_AUTO_TEST_CASE(status_works_with_one_daemon_down_says_so_and_exits_4) {
    const only_policyd one{{{"status", policyd_status}}};
    const auto o = one.run({"status"});
    BOOST_TEST(o.code == 4);
    BOOST_TEST(has(o.out, "alice@example.org"));
    BOOST_TEST(has(o.err, "postsluice-contentfilter does not answer on " +
                              (one.where.path / "contentfilter.sock").string() + ": is it running?"),
               o.err);
    const auto j = one.run({"status", "--json"});
    BOOST_TEST(j.code == 4);
    const json merged = json::parse(j.out);
    BOOST_TEST(merged.at("ok") == false);
    BOOST_TEST(merged.at("policyd").at("pid") == 7);
    BOOST_TEST(merged.at("contentfilter").at("code") == "unavailable");
}

BOOST_AUTO_TEST_CASE(empty_tables_say_so) {
    const both daemons{{{"status", json::object()}, {"account list", json::object()}, {"limit list", json::object()}},
                       {{"status", json::object()}, {"quarantine list", json::object()}}};
    BOOST_TEST(has(daemons.run({"status"}).out, "No account is locked."));
    BOOST_TEST(has(daemons.run({"account", "list"}).out, "No account has sent anything"));
    BOOST_TEST(has(daemons.run({"limit", "list"}).out, "There are no profiles."));
    BOOST_TEST(has(daemons.run({"quarantine", "list"}).out, "The quarantine is empty."));
}

BOOST_AUTO_TEST_CASE(why_explains_a_refusal) {
    const both daemons{{{"why", {{"kind", "refusal"}, {"refusal", refusal}, {"lock", nullptr}}}},
                       {{"why", "not-found"}}};
    const auto o = daemons.run({"why", "aaaa2222"});
    BOOST_TEST(o.code == 0, o.err);
    BOOST_TEST(has(o.out, "The account reached one of its limits."));
    BOOST_TEST(has(o.out, "recipients per hour"));
    BOOST_TEST(o.err == "");
    const json merged = json::parse(daemons.run({"why", "AAAA2222", "--json"}).out);
    BOOST_TEST(merged.at("reference") == "AAAA2222");
    BOOST_TEST(merged.at("policyd").at("refusal").at("count") == 3);
    BOOST_TEST(merged.at("contentfilter").is_null());
}

BOOST_AUTO_TEST_CASE(why_shows_the_message_and_the_lock_that_it_caused) {
    both daemons{{{"why", {{"kind", "lock"}, {"lock", lock_timed}}}},
                 {{"why", {{"kind", "message"}, {"event", event}, {"quarantined", entry}}}}};
    const auto o = daemons.run({"why", "k7qm2p4x"});
    BOOST_TEST(o.code == 0, o.err);
    for (const char* part : {"The message carries malware", "EICAR(20) a.txt", "postsluice release K7QM2P4X --force",
                             "2 virus", "postsluice unlock bob@example.org"})
        BOOST_TEST(has(o.out, part), part << " is missing in\n" << o.out);
    BOOST_TEST(daemons.policyd.asked() == json({{"ref", "K7QM2P4X"}}));
    BOOST_TEST(daemons.filter.asked() == json({{"ref", "K7QM2P4X"}}));
}

BOOST_AUTO_TEST_CASE(an_unknown_reference_is_exit_3_but_4_where_a_daemon_that_is_down_might_know_it) {
    const both daemons{{{"why", "not-found"}}, {{"why", "not-found"}}};
    BOOST_TEST(daemons.run({"why", "K7QM2P4X"}).code == 3);
    const only_policyd one{{{"why", "not-found"}}};
    const auto o = one.run({"why", "K7QM2P4X"});
    BOOST_TEST(o.code == 4);
    BOOST_TEST(has(o.err, "postsluice-contentfilter does not answer"));
    BOOST_TEST(daemons.run({"why", "no ref"}).code == 2);
}

BOOST_AUTO_TEST_CASE(why_answers_from_one_daemon_while_the_other_is_down) {
    const only_policyd one{{{"why", {{"kind", "refusal"}, {"refusal", refusal}, {"lock", nullptr}}}}};
    const auto o = one.run({"why", "AAAA2222"});
    BOOST_TEST(o.code == 0);
    BOOST_TEST(has(o.err, "postsluice-contentfilter does not answer"));
}

BOOST_AUTO_TEST_CASE(account_verbs_ask_for_what_was_said_and_short_forms_are_the_same) {
    const json open = {{"account", "bob@example.org"}, {"was_locked", true}, {"lock", {{"locked", false}}}};
    const json locked = {{"account", "bob@example.org"}, {"lock", {{"locked", true}, {"kind", "manual"}}}},
               struck = {{"account", "bob@example.org"}, {"strike", {{"kind", "complaint"}}}, {"lock", lock_timed}};
    both daemons{{{"account lock", locked},
                  {"account strike", struck},
                  {"account history", {{"account", "bob@example.org"}, {"locked", true}, {"lock", lock_timed}}},
                  {"account unlock", open},
                  {"account reset", open}},
                 {}};
    struct row {
        std::vector<std::string> words;
        json asked;
        const char* says;
    };
    const json bob = {{"account", "bob@example.org"}},
               bob_why = {{"account", "bob@example.org"}, {"why", "phone call"}};
    for (const auto& r :
         {row{{"account", "lock", "bob@example.org", "--why", "phone call"},
              bob_why,
              "is locked until somebody unlocks it"},
          row{{"lock", "bob@example.org", "--why", "phone call"}, bob_why, "is locked until somebody unlocks it"},
          row{{"lock", "domain:example.org", "--for", "2 hours"},
              {{"account", "domain:example.org"}, {"for", "2 hours"}},
              "is locked until somebody unlocks it"},
          row{{"account", "strike", "bob@example.org", "--kind", "complaint", "--weight", "3", "--why", "called"},
              {{"account", "bob@example.org"}, {"kind", "complaint"}, {"weight", 3}, {"why", "called"}},
              "A strike for complaint is held against bob@example.org; it is locked until 2026-01-01 00:20:00Z"},
          row{{"account", "history", "bob@example.org"},
              {{"account", "bob@example.org"}, {"most", 50}},
              "bob@example.org is locked until 2026-01-01 00:20:00Z"},
          row{{"unlock", "bob@example.org"}, bob, "is open again"},
          row{{"account", "unlock", "bob@example.org"}, bob, "is open again"},
          row{{"account", "reset", "bob@example.org"}, bob, "are forgotten"}}) {
        BOOST_TEST_CONTEXT(r.words.front()) {
            const auto o = daemons.run(r.words);
            BOOST_TEST(o.code == 0, o.err);
            BOOST_TEST(has(o.out, r.says), o.out);
            BOOST_TEST(daemons.policyd.asked() == r.asked);
        }
    }
}

BOOST_AUTO_TEST_CASE(account_show_has_limits_refusals_locks_and_strikes) {
    const json shown = {
        {"account", "bob@example.org"},
        {"profile", "default"},
        {"chosen_by", "assign 2 (login *)"},
        {"from", {{"rule", "own-domain"}, {"allowed", "@example.org"}}},
        {"observe", false},
        {"locked", true},
        {"lock", lock_timed},
        {"use", json::array({use_full})},
        {"refusals", json::array({refusal})},
        {"events",
         json::array(
             {{{"kind", "locked"}, {"at", "2025-12-31T23:50:00Z"}, {"cause", "2 virus"}, {"actor", "postsluice"}}})},
        {"strikes",
         json::array({{{"kind", "virus"}, {"at", "2025-12-31T23:50:00Z"}, {"weight", 1}, {"reference", "K7QM2P4X"}}})}};
    const only_policyd one{{{"account show", shown}}};
    const auto o = one.run({"account", "show", "bob@example.org"});
    BOOST_TEST(o.code == 0, o.err);
    for (const char* part : {"assign 2", "@example.org", "locked until 2026-01-01 00:20:00Z (in 20 min)",
                             "recipients per hour", "in 6 min 52 s", "AAAA2222", "Strikes", "virus"})
        BOOST_TEST(has(o.out, part), part << " is missing in\n" << o.out);
    BOOST_TEST(json::parse(one.run({"--json", "account", "show", "bob@example.org"}).out).at("use").size() == 1U);
}

BOOST_AUTO_TEST_CASE(limit_list_shows_profiles_or_one_account) {
    const json answer = {
        {"profiles",
         json::array(
             {{{"profile", "default"},
               {"limits", json::array({{{"limit", "300 recipients per hour"}}})},
               {"from", {{"rule", "own-domain"}}},
               {"lock", {{"after", {"2 virus", "5 spam in 10 minutes"}}, {"for", 1800}, {"automatic_unlocks", 1}}}}})},
        {"assigns", json::array()},
        {"account", "bob@example.org"},
        {"use", json::array({use_full})}};
    only_policyd one{{{"limit list", answer}}};
    const auto o = one.run({"limit", "list"});
    BOOST_TEST(has(o.out, "after 2 virus, 5 spam in 10 minutes, for 30 min, 1 automatic unlock"), o.out);
    BOOST_TEST(one.policyd.asked() == json::object());
    BOOST_TEST(has(one.run({"limit", "list", "bob@example.org"}).out, "in 6 min 52 s"));
    BOOST_TEST(one.policyd.asked() == json({{"account", "bob@example.org"}}));
}

BOOST_AUTO_TEST_CASE(quarantine_list_and_show_tell_what_is_there_without_its_control_sequences) {
    both daemons{{},
                 {{"quarantine list", {{"entries", json::array({entry})}, {"total", 3}, {"next", "abc"}}},
                  {"quarantine show",
                   {{"entry", entry}, {"header", "From: a\r\nSubject: \x1b[31mred\r\n"}, {"file", "/q/K7QM2P4X"}}}}};
    auto o = daemons.run({"quarantine", "list", "--limit", "1"});
    BOOST_TEST(o.code == 0, o.err);
    BOOST_TEST(has(o.out, "K7QM2P4X"));
    BOOST_TEST(has(o.out, "There are more; --limit shows them. The quarantine holds 3."));
    BOOST_TEST(!has(o.out, "\x1b"));
    BOOST_TEST(daemons.filter.asked() == json({{"most", 1}}));
    o = daemons.run({"quarantine", "show", "k7qm2p4x"});
    BOOST_TEST(has(o.out, "Subject: ?[31mred"), o.out);
    BOOST_TEST(has(o.out, "EICAR"));
    BOOST_TEST(daemons.filter.asked() == json({{"id", "K7QM2P4X"}}));
    BOOST_TEST(json::parse(daemons.run({"quarantine", "list", "--limit", "1", "--json"}).out)
                   .at("entries")
                   .at(0)
                   .at("reason") == "virus");
}

BOOST_AUTO_TEST_CASE(a_release_that_leaves_recipients_behind_is_exit_1) {
    const json whole = {{"id", "K7QM2P4X"}, {"delivered", {"a@x"}}, {"remaining", json::array()}, {"complete", true}};
    const json part = {{"id", "K7QM2P4X"},
                       {"delivered", {"a@x"}},
                       {"complete", false},
                       {"remaining", json::array({{{"recipient", "b@x"}, {"reply", "550 5.1.1 no"}}})}};
    const both good{{}, {{"quarantine release", whole}, {"quarantine delete", {{"id", "K7QM2P4X"}}}}};
    for (const auto& words :
         std::vector<std::vector<std::string>>{{"release", "K7QM2P4X"}, {"quarantine", "release", "K7QM2P4X"}})
        BOOST_TEST(good.run(words).code == 0);
    BOOST_TEST(has(good.run({"quarantine", "delete", "K7QM2P4X", "--yes"}).out, "Deleted K7QM2P4X"));
    const both bad{{}, {{"quarantine release", part}, {"quarantine delete", "not-found"}}};
    const auto o = bad.run({"release", "K7QM2P4X"});
    BOOST_TEST(o.code == 1);
    BOOST_TEST(has(o.out, "550 5.1.1 no"));
    const auto gone = bad.run({"quarantine", "delete", "K7QM2P4X", "--json", "--yes"});
    BOOST_TEST(gone.code == 3);
    BOOST_TEST(json::parse(gone.out).at("code") == "not-found");
    BOOST_TEST(has(gone.err, "quarantine delete failed"));
}

BOOST_AUTO_TEST_CASE(a_release_that_is_denied_is_exit_1_and_force_is_told_to_the_daemon) {
    both daemons{{},
                 {{"quarantine list", {{"entries", json::array({entry})}, {"total", 1}, {"next", ""}}},
                  {"quarantine release", "denied"}}};
    auto o = daemons.run({"release", "K7QM2P4X"});
    BOOST_TEST(o.code == 1);
    BOOST_TEST(has(o.err, "quarantine release failed"));
    BOOST_TEST(daemons.filter.asked() == json({{"id", "K7QM2P4X"}}));
    o = daemons.run({"quarantine", "release", "K7QM2P4X", "--force", "--json"});
    BOOST_TEST(o.code == 1);
    BOOST_TEST(json::parse(o.out).at("code") == "denied");
    BOOST_TEST(json::parse(o.out).at("ok") == false);
    BOOST_TEST(daemons.filter.asked() == json({{"id", "K7QM2P4X"}, {"force", true}}));
    o = daemons.run({"quarantine", "release", "--reason", "virus", "--yes", "--json"});
    BOOST_TEST(o.code == 1);
    BOOST_TEST(json::parse(o.out).at("messages").at(0).at("code") == "denied");
    BOOST_TEST(json::parse(o.out).at("done") == 0);
}

BOOST_AUTO_TEST_CASE(what_is_looked_for_in_quarantine_is_told_to_the_daemon) {
    both daemons{{}, {{"quarantine list", {{"entries", json::array()}, {"total", 3}, {"next", ""}}}}};
    auto o = daemons.run({"quarantine", "list", "--account", "bob@example.org", "--reason", "virus", "--symbol",
                          "EICAR", "--sender", "@example.org", "--recipient", "v@example.net", "--since", "2025-12-24",
                          "--until", "2 days", "--subject", "red", "--held"});
    BOOST_TEST(o.code == 0, o.err);
    BOOST_TEST(has(o.out, "Nothing in quarantine is like that."));
    BOOST_TEST(daemons.filter.asked() == json({{"account", "bob@example.org"},
                                               {"reason", "virus"},
                                               {"symbol", "EICAR"},
                                               {"sender", "@example.org"},
                                               {"recipient", "v@example.net"},
                                               {"since", "2025-12-24T00:00:00Z"},
                                               {"until", "2025-12-30T00:00:00Z"},
                                               {"subject", "red"},
                                               {"held", true},
                                               {"most", 100}}));
    (void)daemons.run({"quarantine", "list", "--until", "2025-12-24"});
    BOOST_TEST(daemons.filter.asked().at("until") == "2025-12-24T23:59:59Z");
    o = daemons.run({"quarantine", "list", "--since", "yesterday"});
    BOOST_TEST(o.code == 2);
    BOOST_TEST(has(o.err, "--since: \"yesterday\" is no time"));
}

BOOST_AUTO_TEST_CASE(many_messages_are_released_or_deleted_by_name_or_by_a_filter_and_not_unasked) {
    const json whole = {
        {"id", "K7QM2P4X"}, {"delivered", {"a@x"}}, {"remaining", json::array()}, {"kept", 1}, {"complete", true}};
    both daemons{{},
                 {{"quarantine list", {{"entries", json::array({entry})}, {"total", 1}, {"next", ""}}},
                  {"quarantine release", whole},
                  {"quarantine keep", {{"id", "K7QM2P4X"}}},
                  {"quarantine delete", {{"id", "K7QM2P4X"}}}}};
    auto o = daemons.run({"quarantine", "release", "k7qm2p4x", "--to", "a@x", "--to", "b@x", "--keep"});
    BOOST_TEST(o.code == 0, o.err);
    BOOST_TEST(has(o.out, "still in quarantine for 1 recipient"));
    BOOST_TEST(daemons.filter.asked() == json({{"id", "K7QM2P4X"}, {"recipients", {"a@x", "b@x"}}, {"keep", true}}));
    o = daemons.run({"release", "K7QM2P4X", "K7QM2P4Y", "--redirect", "desk@x"});
    BOOST_TEST(o.code == 0, o.err);
    BOOST_TEST(has(o.out, "Released 2 of 2 messages."));
    BOOST_TEST(daemons.filter.asked() == json({{"id", "K7QM2P4Y"}, {"redirect", "desk@x"}}));
    o = daemons.run({"quarantine", "keep", "--account", "bob@example.org", "--yes", "--json"});
    BOOST_TEST(o.code == 0, o.err);
    BOOST_TEST(json::parse(o.out).at("done") == 1);
    BOOST_TEST(json::parse(o.out).at("messages").at(0).at("id") == "K7QM2P4X");
    // Nobody is there to be asked (the tests' input is no terminal, or it is and --json asks nobody).
    for (const auto& words :
         std::vector<std::vector<std::string>>{{"quarantine", "delete", "K7QM2P4X", "--json"},
                                               {"quarantine", "delete", "--account", "bob@example.org", "--json"},
                                               {"quarantine", "release", "--account", "bob@example.org", "--json"},
                                               {"quarantine", "release"},
                                               {"quarantine", "release", "K7QM2P4X", "--account", "bob@example.org"}})
        BOOST_TEST_CONTEXT(words.back()) BOOST_TEST(daemons.run(words).code == 2);
    o = daemons.run({"quarantine", "delete", "--account", "bob@example.org", "--yes"});
    BOOST_TEST(o.code == 0, o.err);
    BOOST_TEST(has(o.out, "Deleted 1 of 1 messages."));
    const both none{{}, {{"quarantine list", {{"entries", json::array()}, {"next", ""}}}}};
    BOOST_TEST(none.run({"quarantine", "delete", "--account", "x", "--yes"}).code == 3);
}

BOOST_AUTO_TEST_CASE(whois_names_the_account) {
    const both daemons{{},
                       {{"whois",
                         {{"account", "bob@example.org"},
                          {"from", "2025-12-01T00:00:00Z"},
                          {"until", nullptr},
                          {"events", json::array({event})}}}}};
    const auto o = daemons.run({"whois", "1.abc"});
    BOOST_TEST(o.code == 0, o.err);
    BOOST_TEST(has(o.out, "bob@example.org"));
    BOOST_TEST(has(o.out, "4Q"));
}

BOOST_AUTO_TEST_CASE(message_test_sends_the_message_and_prints_findings_and_verdict) {
    const json answer = {
        {"account", "bob@example.org"},
        {"profile", "default"},
        {"settings", {{{"name", "bulk"}, {"only_stricter", false}}, {{"name", "lists"}, {"only_stricter", true}}}},
        {"verdict", "quarantine"},
        {"reason", "virus"},
        {"score", 20.5},
        {"observed", false},
        {"thresholds", {{"tag", 6}, {"hold", 10}, {"reject", 15}}},
        {"sign", "signed"},
        {"size", 40},
        {"keys", json::array({{{"domain", "example.org"}, {"selector", "rsa1"}, {"algorithm", "rsa-sha256"}}})},
        {"findings", json::array({{{"symbol", "EICAR"},
                                   {"score", 20.5},
                                   {"group", "content"},
                                   {"action", "quarantine"},
                                   {"evidence", "a.txt"}}})}};
    both daemons{{}, {{"message test", answer}}};
    const auto file = daemons.where.file("unix.eml", "Subject: x\n\nbody\n");
    const auto o = daemons.run({"message", "test", file.string(), "--as", "bob@example.org", "--to", "v@example.net",
                                "--client", "192.0.2.1"});
    BOOST_TEST(o.code == 0, o.err);
    for (const char* part : {"bulk, lists (only what is stricter)", "quarantine", "20.5 (tag 6, hold 10, reject 15)",
                             "rsa1._domainkey.example.org", "EICAR", "a.txt"})
        BOOST_TEST(has(o.out, part), part << " is missing in\n" << o.out);
    // "Subject: x\r\n\r\nbody\r\n": a file with Unix line ends is sent as it would be on the wire.
    BOOST_TEST(daemons.filter.asked() == json({{"content", "U3ViamVjdDogeA0KDQpib2R5DQo="},
                                               {"account", "bob@example.org"},
                                               {"client", "192.0.2.1"},
                                               {"recipients", {"v@example.net"}}}));
    const auto wire = daemons.where.file("wire.eml", "A: b\r\n\r\nbare\n");
    BOOST_TEST(daemons.run({"message", "test", wire.string()}).code == 0);
    BOOST_TEST(daemons.filter.asked().at("content") == "QTogYg0KDQpiYXJlCg==");
}

BOOST_AUTO_TEST_CASE(message_test_refuses_what_is_no_message) {
    const both daemons{{}, {{"message test", json::object()}}};
    const auto empty = daemons.where.file("empty", "");
    const auto large = daemons.where.file("large", std::string((16U << 20U) + 1, '\r'));
    // Small enough as it is, too large with the line ends it needs on the wire.
    const auto grows = daemons.where.file("grows", std::string(9U << 20U, '\n'));
    for (const auto& file : {empty, large, grows, daemons.where.path / "missing", daemons.where.path}) {
        BOOST_TEST_CONTEXT(file) {
            const auto o = daemons.run({"message", "test", file.string()});
            BOOST_TEST(o.code == 1);
            BOOST_TEST(has(o.err, file.string()), o.err);
        }
    }
}

BOOST_AUTO_TEST_CASE(a_refusal_by_a_daemon_is_a_sentence_and_exit_1) {
    const both daemons{{{"account list", "unavailable"}}, {}};
    const auto o = daemons.run({"account", "list", "--json"});
    BOOST_TEST(o.code == 1);
    BOOST_TEST(has(o.err, "postsluice-policyd: account list failed"), o.err);
    BOOST_TEST(json::parse(o.out) ==
               json({{"ok", false}, {"error", "postsluice-policyd: account list failed"}, {"code", "unavailable"}}));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(config_commands)

BOOST_AUTO_TEST_CASE(check_prints_every_error_and_exits_78_without_daemons) {
    const scratch where;
    const auto bad = where.file("bad.toml", "nonsense = 1\n[policyd]\nlisteen = 3\n");
    const auto o = run({"config", "check", "--config", bad.string()});
    BOOST_TEST(o.code == 78);
    BOOST_TEST(has(o.err, bad.string() + ":1: "), o.err);
    BOOST_TEST(has(o.err, "listeen"), o.err);
    const json j = json::parse(run({"--json", "--config", bad.string(), "config", "check"}).out);
    BOOST_TEST(j.at("ok") == false);
    BOOST_TEST(j.at("errors").size() == 2U);
    BOOST_TEST(j.at("errors").at(1).at("line") == 3);
    const auto good = where.file("good.toml", "hostname = \"mail.example.org\"\n");
    const auto g = run({"config", "check", "--config", good.string()});
    BOOST_TEST(g.code == 0, g.err);
    BOOST_TEST(has(g.out, "no errors"));
}

BOOST_AUTO_TEST_CASE(the_environment_names_the_file_and_the_option_wins) {
    const scratch where;
    const auto bad = where.file("bad.toml", "nonsense = 1\n");
    const auto good = where.file("good.toml", "hostname = \"mail.example.org\"\n");
    ::setenv("POSTSLUICE_CONFIG", bad.c_str(), 1);
    const auto by_environment = run({"config", "check"});
    const auto by_option = run({"config", "check", "--config", good.string()});
    ::unsetenv("POSTSLUICE_CONFIG");
    BOOST_TEST(by_environment.code == 78);
    BOOST_TEST(by_option.code == 0);
}

BOOST_AUTO_TEST_CASE(defaults_are_toml_for_people_and_rows_for_programs) {
    BOOST_TEST(has(run({"config", "defaults"}).out, "[policyd]"));
    const json options = json::parse(run({"config", "defaults", "--json"}).out).at("options");
    BOOST_TEST(!options.empty());
    for (const auto& o : options)
        BOOST_TEST(!o.at("help").get<std::string>().empty(), o.at("key"));
}

BOOST_AUTO_TEST_CASE(sockets_are_looked_for_where_the_configuration_says) {
    const both daemons{{{"account list", json::object()}}, {}};
    const auto file = daemons.where.file("x.toml", "hostname = \"mail.example.org\"\n[control]\ndirectory = \"" +
                                                       daemons.where.path.string() + "\"\n");
    const auto o = run({"account", "list", "--config", file.string()});
    BOOST_TEST(o.code == 0, o.err);
}

BOOST_AUTO_TEST_CASE(a_named_file_with_errors_is_exit_78_and_shows_them_once) {
    const scratch where;
    const auto bad = where.file("bad.toml", "nonsense = 1\n");
    for (const auto& words : std::vector<std::vector<std::string>>{
             {"status"}, {"config", "reload"}, {"why", "K7QM2P4X"}, {"unlock", "a"}}) {
        BOOST_TEST_CONTEXT(words.front()) {
            auto all = words;
            all.insert(all.end(), {"--config", bad.string()});
            const auto o = run(all);
            BOOST_TEST(o.code == 78);
            const auto first = o.err.find(":1: ");
            BOOST_TEST(first != std::string::npos, o.err);
            BOOST_TEST(o.err.find(":1: ", first + 1) == std::string::npos, o.err);
        }
    }
}

BOOST_AUTO_TEST_CASE(reload_asks_both_and_prints_what_either_found) {
    const json good = {{"reloaded", true}, {"errors", json::array()}};
    const json bad = {{"reloaded", false},
                      {"errors", json::array({{{"message", "x.toml:2: lease: \"many\" is no duration"}}})}};
    const json keyless = {
        {"reloaded", true}, {"errors", json::array()}, {"key_errors", {"/etc/dkim/a.pem: permission denied"}}};
    struct row {
        json policyd, filter;
        int code;
        const char* says;
    };
    for (const auto& r :
         {row{good, good, 0, ""}, row{bad, good, 78, "x.toml:2: lease"},
          row{good, bad, 78, "postsluice-contentfilter: the old"}, row{good, keyless, 78, "a.pem: permission denied"},
          row{good, "unavailable", 1, "reload failed"}}) {
        BOOST_TEST_CONTEXT(r.says) {
            const both daemons{{{"reload", r.policyd}}, {{"reload", r.filter}}};
            for (const auto& words : std::vector<std::vector<std::string>>{{"config", "reload"}, {"reload"}}) {
                const auto o = daemons.run(words);
                BOOST_TEST(o.code == r.code);
                BOOST_TEST(has(o.err, r.says), o.err);
            }
            const json merged = json::parse(daemons.run({"reload", "--json"}).out);
            BOOST_TEST(merged.at("ok") == (r.code == 0));
            BOOST_TEST(merged.at("policyd").contains("reloaded"));
            BOOST_TEST(merged.at("contentfilter").contains("reloaded"));
        }
    }
    const only_policyd one{{{"reload", good}}};
    BOOST_TEST(one.run({"reload"}).code == 4);
}

BOOST_AUTO_TEST_SUITE_END()
