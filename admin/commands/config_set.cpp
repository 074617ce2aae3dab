// SPDX-License-Identifier: Apache-2.0
// `config set KEY VALUE`: one value of the configuration file, changed in place. The whole configuration is checked
// with the change before any file is touched; the file is replaced in one step; then both daemons read it again.
#include "admin/commands/config_set.hpp"

#include "admin/atomic_file.hpp"
#include "admin/command.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/toml_edit.hpp"
#include "shared/config/document.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <cstdlib>
#include <ostream>

namespace postsluice::admin {
namespace {

namespace fs = std::filesystem;

/// A value as TOML: as it was given where it is that already, else as a string.
std::string as_toml(const std::string& value) {
    std::vector<config::config_error> errors;
    const auto parsed = config::parse_document("x = " + value + '\n', "value", errors);
    if (parsed && parsed->members.size() == 1) return value;
    std::string out = "\"";
    for (const char c : value)
        out += c == '"' || c == '\\' ? std::string{'\\', c} : c == '\n' ? "\\n" : std::string{c};
    return out + '"';
}

/// The main file, then conf.d/*.toml.
std::vector<fs::path> files_of(const fs::path& main) {
    std::vector<fs::path> out;
    std::error_code error;
    for (const auto& one : fs::directory_iterator{main.parent_path() / "conf.d", error})
        if (one.path().extension() == ".toml") out.push_back(one.path());
    std::ranges::sort(out);
    out.insert(out.begin(), main);
    return out;
}

/// The configuration with one file replaced, read in a scratch directory of root's own; errors name the real files.
std::vector<config::config_error> errors_with(const fs::path& main, const fs::path& changed, const std::string& text) {
    auto scratch = (fs::temp_directory_path() / "postsluice-config-XXXXXX").string();
    if (::mkdtemp(scratch.data()) == nullptr) return {{scratch, 0, "", "cannot be made"}};
    const auto there = [&](const fs::path& file) {
        return fs::path{scratch} / file.lexically_relative(main.parent_path());
    };
    std::error_code error;
    fs::create_directory(fs::path{scratch} / "conf.d", error);
    std::vector<config::config_error> out;
    for (const auto& one : files_of(main)) {
        const auto content = one == changed ? result<std::string>{text} : read_file(one);
        const auto copied = content ? write_file(there(one), *content, 0600) : result<void>{content.error()};
        if (!copied) out.push_back({one.string(), 0, "", copied.error().message()});
    }
    if (out.empty()) out = config::load(there(main)).errors;
    for (auto& one : out)
        if (one.file.starts_with(scratch)) one.file = main.parent_path().string() + one.file.substr(scratch.size());
    fs::remove_all(scratch, error);
    return out;
}

} // namespace

std::optional<int> set_value(context& ctx, const std::string& name, const std::string& value) {
    const auto key = split_key(name);
    if (key.empty()) return ctx.fail(exit_usage, '"' + printable(name) + "\" is no key", "malformed");
    auto file = ctx.config_file();
    std::string before;
    for (const auto& one : files_of(ctx.config_file())) {
        const auto text = read_file(one);
        if (!text) return ctx.fail(exit_refused, text.error().message(), "unavailable");
        if (one == ctx.config_file() || sets_key(*text, key)) file = one, before = *text;
    }
    const auto after = set_key(before, key, as_toml(value));
    if (!after)
        return ctx.fail(exit_refused, file.string() + ": " + after.error().message() + "; edit it there", "refused");
    if (const auto errors = errors_with(ctx.config_file(), file, *after); !errors.empty()) {
        for (const auto& e : errors)
            ctx.err << e.message() << '\n';
        return ctx.fail(exit_config, "nothing was changed", "configuration");
    }
    if (*after == before) {
        ctx.note(file.string() + " has it so already");
        return std::nullopt;
    }
    if (auto done = write_file(file, *after, 0640); !done)
        return ctx.fail(exit_refused, done.error().message(), "denied");
    if (!ctx.json()) ctx.out << file.string() << ": " << printable(name) << " = " << printable(as_toml(value)) << '\n';
    return std::nullopt;
}

} // namespace postsluice::admin
