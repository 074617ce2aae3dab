// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/dkim_key.hpp"
#include "shared/auth/dkim_names.hpp"
#include "shared/auth/opendkim_tables.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <sys/stat.h>
#include <system_error>

namespace postsluice::auth {

namespace {

namespace fs = std::filesystem;

/// A domain, or "*." and one.
bool is_key_domain(std::string_view name) {
    if (name.starts_with("*.")) name.remove_prefix(2);
    return is_dns_name(name);
}

constexpr key_role aside_roles[] = {key_role::next, key_role::retired};

/// What lies beside keys without being meant as one: hidden files, the public halves that tools write, and the folders
/// of the keys that a rotation has not yet put in force or has taken out of it.
bool is_companion(const fs::path& file) {
    const auto name = file.filename().string();
    std::error_code ignored;
    return name.starts_with('.') || name.ends_with(".txt") || name.ends_with(".pub") ||
           ((name == folder_of(key_role::next) || name == folder_of(key_role::retired)) &&
            fs::is_directory(file, ignored));
}

/// A rotation sets the time of the file when it takes the key out of use.
std::optional<instant> written_at(const fs::path& file) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) return std::nullopt;
    return instant{std::chrono::duration_cast<milliseconds>(seconds{info.st_mtim.tv_sec})};
}

std::vector<fs::path> entries_of(const fs::path& directory, std::error_code& error) {
    std::vector<fs::path> out;
    for (fs::directory_iterator it{directory, error}, end; !error && it != end; it.increment(error))
        out.push_back(it->path());
    std::sort(out.begin(), out.end());
    return out;
}

void mix(std::uint64_t& hash, std::uint64_t value) { // FNV-1a, by octet
    for (int i = 0; i < 8; ++i) {
        hash ^= (value >> (8U * static_cast<unsigned>(i))) & 0xFFU;
        hash *= 0x100000001B3U;
    }
}

void mix(std::uint64_t& hash, const fs::path& file) {
    for (const char c : file.native())
        mix(hash, static_cast<unsigned char>(c));
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) return mix(hash, std::uint64_t{0});
    for (const auto part :
         {static_cast<std::uint64_t>(info.st_ino), static_cast<std::uint64_t>(info.st_size),
          static_cast<std::uint64_t>(info.st_mode), static_cast<std::uint64_t>(info.st_mtim.tv_sec),
          static_cast<std::uint64_t>(info.st_mtim.tv_nsec), static_cast<std::uint64_t>(info.st_ctim.tv_sec),
          static_cast<std::uint64_t>(info.st_ctim.tv_nsec)})
        mix(hash, part);
}

} // namespace

std::uint64_t key_table::stamp() const {
    std::uint64_t out = 0xCBF29CE484222325U;
    std::error_code ignored;
    mix(out, directory_);
    for (const auto& domain : entries_of(directory_, ignored)) {
        mix(out, domain);
        std::error_code no_directory;
        for (const auto& file : entries_of(domain, no_directory))
            if (!is_companion(file)) mix(out, file);
        for (const auto role : aside_roles) {
            std::error_code no_folder;
            for (const auto& file : entries_of(domain / folder_of(role), no_folder))
                if (!is_companion(file)) mix(out, file);
        }
    }
    for (const auto& file : watched_)
        mix(out, file);
    return out;
}

bool key_table::changed_on_disk() const {
    return stamp() != stamp_;
}

/// One load(): what it reads from, and where it puts it.
class key_loader {
public:
    key_loader(const config::dkim_settings& settings, const key_table* before)
        : settings_{settings}
        , before_{before} {}

    key_table::load_outcome run() {
        table_->directory_ = settings_.directory;
        if (!settings_.key_table.empty() && !settings_.signing_table.empty()) read_tables();
        // Before the keys are read: what is written meanwhile is then seen as a change.
        table_->stamp_ = table_->stamp();
        if (settings_.sign) {
            load_directory();
            if (table_->tables_) load_named();
        }
        for (auto& [domain, keys] : table_->by_domain_)
            std::stable_sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.kind < b.kind; });
        return {std::move(table_), std::move(errors_)};
    }

private:
    void load_directory() {
        std::error_code error;
        const auto directories = entries_of(settings_.directory, error);
        if (error && error != std::errc::no_such_file_or_directory) { // none there: nothing to sign with, by choice
            errors_.push_back(settings_.directory.string() + ": " + error.message());
            table_->all_broken_ = true;
        }
        for (const auto& directory : directories) {
            if (is_companion(directory)) continue;
            const auto domain = to_lower(directory.filename().string());
            std::error_code ignored;
            if (!is_key_domain(domain) || !fs::is_directory(directory, ignored)) {
                errors_.push_back(directory.string() +
                                  ": is no directory named for a domain; DOMAIN/SELECTOR.pem would be right");
                if (is_key_domain(domain)) table_->broken_domains_.push_back(domain);
                continue;
            }
            if (load_domain(directory, domain)) table_->broken_domains_.push_back(domain);
            for (const auto role : aside_roles)
                load_aside(directory / folder_of(role), domain, role);
        }
    }

    /// Returns whether any key in the directory, or the directory itself, could not be used.
    bool load_domain(const fs::path& directory, const std::string& domain) {
        std::error_code error;
        const auto files = entries_of(directory, error);
        if (error) {
            errors_.push_back(directory.string() + ": " + error.message());
            return true;
        }
        bool failed = false, any = false;
        for (const auto& file : files) {
            if (is_companion(file)) continue;
            any = true;
            const auto selector = file.stem().string();
            if (file.extension() != ".pem" || !is_dns_name(selector)) {
                errors_.push_back(file.string() + ": is not named as a key; SELECTOR.pem would be right");
                failed = true;
                continue;
            }
            auto key = checked(load_key(file, domain, selector, settings_.min_rsa_bits));
            if (!key) key = or_before(key, file, domain, selector, "");
            if (key)
                table_->by_domain_[domain].push_back(std::move(*key));
            else
                failed = true;
        }
        if (!any) errors_.push_back(directory.string() + ": holds no key; DOMAIN/SELECTOR.pem would be right");
        return failed;
    }

    /// Keys that do not sign: one that cannot be used is an error, and breaks nothing. A retired one may be shorter
    /// than what signs today.
    void load_aside(const fs::path& folder, const std::string& domain, key_role role) {
        std::error_code error;
        for (const auto& file : entries_of(folder, error)) {
            if (is_companion(file)) continue;
            const auto selector = file.stem().string();
            if (file.extension() != ".pem" || !is_dns_name(selector)) {
                errors_.push_back(file.string() + ": is not named as a key; SELECTOR.pem would be right");
                continue;
            }
            const bool retired = role == key_role::retired;
            auto key = load_key(file, domain, selector, retired ? 0 : settings_.min_rsa_bits);
            if (!retired) key = checked(std::move(key));
            if (key)
                table_->aside_[domain].push_back({std::move(*key), role, retired ? written_at(file) : std::nullopt});
            else
                errors_.push_back(key.error().detail);
        }
        if (error && error != std::errc::no_such_file_or_directory)
            errors_.push_back(folder.string() + ": " + error.message());
    }

    /// The key, where libopendkim verifies what it signs.
    result<signing_key> checked(result<signing_key> key) {
        if (!key) return key;
        auto as_used = *key;
        if (as_used.domain.starts_with("*.")) as_used.domain.replace(0, 1, "wildcard");
        if (as_used.domain == "%") as_used.domain = "wildcard.example";
        const auto good = self_check(settings_, as_used);
        if (!good) return failure{good.error().code, key->file.string() + ": " + good.error().detail};
        return key;
    }

    /// The key that `before` had from the same place; reports the trouble in either case.
    result<signing_key> or_before(const result<signing_key>& key, const fs::path& file, const std::string& domain,
                                  const std::string& selector, const std::string& place) {
        if (before_ != nullptr && key.error().code != errc::not_found)
            for (const auto* const old : before_->all())
                if (old->file == file && old->domain == domain && old->selector == selector) {
                    errors_.push_back(place + key.error().detail + "; the key loaded before stays in use");
                    return *old;
                }
        errors_.push_back(place + key.error().detail);
        return key;
    }

    void read_tables() {
        table_->tables_ = std::make_unique<opendkim_tables>(
            read_opendkim_tables(settings_.key_table, settings_.signing_table, errors_));
        auto& tables = *table_->tables_;
        // Half a SigningTable would let mail go unsigned: where one is in error, the one before stays in force.
        if (!errors_.empty() && before_ != nullptr && before_->tables_) {
            errors_.emplace_back("OpenDKIM's tables are in error; those read before stay in force");
            auto files = std::make_pair(tables.key_file, tables.signing_file);
            tables = *before_->tables_;
            std::tie(tables.key_file, tables.signing_file) = std::move(files);
        }
        table_->all_matches_ = settings_.multiple_signatures;
        table_->watched_ = {tables.key_file, tables.signing_file};
        for (const auto& [name, line] : tables.keys) {
            if (line.inside) continue;
            const auto mark = line.key.find('%');
            if (mark == std::string::npos) {
                table_->watched_.emplace_back(line.key);
                continue;
            }
            table_->watched_.push_back(fs::path{line.key.substr(0, mark) + "x"}.parent_path());
            for (const auto& [domain, file] : files_of(line.key))
                table_->watched_.push_back(file);
        }
    }

    /// The files that a pattern with '%' stands for, by domain, whether there is a file or only room for one.
    static std::map<std::string, fs::path> files_of(const std::string& pattern) {
        std::map<std::string, fs::path> out;
        const auto mark = pattern.find('%');
        const auto begin = pattern.rfind('/', mark) + 1;
        const auto end = std::min(pattern.find('/', mark), pattern.size());
        const auto prefix = pattern.substr(begin, mark - begin);
        const auto suffix = pattern.substr(mark + 1, end - mark - 1);
        std::error_code ignored;
        for (const auto& entry : entries_of(pattern.substr(0, begin), ignored)) {
            const auto name = entry.filename().string();
            if (name.size() <= prefix.size() + suffix.size() || !name.starts_with(prefix) || !name.ends_with(suffix))
                continue;
            const auto domain = to_lower(name.substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
            if (is_dns_name(domain)) out.emplace(domain, fill_in(pattern, domain));
        }
        return out;
    }

    void load_named() {
        const auto& tables = *table_->tables_;
        for (const auto& [name, line] : tables.keys) {
            auto& to = table_->named_[name];
            to.any_domain = line.domain == "%";
            const auto place = tables.key_file.string() + ":" + std::to_string(line.line) + ": ";
            if (!is_dns_name(line.selector) || (!to.any_domain && !is_dns_name(line.domain))) {
                errors_.push_back(place + "domain or selector is no DNS name");
                to.failed = true;
            } else if (line.inside) {
                add_named(to, "", line, tables.key_file, place,
                          read_key(line.key, tables.key_file, line.domain, line.selector, settings_.min_rsa_bits));
            } else if (line.key.find('%') == std::string::npos) {
                add_named(to, "", line, line.key, place,
                          load_key(line.key, line.domain, line.selector, settings_.min_rsa_bits));
            } else {
                for (const auto& [domain, file] : files_of(line.key)) {
                    std::error_code ignored;
                    if (!fs::exists(file, ignored)) continue;
                    add_named(to, domain, line, file, place,
                              load_key(file, line.domain, line.selector, settings_.min_rsa_bits));
                }
            }
        }
    }

    void add_named(key_table::named_key& to, const std::string& domain, const key_table_line& line,
                   const fs::path& file, const std::string& place, result<signing_key> loaded) {
        auto key = checked(std::move(loaded));
        if (!key) key = or_before(key, file, line.domain, line.selector, place);
        if (key)
            to.by_domain.emplace(domain, std::move(*key));
        else
            to.failed = true;
    }

    const config::dkim_settings& settings_;
    const key_table* before_;
    std::shared_ptr<key_table> table_ = std::make_shared<key_table>();
    std::vector<std::string> errors_;
};

key_table::load_outcome key_table::load(const config::dkim_settings& settings, const key_table* before) {
    return key_loader{settings, before}.run();
}

} // namespace postsluice::auth
