// SPDX-License-Identifier: Apache-2.0
#include "shared/config/host_name.hpp"

#include "shared/core/text.hpp"

#include <unistd.h>

#include <array>
#include <fstream>

namespace postsluice::config {
namespace {

/// The value of a main.cf parameter: the last assignment holds; a line that begins with a blank continues the one
/// before. Empty where it refers to other parameters.
std::string main_cf_value(const std::filesystem::path& file, std::string_view name) {
    std::ifstream in{file};
    std::string line, value;
    bool ours = false;
    while (std::getline(in, line)) {
        if (trim(line).empty() || trim(line).front() == '#') continue;
        if (line.front() == ' ' || line.front() == '\t') {
            if (ours && !value.empty()) value += ' ';
            if (ours) value += trim(line);
            continue;
        }
        const auto equals = line.find('=');
        ours = equals != std::string::npos && trim(std::string_view{line}.substr(0, equals)) == name;
        if (ours) value = trim(std::string_view{line}.substr(equals + 1));
    }
    return value.find_first_of("$ \t") == std::string::npos ? value : std::string{};
}

} // namespace

std::string host_name(const std::filesystem::path& main_cf, const std::filesystem::path& hostname_file,
                      std::string own_name) {
    if (auto name = main_cf_value(main_cf, "myhostname"); !name.empty()) return name;
    if (own_name.find('.') != std::string::npos) return own_name;
    if (const auto domain = main_cf_value(main_cf, "mydomain"); !domain.empty() && !own_name.empty())
        return own_name + "." + domain;
    std::ifstream in{hostname_file};
    std::string line;
    std::getline(in, line);
    const auto listed = std::string{trim(line)};
    if (own_name.empty() || istarts_with(listed, own_name + ".")) own_name = listed;
    return own_name.empty() ? "localhost" : own_name;
}

std::string host_name() {
    std::array<char, 256> own{};
    if (::gethostname(own.data(), own.size() - 1) != 0) own[0] = '\0';
    return host_name("/etc/postfix/main.cf", "/etc/hostname", own.data());
}

} // namespace postsluice::config
