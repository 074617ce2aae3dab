// SPDX-License-Identifier: Apache-2.0
#include "policyd/simulation/command.hpp"

#include "policyd/simulation/report.hpp"
#include "shared/daemon/daemon.hpp"
#include "shared/log/log.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>

namespace postsluice::policyd::simulation {

namespace {

namespace fs = std::filesystem;

constexpr const char* usage_text =
    "usage: postsluice-policyd --simulate [--config FILE] [--json] [--propose] RECORD...\n"
    "       postsluice-policyd --simulate [--config FILE] [--json] [--propose] --maillog FILE...\n";

struct wanted {
    fs::path config = "/etc/postsluice/postsluice.toml";
    bool json = false, propose = false, mail_log = false, help = false;
    std::vector<std::string> files;
};

bool read_arguments(int argc, char** argv, wanted& out) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--json") {
            out.json = true;
        } else if (word == "--propose") {
            out.propose = true;
        } else if (word == "--maillog") {
            out.mail_log = true;
        } else if (word == "--help") {
            out.help = true;
        } else if (word == "--config" && i + 1 < argc) {
            out.config = argv[++i];
        } else if (word.size() > 1 && word.starts_with('-')) {
            return false;
        } else {
            out.files.emplace_back(word);
        }
    }
    return out.help || !out.files.empty();
}

/// Below TMPDIR, mode 0700; removed at the end.
class scratch_directory {
public:
    scratch_directory() {
        std::string name = (fs::temp_directory_path() / "postsluice-simulation-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error{name + ": cannot be made"};
        }
        path_ = name;
    }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    ~scratch_directory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    [[nodiscard]] const fs::path& path() const noexcept { return path_; }

private:
    fs::path path_;
};

template <class Visit>
void each_line(const std::string& file, Visit visit) {
    std::ifstream opened;
    if (file != "-") {
        opened.open(file, std::ios::binary);
        if (!opened) {
            throw std::runtime_error{file + ": cannot be read"};
        }
    }
    std::istream& in = file == "-" ? std::cin : opened;
    for (std::string line; std::getline(in, line);) {
        visit(std::string_view{line});
    }
}

/// A record's first time; standard input and what has none come last.
instant begin_of(const std::string& file) {
    if (file == "-") {
        return instant::max();
    }
    std::ifstream in{file, std::ios::binary};
    std::string line;
    std::getline(in, line);
    const auto first = read_record_line(line);
    return first ? first->at : instant::max();
}

std::uint64_t feed_records(replay& into, std::vector<std::string> files) {
    std::ranges::stable_sort(files, {}, &begin_of);
    std::uint64_t unreadable = 0;
    for (const auto& file : files) {
        each_line(file, [&](std::string_view line) {
            if (const auto read = read_record_line(line)) {
                into.feed(*read);
            } else {
                ++unreadable;
            }
        });
    }
    return unreadable;
}

// Lines that tell of something else are no unreadable ones: a mail log is full of them.
std::uint64_t feed_mail_log(replay& into, const std::vector<std::string>& files) {
    mail_log log{std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now())};
    for (const auto& file : files) {
        each_line(file, [&](std::string_view line) { log.line(line); });
    }
    for (const auto& message : log.take()) {
        into.feed(message);
    }
    if (log.left_out() > 0) {
        std::cerr << "postsluice-policyd: " << log.left_out() << " messages beyond " << mail_log::most_messages
                  << " were left out: give it a shorter log\n";
    }
    return 0;
}

void simulate(const wanted& how, const config::settings& settings) {
    const scratch_directory scratch;
    replay past{settings, scratch.path()};
    report out;
    out.unreadable = how.mail_log ? feed_mail_log(past, how.files) : feed_records(past, how.files);
    out.what = past.so_far();
    out.with_proposals = how.propose;
    if (how.propose) {
        out.proposals = past.real_use().accounts();
    }
    how.json ? print_json(std::cout, out) : print_text(std::cout, out);
}

} // namespace

int run(int argc, char** argv) {
    wanted how;
    if (!read_arguments(argc, argv, how)) {
        std::cerr << usage_text;
        return daemon::exit_usage;
    }
    if (how.help) {
        std::cout << usage_text;
        return 0;
    }
    const auto settings = daemon::load_or_explain(how.config);
    if (!settings) {
        return daemon::exit_config;
    }
    try {
        log::open("postsluice-policyd", "stderr", "error");
        simulate(how, *settings);
        return std::cout.flush() ? 0 : daemon::exit_failed;
    } catch (const std::exception& e) {
        std::cerr << "postsluice-policyd: " << e.what() << '\n';
        return daemon::exit_failed;
    }
}

} // namespace postsluice::policyd::simulation
