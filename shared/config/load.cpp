// SPDX-License-Identifier: Apache-2.0
#include "shared/config/host_name.hpp"
#include "shared/config/reader.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace postsluice::config {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> read_file(const fs::path& file, std::vector<config_error>& errors) {
    const auto fail = [&](const std::string& why) -> std::optional<std::string> {
        errors.push_back({file.string(), 0, "", "cannot be read: " + why});
        return std::nullopt;
    };
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); // never waits, should it be a fifo
    if (fd < 0)
        return fail(std::string{std::strerror(errno)} + "; it must be there and readable for the daemons' user");
    struct stat about {};
    const bool plain = ::fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    std::string text(max_file_size + 1, '\0');
    std::size_t size = 0;
    ssize_t n = 1;
    while (plain && n > 0 && size < text.size()) {
        n = ::read(fd, text.data() + size, text.size() - size);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            size += static_cast<std::size_t>(n);
    }
    const int problem = errno;
    ::close(fd);
    if (!plain) return fail("it is not a file; put the configuration there");
    if (n < 0) return fail(std::strerror(problem));
    text.resize(size);
    return text;
}

/// conf.d/*.toml beside the file, in name order.
std::vector<fs::path> extra_files(const fs::path& file, std::vector<config_error>& errors) {
    const auto directory = file.parent_path() / "conf.d";
    std::vector<fs::path> out;
    std::error_code problem;
    for (fs::directory_iterator it{directory, problem}, end; !problem && it != end; it.increment(problem)) {
        const auto name = it->path().filename().string();
        if (name.ends_with(".toml") && !name.starts_with('.')) out.push_back(it->path());
    }
    if (problem && problem != std::errc::no_such_file_or_directory)
        errors.push_back({directory.string(), 0, "",
                          "cannot be read: " + problem.message() + "; it must be readable for the daemons' user"});
    std::sort(out.begin(), out.end());
    return out;
}

/// Reads [[account]] or [[assign]]: entries, the tables they came from, and which had no errors.
template <class Entry>
void read_entries(const node& root, const std::string& key, std::vector<Entry>& into, const options<Entry>& rows,
                  std::vector<const node*>& tables, std::vector<bool>& sound, const report& to) {
    const auto* list = root.find(key);
    const auto here = to.at(key);
    if (list == nullptr) return;
    if (!list->is(node::kind::array)) return here.add(*list, "must be a list of tables; write [[" + key + "]]");
    for (const auto& table : list->items) {
        if (!expect_table(table, "[[" + key + "]]", here)) continue;
        const auto before = to.count();
        Entry entry;
        read_table(table, entry, rows, here);
        into.push_back(std::move(entry));
        tables.push_back(&table);
        sound.push_back(to.count() == before);
    }
}

/// `whole`: every file could be parsed, so what is not there is not there.
settings read_settings(const node& root, bool whole, const report& to) {
    settings out;
    std::vector<std::string> sections = {"profile", "account", "customer", "assign", "settings"};
    for_each_section(out, [&](const std::string& name, std::string_view, auto& section, const auto& rows) {
        sections.push_back(name);
        const auto* table = root.find(name);
        if (table != nullptr && expect_table(*table, "[" + name + "]", to.at(name)))
            read_table(*table, section, rows, to.at(name));
    });
    read_table(root, out, top_options(), to, sections);
    const auto before = to.count();
    read_profiles(root.find("profile"), out, to.at("profile"));
    const bool profiles_sound = to.count() == before;
    std::vector<const node*> accounts, customers, assigns, per_message;
    std::vector<bool> sound, customer_sound, assign_sound, settings_sound;
    read_entries(root, "account", out.accounts, account_options(), accounts, sound, to);
    read_entries(root, "customer", out.customers, customer_options(), customers, customer_sound, to);
    read_entries(root, "assign", out.assigns, assign_options(), assigns, assign_sound, to);
    read_entries(root, "settings", out.per_message, settings_options(), per_message, settings_sound, to);
    if (!whole) return out;
    if (!profiles_sound) sound.assign(sound.size(), false);
    check_whole(out, root, to);
    check_accounts(out, accounts, customers, assigns, sound, to);
    check_settings(out, per_message, to);
    return out;
}

struct source {
    std::string name;
    std::string text;
};

load_result load_sources(const std::vector<source>& sources, std::vector<config_error> errors) {
    node root;
    const report to{errors, ""};
    std::vector<std::string> order;
    bool whole = errors.empty();
    for (const auto& one : sources) {
        order.push_back(one.name);
        auto parsed = parse_document(one.text, one.name, errors);
        whole = whole && parsed.has_value();
        if (!parsed) continue;
        if (!root.file) root.file = parsed->file;
        merge(root, std::move(*parsed), to);
    }
    auto read = read_settings(root, whole, to);
    const auto rank = [&order](const config_error& e) {
        return std::find(order.begin(), order.end(), e.file) - order.begin();
    };
    std::stable_sort(errors.begin(), errors.end(), [&rank](const config_error& a, const config_error& b) {
        return std::pair{rank(a), a.line} < std::pair{rank(b), b.line};
    });
    if (!errors.empty()) return {nullptr, std::move(errors)};
    if (read.hostname.empty()) read.hostname = host_name();
    return {std::make_shared<const settings>(std::move(read)), {}};
}

} // namespace

std::string config_error::message() const {
    std::string out = file;
    if (line > 0) out += ":" + std::to_string(line);
    if (!key.empty()) out += ": " + printable(key, 200);
    return out + ": " + printable(text, 1000); // it may quote what the file says, which may be anything
}

load_result load(const fs::path& file) {
    std::vector<config_error> errors;
    std::vector<source> sources;
    auto files = extra_files(file, errors);
    files.insert(files.begin(), file);
    for (const auto& one : files)
        if (auto text = read_file(one, errors)) sources.push_back({one.string(), std::move(*text)});
    return load_sources(sources, std::move(errors));
}

load_result load_text(std::string_view toml, std::string_view name) {
    return load_sources({{std::string{name}, std::string{toml}}}, {});
}

} // namespace postsluice::config
