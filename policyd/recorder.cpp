// SPDX-License-Identifier: Apache-2.0
#include "policyd/recorder.hpp"

#include "shared/log/log.hpp"

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace postsluice::policyd {

namespace {

constexpr std::size_t write_at = 64U << 10U; // octets; fewer wait for a second to be over
constexpr mode_t file_mode = 0600;

/// The file, on the writing thread. Every function that fails says why.
class record_file {
public:
    record_file(std::filesystem::path name, std::uint64_t most)
        : name_{std::move(name)}
        , most_{most} {}
    record_file(const record_file&) = delete;
    record_file& operator=(const record_file&) = delete;
    ~record_file() { close(); }

    result<void> append(std::string_view lines) {
        if (fd_ < 0) {
            if (auto opened = open(); !opened) {
                return opened;
            }
        }
        if (size_ > 0 && size_ + lines.size() > most_) {
            if (auto begun = begin_anew(); !begun) {
                return begun;
            }
        }
        while (!lines.empty()) {
            const auto written = ::write(fd_, lines.data(), lines.size());
            if (written < 0 && errno == EINTR) {
                continue;
            }
            if (written <= 0) {
                return trouble("write");
            }
            lines.remove_prefix(static_cast<std::size_t>(written));
            size_ += static_cast<std::uint64_t>(written);
        }
        return {};
    }

private:
    result<void> open() {
        fd_ = ::open(name_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, file_mode);
        struct stat about {};
        if (fd_ < 0 || ::fstat(fd_, &about) != 0) {
            return trouble("open");
        }
        if (!S_ISREG(about.st_mode)) {
            return failure{errc::denied, name_.string() + " is not a file"};
        }
        if ((about.st_mode & 0077) != 0 && ::fchmod(fd_, file_mode) != 0) {
            return trouble("chmod");
        }
        size_ = static_cast<std::uint64_t>(about.st_size);
        return {};
    }
    result<void> begin_anew() {
        close();
        if (::rename(name_.c_str(), (name_.string() + ".1").c_str()) != 0) {
            return trouble("rename");
        }
        return open();
    }
    void close() noexcept {
        if (fd_ >= 0) {
            ::close(fd_);
            fd_ = -1;
        }
    }
    failure trouble(const char* what) const {
        return failure{errno == ENOSPC ? errc::disk_full : errc::unavailable,
                       std::string{what} + ' ' + name_.string() + ": " + std::strerror(errno)};
    }

    std::filesystem::path name_;
    std::uint64_t most_;
    std::uint64_t size_ = 0;
    int fd_ = -1;
};

} // namespace

struct recorder::impl {
    std::mutex mutex;
    std::condition_variable wake, written;
    // under the mutex:
    std::string buffer, before;        // before: what belongs to the file before `next`
    std::unique_ptr<record_file> next; // to be used from now on
    bool change = false, stopping = false, hurry = false, busy = false;
    bool on = false;
    std::uint64_t lost = 0;

    std::thread thread;

    void run();
    void write_out(std::unique_lock<std::mutex>& lock, std::unique_ptr<record_file>& file);
    template <class Append>
    void add(Append&& append);
};

// Lock held on entry and exit, not during the write.
void recorder::impl::write_out(std::unique_lock<std::mutex>& lock, std::unique_ptr<record_file>& file) {
    std::string lines = std::exchange(buffer, {});
    const auto lost_now = std::exchange(lost, 0);
    busy = true;
    lock.unlock();
    if (lost_now > 0) {
        log::warning("policyd.record: the disk is too slow, requests were not recorded").kv("requests", lost_now);
    }
    result<void> done{};
    if (file && !lines.empty()) {
        done = file->append(lines);
    }
    if (!done) {
        file.reset();
        log::error("policyd.record cannot be written: recording stops until the next reload")
            .kv("why", done.error().message());
    }
    lock.lock();
    busy = false;
    if (!done && !change) {
        on = false;
        buffer.clear();
    }
}

void recorder::impl::run() {
    std::unique_ptr<record_file> file;
    std::unique_lock lock{mutex};
    for (;;) {
        wake.wait_for(lock, std::chrono::seconds{1},
                      [&] { return stopping || change || hurry || buffer.size() >= write_at; });
        if (change) {
            const std::string now = std::exchange(buffer, std::exchange(before, {}));
            change = false;
            auto other = std::move(next);
            write_out(lock, file); // what was said before belongs to the old file, or to nobody
            file = std::move(other);
            buffer.insert(0, now);
            continue;
        }
        if (!buffer.empty() || lost > 0) {
            write_out(lock, file);
        }
        hurry = false;
        written.notify_all();
        if (stopping && buffer.empty()) {
            return;
        }
    }
}

template <class Append>
void recorder::impl::add(Append&& append) {
    bool full = false;
    {
        const std::lock_guard lock{mutex};
        if (!on) {
            return;
        }
        if (buffer.size() >= buffer_most) {
            ++lost;
            return;
        }
        append(buffer);
        full = buffer.size() >= write_at && !busy;
    }
    if (full) {
        wake.notify_one();
    }
}

recorder::recorder(const config::policyd_settings& settings)
    : impl_{std::make_unique<impl>()} {
    use(settings);
    sigset_t all, before;
    ::sigfillset(&all); // signals are the event loop's
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    impl_->thread = std::thread{[this] { impl_->run(); }};
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

recorder::~recorder() {
    {
        const std::lock_guard lock{impl_->mutex};
        impl_->stopping = true;
    }
    impl_->wake.notify_one();
    impl_->thread.join();
}

void recorder::use(const config::policyd_settings& settings) {
    {
        const std::lock_guard lock{impl_->mutex};
        impl_->before += std::exchange(impl_->buffer, {});
        impl_->on = !settings.record.empty();
        impl_->next = impl_->on ? std::make_unique<record_file>(settings.record, settings.record_size.value) : nullptr;
        impl_->change = true;
    }
    impl_->wake.notify_one();
}

void recorder::answered(const request& what, std::uint64_t connection, instant at, const decision& said) {
    impl_->add([&](std::string& to) { append_answered(to, what, connection, at, said); });
}

void recorder::closed(std::uint64_t connection, instant at) {
    impl_->add([&](std::string& to) { append_closed(to, connection, at); });
}

void recorder::flush() {
    std::unique_lock lock{impl_->mutex};
    impl_->hurry = true;
    impl_->wake.notify_one();
    impl_->written.wait(lock, [&] { return !impl_->hurry; });
}

bool recorder::recording() const noexcept {
    const std::lock_guard lock{impl_->mutex};
    return impl_->on;
}

} // namespace postsluice::policyd
