// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/quarantine_files.hpp"

#include "shared/core/text.hpp"
#include "shared/log/log.hpp"
#include "shared/smtp/envelope.hpp"

#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

namespace postsluice::contentfilter::act {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view first_line = "postsluice-quarantine 1";
constexpr std::string_view before_queue = "before-queue";
constexpr std::uintmax_t longest_envelope = 16U << 20U;

failure failed(const fs::path& path, int number) {
    const bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
    return {full ? errc::disk_full : errc::unavailable, path.string() + ": " + std::strerror(number)};
}

/// A file under construction: unlinked again unless it was put in its place.
class new_file {
public:
    explicit new_file(fs::path target)
        : target_{std::move(target)}
        , path_{target_.string() + ".new"} {
        fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        error_ = fd_ < 0 ? errno : 0;
    }
    new_file(const new_file&) = delete;
    ~new_file() {
        if (fd_ >= 0) ::close(fd_);
        if (!placed_) ::unlink(path_.c_str());
    }
    bool write(std::string_view octets) {
        while (error_ == 0 && !octets.empty()) {
            const auto written = ::write(fd_, octets.data(), octets.size());
            if (written >= 0)
                octets.remove_prefix(static_cast<std::size_t>(written));
            else if (errno != EINTR)
                error_ = errno;
        }
        return error_ == 0;
    }
    result<void> sync() {
        if (error_ == 0 && ::fsync(fd_) != 0) error_ = errno;
        return error_ == 0 ? result<void>{} : failed(path_, error_);
    }
    result<void> place() {
        if (::rename(path_.c_str(), target_.c_str()) != 0) return failed(target_, errno);
        placed_ = true;
        return {};
    }

private:
    fs::path target_, path_;
    int fd_ = -1, error_ = 0;
    bool placed_ = false;
};

void append_line(std::string& to, std::string_view key, std::string_view value) {
    to.append(key).append(" ");
    for (const char c : value)
        to += c == '\n' || c == '\r' ? ' ' : c;
    to += '\n';
}

template <class Number>
bool number_of(std::string_view text, Number& out) {
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
    return problem == std::errc{} && end == text.data() + text.size();
}

bool take_line(state::quarantine_entry& to, std::string_view key, const std::string& value) {
    if (key == "id")
        to.id = value;
    else if (key == "account")
        to.account = value;
    else if (key == "queue-id")
        to.queue_id = value;
    else if (key == "way")
        to.before_queue = value == before_queue;
    else if (key == "digest")
        to.digest = value;
    else if (key == "subject")
        to.subject = value;
    else if (key == "mail")
        to.mail_line = value;
    else if (key == "sender")
        to.sender = value;
    else if (key == "rcpt")
        to.rcpt_lines.push_back(value);
    else if (key == "recipient")
        to.recipients.push_back(value);
    else if (key == "finding")
        to.findings.push_back(value);
    else if (key == "reason")
        to.why = parse_reason(value).value_or(reason::none);
    else if (key == "size")
        return number_of(value, to.size);
    else if (key == "held")
        to.held = value == "yes";
    else if (key == "at" || key == "release-at") {
        std::int64_t at = 0;
        if (!number_of(value, at)) return false;
        (key == "at" ? to.at : to.release_at) = instant{milliseconds{at}};
    }
    return true; // an unknown key comes from a newer version
}

} // namespace

std::string to_text(const state::quarantine_entry& entry) {
    std::string out{first_line};
    out += '\n';
    append_line(out, "id", entry.id);
    append_line(out, "at", std::to_string(entry.at.time_since_epoch().count()));
    append_line(out, "account", entry.account);
    append_line(out, "queue-id", entry.queue_id);
    if (entry.before_queue) append_line(out, "way", before_queue);
    append_line(out, "digest", entry.digest);
    append_line(out, "subject", entry.subject);
    append_line(out, "size", std::to_string(entry.size));
    append_line(out, "reason", to_string(entry.why));
    if (entry.held) append_line(out, "held", "yes");
    if (entry.release_at != instant{})
        append_line(out, "release-at", std::to_string(entry.release_at.time_since_epoch().count()));
    append_line(out, "mail", entry.mail_line);
    append_line(out, "sender", entry.sender);
    for (const auto& line : entry.rcpt_lines)
        append_line(out, "rcpt", line);
    for (const auto& one : entry.recipients)
        append_line(out, "recipient", one);
    for (const auto& one : entry.findings)
        append_line(out, "finding", one);
    return out += "end\n";
}

result<state::quarantine_entry> parse_entry(std::string_view text) {
    state::quarantine_entry out;
    const auto lines = split(text, '\n');
    if (lines.size() < 3 || lines.front() != first_line || lines[lines.size() - 2] != "end")
        return failure{errc::corrupt, "no quarantine envelope"};
    for (std::size_t i = 1; i + 2 < lines.size(); ++i) {
        const auto blank = lines[i].find(' ');
        if (blank == std::string_view::npos)
            return failure{errc::corrupt, "quarantine envelope: a line without a value"};
        if (!take_line(out, lines[i].substr(0, blank), std::string{lines[i].substr(blank + 1)}))
            return failure{errc::corrupt, "quarantine envelope: no number"};
    }
    if (out.id.empty() || out.mail_line.empty() || out.rcpt_lines.empty() ||
        out.rcpt_lines.size() != out.recipients.size()) {
        return failure{errc::corrupt, "quarantine envelope: not whole"};
    }
    return out;
}

quarantine_files::quarantine_files(fs::path directory)
    : directory_{std::move(directory)} {
    std::error_code problem;
    if (fs::create_directories(directory_, problem)) ::chmod(directory_.c_str(), 0700);
    if (problem || ::access(directory_.c_str(), R_OK | W_OK | X_OK) != 0) {
        throw std::runtime_error("quarantine.directory " + directory_.string() + ": " +
                                 (problem ? problem.message() : std::strerror(errno)));
    }
}

result<void> quarantine_files::sync_directory() const {
    const int fd = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return failed(directory_, errno);
    const int rc = ::fsync(fd);
    const int number = errno;
    ::close(fd);
    return rc == 0 ? result<void>{} : failed(directory_, number);
}

result<void> quarantine_files::write(const state::quarantine_entry& entry, const spool& content) {
    new_file message{message_path(entry.id)}, envelope{envelope_path(entry.id)};
    auto copied = content.for_each(0, [&](std::string_view piece) { return message.write(piece); });
    if (!copied) return copied;
    if (auto synced = message.sync(); !synced) return synced;
    envelope.write(to_text(entry));
    if (auto synced = envelope.sync(); !synced) return synced;
    auto done = envelope.place();
    if (done) done = message.place();
    if (done) done = sync_directory();
    if (!done) (void)remove(entry.id);
    return done;
}

result<void> quarantine_files::write_envelope(const state::quarantine_entry& entry) {
    new_file envelope{envelope_path(entry.id)};
    envelope.write(to_text(entry));
    if (auto synced = envelope.sync(); !synced) return synced;
    if (auto placed = envelope.place(); !placed) return placed;
    return sync_directory();
}

result<void> quarantine_files::remove(const std::string& id) {
    for (const auto& path : {message_path(id), envelope_path(id)})
        if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed(path, errno);
    return sync_directory();
}

bool quarantine_files::has(const std::string& id) const {
    return ::access(message_path(id).c_str(), F_OK) == 0;
}

result<state::quarantine_entry> quarantine_files::read_envelope(const std::string& id) const {
    const auto path = envelope_path(id);
    std::ifstream in{path, std::ios::binary};
    if (!in) return failure{errc::not_found, path.string()};
    std::error_code ignored;
    if (fs::file_size(path, ignored) > longest_envelope) return failure{errc::corrupt, path.string()};
    auto entry = parse_entry(std::string{std::istreambuf_iterator<char>{in}, {}});
    if (entry && entry->id != id) return failure{errc::corrupt, path.string() + ": of another message"};
    return entry;
}

result<void> quarantine_files::read_message(const std::string& id,
                                            const std::function<bool(std::string_view)>& visit) const {
    const auto path = message_path(id);
    std::ifstream in{path, std::ios::binary};
    if (!in) return failure{errc::not_found, path.string()};
    std::string piece(65536, '\0');
    while (in.read(piece.data(), static_cast<std::streamsize>(piece.size())) || in.gcount() > 0)
        if (!visit(std::string_view{piece}.substr(0, static_cast<std::size_t>(in.gcount())))) return {};
    return in.bad() ? result<void>{failed(path, EIO)} : result<void>{};
}

result<std::set<std::string>> quarantine_files::tidy() {
    std::set<std::string> messages;
    std::vector<fs::path> envelopes, leftovers;
    std::error_code problem;
    for (auto at = fs::directory_iterator{directory_, problem}; !problem && at != fs::directory_iterator{};
         at.increment(problem)) {
        const auto& path = at->path();
        if (path.extension() == ".eml")
            messages.insert(path.stem().string());
        else if (path.extension() == ".env")
            envelopes.push_back(path);
        else if (path.extension() == ".new")
            leftovers.push_back(path);
    }
    if (problem) return failure{errc::unavailable, directory_.string() + ": " + problem.message()};
    for (const auto& path : envelopes)
        if (!messages.contains(path.stem().string())) leftovers.push_back(path);
    for (const auto& path : leftovers) {
        log::info("quarantine: leftover removed").kv("file", path.filename().string());
        ::unlink(path.c_str());
    }
    return messages;
}

} // namespace postsluice::contentfilter::act
