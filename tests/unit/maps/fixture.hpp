// SPDX-License-Identifier: Apache-2.0
// What the tests of maps share: a scratch directory, files in it, Postfix's own postmap, and a way to run coroutines.
#pragma once

#include "shared/log/log.hpp"
#include "shared/maps/map_set.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sys/wait.h>

namespace postsluice::maps::test {

namespace asio = boost::asio;

class scratch {
public:
    scratch() {
        std::string name = (std::filesystem::temp_directory_path() / "postsluice-maps-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
        put("main.cf", "compatibility_level = 3.6\n");
        log::capture([this](log::level, const std::string& line) { lines.push_back(line); });
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    ~scratch() {
        log::capture({});
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] std::string path(const std::string& name) const { return (path_ / name).string(); }
    std::string put(const std::string& name, std::string_view text) const {
        std::ofstream{path(name), std::ios::binary | std::ios::trunc} << text;
        return path(name);
    }
    /// A file in the place of another, as `mv` does it.
    void replace(const std::string& name, std::string_view text) const {
        put(name + ".new", text);
        std::filesystem::rename(path(name + ".new"), path(name));
    }
    /// NAME.lmdb from the text, by postmap; and NAME, which texthash reads.
    std::string postmap(const std::string& name, std::string_view text) const {
        put(name, text);
        BOOST_REQUIRE(call_postmap("lmdb:" + path(name), "") == 0);
        return path(name);
    }
    /// What `postmap -q -` finds for each of `keys`.
    [[nodiscard]] std::map<std::string, std::string> postmap_q(const std::string& map,
                                                               const std::vector<std::string>& keys) const {
        std::string all;
        for (const auto& key : keys)
            all += key + "\n";
        const auto in = put("queries", all);
        const int status = call_postmap("-q - " + map, in);
        BOOST_REQUIRE((status == 0 || status == 1)); // 1: nothing found
        std::map<std::string, std::string> out;
        std::ifstream answers{path("answers")};
        for (std::string line; std::getline(answers, line);)
            if (const auto tab = line.find('\t'); tab != std::string::npos)
                out[line.substr(0, tab)] = line.substr(tab + 1);
        return out;
    }
    [[nodiscard]] std::ptrdiff_t logged(std::string_view part) const {
        return std::count_if(lines.begin(), lines.end(),
                             [&](const auto& l) { return l.find(part) != std::string::npos; });
    }
    std::vector<std::string> lines;

private:
    [[nodiscard]] int call_postmap(const std::string& arguments, const std::string& in) const {
        const auto command = "/usr/sbin/postmap -c " + path_.string() + " " + arguments + " > " + path("answers") +
                             " 2> " + path("complaints") + " < " + (in.empty() ? "/dev/null" : in);
        const int status = std::system(command.c_str()); // NOLINT(concurrency-mt-unsafe,cert-env33-c)
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    std::filesystem::path path_;
};

/// "value", or "-" where the map does not have the key, or "!" and the error's class.
inline std::string shown(const answer& got) {
    if (!got) return "!" + std::string{sentence(got.error().code)};
    return *got ? **got : "-";
}
inline std::string failed(errc code) {
    return "!" + std::string{sentence(code)};
}

template <class Value>
Value run(asio::io_context& context, asio::awaitable<Value> what) {
    std::optional<Value> out;
    asio::co_spawn(context, std::move(what), [&out](std::exception_ptr e, Value v) {
        BOOST_REQUIRE(!e);
        out = std::move(v);
    });
    context.restart();
    context.run();
    BOOST_REQUIRE(out);
    return std::move(*out);
}

} // namespace postsluice::maps::test
