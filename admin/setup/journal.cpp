// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/journal.hpp"

#include "admin/atomic_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>
#include <vector>

namespace postsluice::admin::setup {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view phases[] = {"applying", "applied", "undoing", "draining"};

result<json> read_state(const fs::path& directory) {
    const auto text = read_file(directory / "state.json");
    if (!text) return text.error();
    auto state = json::parse(*text, nullptr, false);
    if (!state.is_object()) return failure{errc::corrupt, (directory / "state.json").string()};
    return result<json>{boost::system::in_place_value, std::move(state)};
}

result<file_set> read_set(const fs::path& directory) {
    file_set out;
    std::error_code error;
    for (const auto& one : fs::directory_iterator{directory, error}) {
        auto text = read_file(one.path());
        if (!text) return text.error();
        out[one.path().filename().string()] = std::move(*text);
    }
    if (error || !out.contains("main.cf") || !out.contains("master.cf"))
        return failure{errc::corrupt, directory.string() + " lacks main.cf or master.cf"};
    return out;
}

result<void> write_set(const fs::path& directory, const file_set& files) {
    std::error_code error;
    fs::create_directories(directory, error);
    if (error) return failure{errc::denied, directory.string() + ": " + error.message()};
    for (const auto& [name, text] : files)
        if (auto done = write_file(directory / name, text, 0600); !done) return done;
    return {};
}

} // namespace

std::string_view to_string(phase p) {
    return phases[static_cast<std::size_t>(p)];
}

journal::journal(const fs::path& config_directory)
    : directory_{config_directory / "postsluice-setup"} {}

journal::~journal() {
    if (lock_ >= 0) ::close(lock_);
}

namespace {

/// Temporary files of a setup that was killed; beside Postfix's files, where the lock says that nobody is writing.
void remove_leftovers(const fs::path& directory) {
    std::vector<fs::path> left;
    std::error_code error;
    for (const auto& one : fs::directory_iterator{directory, error})
        if (one.path().filename().string().find(temporary_mark) != std::string::npos) left.push_back(one.path());
    for (const auto& one : left)
        fs::remove(one, error);
}

} // namespace

result<void> journal::lock() {
    if (lock_ >= 0) return {};
    // On the configuration directory itself: it is there before and after.
    lock_ = ::open(directory_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock_ < 0) return failure{errc::unavailable, directory_.parent_path().string() + ": " + std::strerror(errno)};
    if (::flock(lock_, LOCK_EX | LOCK_NB) != 0)
        return failure{errc::exists, "another setup is at work on " + directory_.parent_path().string()};
    remove_leftovers(directory_.parent_path());
    return {};
}

result<std::optional<record>> journal::load() const {
    const auto state = read_state(directory_);
    if (!state && state.error().code == errc::not_found) return std::optional<record>{};
    if (!state) return state.error();
    record out;
    const auto named = std::ranges::find(phases, state->value("phase", ""));
    const auto by = parse_way(state->value("way", ""));
    if (named == std::end(phases) || !by) return failure{errc::corrupt, (directory_ / "state.json").string()};
    out.at = static_cast<phase>(named - std::begin(phases));
    out.by = *by;
    const auto generation = directory_ / std::to_string(state->value("generation", 0U));
    auto before = read_set(generation / "before"), after = read_set(generation / "after");
    if (!before) return before.error();
    if (!after) return after.error();
    out.before = std::move(*before);
    out.after = std::move(*after);
    return std::optional{std::move(out)};
}

result<void> journal::write_state(phase p, way by, unsigned generation) {
    const json state{{"phase", to_string(p)}, {"way", to_string(by)}, {"generation", generation}};
    return write_file(directory_ / "state.json", state.dump() + '\n', 0600);
}

result<void> journal::store(const record& r) {
    const auto last = read_state(directory_);
    const unsigned generation = last ? last->value("generation", 0U) + 1 : 1;
    std::error_code error;
    fs::create_directories(directory_, error);
    if (error) return failure{errc::denied, directory_.string() + ": " + error.message()};
    fs::permissions(directory_, fs::perms::owner_all, error);
    const auto place = directory_ / std::to_string(generation);
    if (auto done = remove_file(place); !done) return done;
    if (auto done = write_set(place / "before", r.before); !done) return done;
    if (auto done = write_set(place / "after", r.after); !done) return done;
    if (auto done = write_state(r.at, r.by, generation); !done) return done;
    if (generation > 1) return remove_file(directory_ / std::to_string(generation - 1));
    return {};
}

result<void> journal::set_phase(phase p) {
    const auto state = read_state(directory_);
    if (!state) return state.error();
    return write_state(p, *parse_way(state->value("way", "lmtp")), state->value("generation", 0U));
}

// state.json first: what it does not name is of no meaning.
result<void> journal::remove() {
    if (auto done = remove_file(directory_ / "state.json"); !done) return done;
    return remove_file(directory_);
}

} // namespace postsluice::admin::setup
