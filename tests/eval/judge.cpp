// SPDX-License-Identifier: Apache-2.0
// Judges a corpus with the filter's own checks, in this process, as the daemon would: the message is taken in, all
// checks of the configuration run on it, decide() makes a verdict. Twice: untrained, and trained on the parts of the
// corpus that the message is not in (cross-validation, --folds). One JSON object a line for each judgement. tests/eval/
// eval calls it, and makes tables of what it says.
//
//     judge --config FILE [--folds 5] CORPUS
//
// CORPUS has folders; the messages in those whose names have "spam" in them are spam, in others ham. A message is a
// file; a line "From " on top of it is no part of it. Parts are made round robin over the names of each folder.
#include "contentfilter/bayes/trainer.hpp"
#include "contentfilter/intake/collector.hpp"
#include "contentfilter/runner.hpp"
#include "shared/config/load.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <stdexcept>

namespace fs = std::filesystem;
using namespace postsluice;
using namespace postsluice::contentfilter;
using nlohmann::json;

namespace {

constexpr std::size_t learned_at_once = 300;

struct sample {
    std::string name; ///< "spam/0001"
    bool spam = false;
    std::size_t part = 0;
    message_ptr what;
    state::token_set tokens;
};

std::string wire_form(std::string text) {
    if (text.starts_with("From ")) text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
    std::string out;
    out.reserve(text.size() + text.size() / 32);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out += '\r';
        out += text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n') ? ' ' : text[i];
    }
    return out;
}

message_ptr read_message(const fs::path& file, const config::settings_ptr& settings) {
    std::ifstream in{file, std::ios::binary};
    collector collect{settings};
    collect.add(wire_form({std::istreambuf_iterator<char>{in}, {}}));
    auto made = collect.finish(smtp::make_envelope(mail_address::from_internal("sender@example.org"), {}));
    if (!made) throw std::runtime_error{file.string() + ": " + made.error().message()};
    (*made)->sender = sender_of(*settings, "sender@example.org");
    return *made;
}

std::vector<sample> read_corpus(const fs::path& corpus, const config::settings_ptr& settings, std::size_t folds) {
    std::vector<sample> out;
    std::map<std::string, std::vector<fs::path>> folders;
    for (const auto& at : fs::recursive_directory_iterator{corpus})
        if (at.is_regular_file()) folders[at.path().parent_path().lexically_relative(corpus)].push_back(at.path());
    for (auto& [folder, files] : folders) {
        std::sort(files.begin(), files.end());
        for (std::size_t i = 0; i < files.size(); ++i)
            out.push_back({folder + "/" + files[i].filename().string(),
                           folder.find("spam") != std::string::npos,
                           i % folds,
                           read_message(files[i], settings),
                           {}});
    }
    if (out.empty()) throw std::runtime_error{corpus.string() + ": no messages"};
    return out;
}

double seconds_of(clockid_t which) {
    std::timespec t{};
    ::clock_gettime(which, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

template <class Value>
Value wait_for(boost::asio::awaitable<Value> what) {
    boost::asio::io_context context;
    auto outcome = boost::asio::co_spawn(context, std::move(what), boost::asio::use_future);
    context.run();
    return outcome.get();
}

void judge(runner& checks, const sample& one, bool trained) {
    const auto cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID), wall = seconds_of(CLOCK_MONOTONIC);
    auto found = wait_for(checks.run(one.what, {}));
    const auto& settings = *one.what->settings;
    const auto v = decide(std::move(found), {*one.what->sender.profile, settings.contentfilter.on_error, false,
                                             &settings.contentfilter.on_error_of});
    const auto cpu_after = seconds_of(CLOCK_PROCESS_CPUTIME_ID), wall_after = seconds_of(CLOCK_MONOTONIC);
    json findings = json::array();
    for (const auto& f : v.findings)
        findings.push_back({{"symbol", f.symbol}, {"score", f.score}, {"evidence", f.evidence}});
    std::cout << json{{"file", one.name},
                      {"spam", one.spam},
                      {"part", one.part},
                      {"trained", trained},
                      {"verdict", to_string(v.kind)},
                      {"score", v.score},
                      {"findings", std::move(findings)},
                      {"cpu_ms", 1000 * (cpu_after - cpu)},
                      {"wall_ms", 1000 * (wall_after - wall)}}
                     .dump(-1, ' ', false, json::error_handler_t::replace)
              << '\n';
}

/// A state of its own, taught with what is not in `part`.
class lessons {
public:
    lessons(const fs::path& directory, const config::bayes_settings& how)
        : store_{open(directory)}
        , within_{how.max_tokens, how.max_learned, how.half_life} {}

    void learn(const std::vector<sample>& all, std::size_t but) {
        for (const auto as : {state::mail_class::ham, state::mail_class::spam}) {
            std::vector<state::token_set> batch;
            for (const auto& one : all) {
                if (one.part == but || one.spam != (as == state::mail_class::spam)) continue;
                batch.push_back(one.tokens);
                if (batch.size() == learned_at_once) send(as, batch);
            }
            send(as, batch);
        }
    }
    [[nodiscard]] state::token_statistics& statistics() noexcept { return statistics_; }

private:
    static std::unique_ptr<state::store> open(const fs::path& directory) {
        auto opened = state::store::open({.directory = directory, .how = state::durability::background});
        if (!opened) throw std::runtime_error{opened.error().message()};
        return std::move(*opened);
    }
    void send(state::mail_class as, std::vector<state::token_set>& batch) {
        if (const auto done = statistics_.learn(as, batch, within_); !done)
            throw std::runtime_error{done.error().message()};
        batch.clear();
    }
    manual_clock time_;
    std::unique_ptr<state::store> store_;
    state::token_statistics::bounds within_;
    state::token_statistics statistics_{*store_, "secret", time_};
};

void judge_all(const std::vector<sample>& all, const config::settings_ptr& settings, std::size_t folds,
               const fs::path& scratch) {
    {
        lessons none{scratch / "untrained", settings->bayes};
        runner checks{1, load_resources(*settings, nullptr, {}, &none.statistics())};
        for (const auto& one : all)
            judge(checks, one, false);
    }
    for (std::size_t part = 0; part < folds; ++part) {
        lessons taught{scratch / std::to_string(part), settings->bayes};
        taught.learn(all, part);
        runner checks{1, load_resources(*settings, nullptr, {}, &taught.statistics())};
        for (const auto& one : all)
            if (one.part == part) judge(checks, one, true);
    }
}

struct scratch_directory {
    fs::path path;
    scratch_directory() {
        std::string name = (fs::temp_directory_path() / "postsluice-eval.XXXXXX").string();
        if (!::mkdtemp(name.data())) throw std::runtime_error{"mkdtemp"};
        path = name;
    }
    ~scratch_directory() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    scratch_directory(const scratch_directory&) = delete;
};

int run(const std::vector<std::string>& given) {
    fs::path configuration, corpus;
    std::size_t folds = 5;
    for (std::size_t i = 0; i < given.size(); ++i) {
        if (given[i] == "--config" && i + 1 < given.size())
            configuration = given[++i];
        else if (given[i] == "--folds" && i + 1 < given.size())
            folds = std::stoul(given[++i]);
        else
            corpus = given[i];
    }
    if (configuration.empty() || corpus.empty() || folds < 2) {
        std::cerr << "usage: judge --config FILE [--folds N] CORPUS\n";
        return 2;
    }
    const auto loaded = config::load(configuration);
    for (const auto& error : loaded.errors)
        std::cerr << error.message() << '\n';
    if (!loaded.settings) return 78;
    const scratch_directory scratch;
    auto all = read_corpus(corpus, loaded.settings, folds);
    for (auto& one : all)
        one.tokens = bayes::read_tokens(one.what);
    judge_all(all, loaded.settings, folds, scratch.path);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        log::open("judge", "stderr", "error");
        return run({argv + 1, argv + argc});
    } catch (const std::exception& e) {
        std::cerr << "judge: " << e.what() << '\n';
        return 1;
    }
}
