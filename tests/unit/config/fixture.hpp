// SPDX-License-Identifier: Apache-2.0
// What the tests of the configuration share: its errors as lines, and a directory with files that goes away again.
#pragma once

#include "shared/config/load.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace postsluice::config::testing {

inline std::vector<std::string> messages(const std::vector<config_error>& errors) {
    std::vector<std::string> out;
    for (const auto& error : errors)
        out.push_back(error.message());
    return out;
}

inline std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const auto& line : lines)
        out += line + "\n";
    return out;
}

class files {
public:
    files() {
        std::string name = (std::filesystem::temp_directory_path() / "postsluice-config.XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"mkdtemp"};
        root_ = name;
    }
    files(const files&) = delete;
    files& operator=(const files&) = delete;
    ~files() {
        std::error_code ignored;
        std::filesystem::remove_all(root_, ignored);
    }
    [[nodiscard]] std::filesystem::path path(const std::string& name) const { return root_ / name; }
    std::filesystem::path put(const std::string& name, const std::string& text) const {
        std::filesystem::create_directories(path(name).parent_path());
        std::ofstream{path(name), std::ios::binary | std::ios::trunc} << text;
        return path(name);
    }

private:
    std::filesystem::path root_;
};

} // namespace postsluice::config::testing
