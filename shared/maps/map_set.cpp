// SPDX-License-Identifier: Apache-2.0
#include "shared/maps/map_set.hpp"

#include "shared/config/settings.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"
#include "shared/maps/answer_cache.hpp"
#include "shared/maps/socketmap.hpp"
#include "shared/maps/table.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cerrno>
#include <map>
#include <sys/stat.h>

namespace postsluice::maps {

namespace asio = boost::asio;
using steady = std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds said_again{60};

enum class map_type { lmdb, texthash, regexp, socketmap, unknown };

struct map_name {
    map_type type = map_type::unknown;
    std::string_view name;
    explicit map_name(std::string_view text) {
        const auto colon = text.find(':');
        if (colon == std::string_view::npos) return;
        const auto word = text.substr(0, colon);
        name = text.substr(colon + 1);
        type = word == "lmdb"        ? map_type::lmdb
               : word == "texthash"  ? map_type::texthash
               : word == "regexp"    ? map_type::regexp
               : word == "socketmap" ? map_type::socketmap
                                     : map_type::unknown;
    }
    [[nodiscard]] std::string file() const {
        return type == map_type::lmdb ? std::string{name} + ".lmdb" : std::string{name};
    }
};

/// What tells one state of a file from another.
struct file_state {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    std::int64_t changed = 0; // ns
    bool operator==(const file_state&) const = default;
};

result<file_state> look_at(const std::string& path) {
    struct ::stat about {};
    if (::stat(path.c_str(), &about) != 0) return file_failure(path, errno);
    return file_state{about.st_dev, about.st_ino, about.st_size,
                      std::int64_t{about.st_mtim.tv_sec} * 1'000'000'000 + about.st_mtim.tv_nsec};
}

std::int64_t file_clock_now() {
    struct ::timespec now {};
    (void)::clock_gettime(CLOCK_REALTIME, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

result<table_ptr> open_table(const map_name& what) {
    const std::string path{what.name};
    switch (what.type) {
    case map_type::lmdb:
        return open_lmdb(path);
    case map_type::texthash:
        return open_texthash(path);
    case map_type::regexp:
        return open_regexp(path);
    default:
        return failure{errc::unsupported, path + " is no file"};
    }
}

std::optional<failure> wrong_key(std::string_view key) {
    if (key.size() > max_key) return failure{errc::too_large, "a key of " + std::to_string(key.size()) + " octets"};
    if (key.find('\0') != std::string_view::npos) return failure{errc::malformed, "a key with a NUL"};
    return std::nullopt;
}

/// A map that is a file, and what it looked like when it was opened.
class file_map {
public:
    explicit file_map(std::string_view name)
        : name_{name} {}

    answer get(std::string_view key) {
        const std::lock_guard guard{mutex_};
        auto got = refresh();
        if (!got) return said(got.error());
        auto found = table_->get(key);
        if (!found) {
            table_.reset(); // opened anew for the next question
            return said(found.error());
        }
        return found;
    }

private:
    // A file that was young when it was read may have been written on within the same tick of its clock: it is read
    // once more when it is older.
    static constexpr std::int64_t young = 100'000'000;

    result<void> refresh() {
        const map_name what{name_};
        const auto now = look_at(what.file());
        if (!now) return now.error();
        const bool lmdb = what.type == map_type::lmdb;
        const bool same = lmdb ? now->inode == state_.inode && now->device == state_.device && now->size >= state_.size
                               : *now == state_ && !(was_young_ && file_clock_now() - state_.changed > young);
        if (table_ && same) {
            if (lmdb) state_.size = now->size;
            return {};
        }
        table_.reset(); // before it is opened again: LMDB wants one environment a file
        was_young_ = file_clock_now() - now->changed <= young;
        auto opened = open_table(what);
        if (!opened) return opened.error();
        table_ = std::move(*opened);
        state_ = *now;
        for (const auto& one : table_->warnings)
            log::warning("map").kv("map", name_).kv("passed_over", one);
        if (!failing_) return {};
        failing_ = false;
        log::info("map can be read again").kv("map", name_);
        return {};
    }
    failure said(failure why) {
        if (!failing_ || steady::now() - said_at_ >= said_again) {
            log::error("map cannot be read").kv("map", name_).kv("why", why.message());
            said_at_ = steady::now();
        }
        failing_ = true;
        why.detail = name_ + ": " + why.detail;
        return why;
    }

    std::mutex mutex_;
    std::string name_;
    table_ptr table_;
    file_state state_;
    bool was_young_ = false, failing_ = false;
    steady::time_point said_at_;
};

struct remote_map {
    std::shared_ptr<socketmap> server;
    std::mutex mutex;
    bool failing = false;
    steady::time_point said_at;

    void note(const std::string& name, const answer& got) {
        const std::lock_guard guard{mutex};
        if (got) {
            if (std::exchange(failing, false)) log::info("map answers again").kv("map", name);
            return;
        }
        if (failing && steady::now() - said_at < said_again) return;
        failing = true;
        said_at = steady::now();
        log::error("map does not answer").kv("map", name).kv("why", got.error().message());
    }
};

} // namespace

bool is_pattern(std::string_view name) noexcept {
    return name.starts_with("regexp:") || is_remote(name);
}

bool is_remote(std::string_view name) noexcept {
    return name.starts_with("socketmap:");
}

remote_options remote_options_of(const config::settings& settings) {
    return {settings.policyd.map_timeout, settings.policyd.map_cache, settings.policyd.map_cache_time};
}

struct map_set::impl {
    asio::any_io_executor executor;
    std::mutex mutex; // of what follows, not of the maps
    std::map<std::string, std::shared_ptr<file_map>, std::less<>> files;
    std::map<std::string, std::shared_ptr<remote_map>, std::less<>> remotes;
    answer_cache cache;

    std::shared_ptr<file_map> file(std::string_view name) {
        const std::lock_guard guard{mutex};
        const auto at = files.find(name);
        if (at != files.end()) return at->second;
        return files.emplace(name, std::make_shared<file_map>(name)).first->second;
    }
    result<std::shared_ptr<remote_map>> remote(const std::string& name) {
        const std::lock_guard guard{mutex};
        if (const auto at = remotes.find(name); at != remotes.end()) return at->second;
        if (!executor) return failure{errc::unsupported, name + ": nobody asks sockets here"};
        auto made = socketmap::make(map_name{name}.name, asio::make_strand(executor));
        if (!made) return made.error();
        auto one = std::make_shared<remote_map>();
        one->server = std::move(*made);
        return remotes.emplace(name, std::move(one)).first->second;
    }
};

map_set::map_set(asio::any_io_executor executor)
    : impl_{std::make_shared<impl>()} {
    impl_->executor = std::move(executor);
}

map_set::~map_set() = default;

answer map_set::get(std::string_view name, std::string_view key) {
    const map_name what{name};
    if (what.type == map_type::socketmap || what.type == map_type::unknown)
        return failure{errc::unsupported, std::string{name} + " is no map that answers at once"};
    if (auto wrong = wrong_key(key)) return std::move(*wrong);
    return impl_->file(name)->get(key);
}

asio::awaitable<answer> map_set::find(std::string name, std::string key, remote_options how) {
    if (!is_remote(name)) co_return get(name, key);
    if (auto wrong = wrong_key(key)) co_return std::move(*wrong);
    const auto all = impl_;
    const auto question = name + '\0' + key;
    if (auto known = all->cache.find(question, steady::now())) co_return std::move(*known);
    const auto map = all->remote(name);
    if (!map) co_return map.error();
    const auto server = (*map)->server;
    auto asking = server->ask(key, how.timeout);
    auto got = co_await asio::co_spawn(server->on(), std::move(asking), asio::use_awaitable);
    (*map)->note(name, got);
    if (!got) co_return failure{got.error().code, name + ": " + got.error().detail};
    all->cache.keep(question, *got, steady::now() + how.cache_time, how.cache_time > seconds{0} ? how.cache : 0);
    co_return got;
}

namespace {

void add_problems(const std::string& name, std::vector<std::string>& out) {
    const map_name what{name};
    if (what.type == map_type::socketmap) {
        const auto made = socketmap::make(what.name, asio::make_strand(asio::any_io_executor{asio::system_executor{}}));
        if (!made) out.push_back(name + ": " + made.error().message());
        return;
    }
    const auto opened = open_table(what);
    if (!opened) {
        out.push_back(name + ": cannot be read: " + opened.error().message());
        return;
    }
    for (const auto& one : (*opened)->warnings)
        out.push_back(name + ": " + one);
    if (const auto probed = (*opened)->get("postmaster@example.org"); !probed)
        out.push_back(name + ": cannot be read: " + probed.error().message());
}

} // namespace

std::vector<std::string> problems(const config::settings& settings) {
    std::vector<std::string> names, out;
    const auto add = [&names](const std::vector<std::string>& entries) {
        for (const auto& one : entries)
            if (map_name{one}.type != map_type::unknown && std::find(names.begin(), names.end(), one) == names.end())
                names.push_back(one);
    };
    for (const auto& [name, profile] : settings.profiles) {
        add(profile->from.entries);
        add(profile->sender_maps);
        add(profile->blocked_senders);
        add(profile->blocked_recipients);
    }
    for (const auto& name : names)
        add_problems(name, out);
    return out;
}

} // namespace postsluice::maps
