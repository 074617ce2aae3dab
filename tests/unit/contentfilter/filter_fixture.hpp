// SPDX-License-Identifier: Apache-2.0
// A whole filter in one process for the tests of sessions and acts: real state in a scratch directory, the daemon's own
// parts on two threads, a next hop that answers as it is told, and a client that speaks as lmtp(8) does. Only the
// checks are the test's: `findings` is what they find.
#pragma once

#include "check_fixture.hpp"

#include "contentfilter/server.hpp"
#include "shared/log/log.hpp"
#include "shared/state/environments.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <fstream>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace postsluice::contentfilter::testing {

namespace asio = boost::asio;

constexpr int patience_ms = 20000;

/// Blocking octets in lines over a unix socket.
class line_socket {
public:
    explicit line_socket(int fd)
        : fd_{fd} {}
    explicit line_socket(const std::filesystem::path& path)
        : fd_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error{"connect " + path.string()};
    }
    ~line_socket() { close(); }
    line_socket(const line_socket&) = delete;
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }
    void half_close() { ::shutdown(fd_, SHUT_WR); }
    void interrupt() { ::shutdown(fd_, SHUT_RDWR); }
    bool send(std::string_view octets) {
        while (!octets.empty()) {
            const auto sent = ::send(fd_, octets.data(), octets.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            octets.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    /// One line without CRLF; nothing at the end of the stream.
    std::optional<std::string> line() {
        for (;;) {
            if (const auto end = in_.find("\r\n", at_); end != std::string::npos) {
                auto out = in_.substr(at_, end - at_);
                at_ = end + 2;
                if (at_ > 65536) in_.erase(0, std::exchange(at_, 0));
                return out;
            }
            pollfd ready{fd_, POLLIN, 0};
            if (::poll(&ready, 1, patience_ms) <= 0) throw std::runtime_error{"nothing came in time"};
            char room[65536];
            const auto got = ::recv(fd_, room, sizeof room, 0);
            if (got <= 0) return std::nullopt;
            in_.append(room, static_cast<std::size_t>(got));
        }
    }

private:
    int fd_;
    std::string in_;
    std::size_t at_ = 0;
};

/// What the next hop got with one final dot.
struct delivery {
    std::string mail;
    std::vector<std::string> recipients;
    std::string xforward, content; ///< content: unstuffed, as it was sent
    std::uint64_t size = 0;        ///< of the content, also where it was not kept
};

/// A next hop on a unix socket. Replies are by the command's beginning ("RCPT TO:<b@", "DATA", "DOT", "GREETING", ...),
/// the first that fits, once or always; an empty reply closes. Without one it accepts everything.
class fake_hop {
public:
    explicit fake_hop(std::filesystem::path socket, bool lmtp = false)
        : path_{std::move(socket)}
        , lmtp_{lmtp} {
        listener_ = net::open_listener(net::endpoint::parse("unix:" + path_.string()).value()).value();
        ::fcntl(listener_, F_SETFL, 0);
        acceptor_ = std::thread{[this] { accept_all(); }};
    }
    ~fake_hop() {
        stopping_ = true;
        ::shutdown(listener_, SHUT_RDWR);
        acceptor_.join();
        {
            const std::lock_guard guard{mutex_};
            for (const auto& one : open_)
                one->interrupt();
        }
        for (auto& one : threads_)
            one.join();
        ::close(listener_);
        ::unlink(path_.c_str());
    }
    void answer(std::string command, std::string reply, bool once = false) {
        const std::lock_guard guard{mutex_};
        rules_.push_back({std::move(command), std::move(reply), once});
    }
    void forget_rules() {
        const std::lock_guard guard{mutex_};
        rules_.clear();
    }
    std::vector<delivery> deliveries() {
        const std::lock_guard guard{mutex_};
        return deliveries_;
    }
    std::size_t connections() {
        const std::lock_guard guard{mutex_};
        return open_.size();
    }
    std::atomic<bool> keep_content{true};
    std::atomic<std::size_t> data_commands{0};

private:
    struct rule {
        std::string command, reply;
        bool once;
    };
    void accept_all() {
        while (!stopping_) {
            const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) continue;
            const std::lock_guard guard{mutex_};
            open_.push_back(std::make_shared<line_socket>(fd));
            threads_.emplace_back([this, with = open_.back()] {
                try {
                    serve(*with);
                } catch (const std::exception&) {
                }
                with->interrupt();
            });
        }
    }
    /// False: the connection is to end.
    bool say(line_socket& to, const std::string& command, const std::string& otherwise) {
        std::string reply = otherwise;
        {
            const std::lock_guard guard{mutex_};
            const auto at = std::find_if(rules_.begin(), rules_.end(),
                                         [&](const rule& r) { return command.starts_with(r.command); });
            if (at != rules_.end()) {
                reply = at->reply;
                if (at->once) rules_.erase(at);
            }
        }
        return !reply.empty() && to.send(reply + "\r\n");
    }
    bool last_was_positive(const std::string& command) {
        const std::lock_guard guard{mutex_};
        const auto at =
            std::find_if(rules_.begin(), rules_.end(), [&](const rule& r) { return command.starts_with(r.command); });
        return at == rules_.end() || at->reply.starts_with("2") || at->reply.starts_with("3");
    }
    void serve(line_socket& with) {
        if (!say(with, "GREETING", "220 next.example.org ESMTP")) return;
        delivery now;
        while (const auto line = with.line()) {
            const bool positive = last_was_positive(*line);
            if (line->starts_with("XFORWARD"))
                now.xforward += line->substr(8);
            else if (line->starts_with("MAIL"))
                now.mail = line->substr(10);
            else if (line->starts_with("RCPT") && positive)
                now.recipients.push_back(line->substr(8));
            if (line->starts_with("EHLO") || line->starts_with("LHLO")) {
                if (!say(with, *line,
                         "250-next\r\n250-PIPELINING\r\n250-SIZE "
                         "209715200\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n"
                         "250-ENHANCEDSTATUSCODES\r\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"))
                    return;
            } else if (*line == "DATA") {
                ++data_commands;
                const bool none = now.recipients.empty();
                if (!say(with, "DATA", none ? "554 5.5.1 no valid recipients" : "354 go on")) return;
                if (none || !positive) continue;
                if (!take_content(with, now)) return;
            } else if (*line == "QUIT") {
                say(with, "QUIT", "221 bye");
                return;
            } else {
                if (*line == "RSET") now = {};
                if (!say(with, *line, "250 2.0.0 Ok")) return;
            }
        }
    }
    bool take_content(line_socket& with, delivery& now) {
        for (;;) {
            auto line = with.line();
            if (!line) return false; // broken off: nothing is delivered
            if (*line == ".") break;
            if (line->starts_with(".")) line->erase(0, 1);
            now.size += line->size() + 2;
            if (keep_content) now.content += *line + "\r\n";
        }
        std::size_t number = 0;
        {
            const std::lock_guard guard{mutex_};
            number = deliveries_.size() + 1;
        }
        const bool positive = last_was_positive("DOT");
        // Delivered before it is said: a reply that is lost does not undo it.
        if (positive || lmtp_ || closes("DOT")) {
            const std::lock_guard guard{mutex_};
            deliveries_.push_back(now);
        }
        for (std::size_t i = 0; i < (lmtp_ ? now.recipients.size() : 1); ++i)
            if (!say(with, "DOT " + now.recipients[i], "250 2.0.0 Ok: queued as NEXT" + std::to_string(number)))
                return false;
        now = {};
        return true;
    }
    bool closes(const std::string& command) {
        const std::lock_guard guard{mutex_};
        const auto at =
            std::find_if(rules_.begin(), rules_.end(), [&](const rule& r) { return command.starts_with(r.command); });
        return at != rules_.end() && at->reply.empty();
    }

    std::filesystem::path path_;
    bool lmtp_;
    int listener_ = -1;
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::vector<rule> rules_;
    std::vector<delivery> deliveries_;
    std::vector<std::shared_ptr<line_socket>> open_;
    std::vector<std::thread> threads_;
    std::thread acceptor_;
};

/// Writes a new key as `postsluice` expects it; its DNS record goes to `records`.
inline void make_key(const std::filesystem::path& directory, const std::string& domain, const std::string& selector,
                     int type, std::map<std::string, std::string>& records) {
    std::filesystem::create_directories(directory / domain);
    EVP_PKEY* key = type == EVP_PKEY_RSA ? EVP_RSA_gen(2048) : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    const auto path = directory / domain / (selector + ".pem");
    FILE* file = std::fopen(path.c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    EVP_PKEY_free(key);
    ::chmod(path.c_str(), 0600);
    records[selector + "._domainkey." + domain] =
        auth::dns_record(auth::load_key(path, domain, selector, 1024).value());
}

/// The log, line by line.
class log_capture {
public:
    log_capture() {
        log::capture([this](log::level, const std::string& line) {
            const std::lock_guard guard{mutex_};
            lines_.push_back(line);
        });
    }
    ~log_capture() { log::capture({}); }
    bool has(std::string_view words) {
        const std::lock_guard guard{mutex_};
        return std::any_of(lines_.begin(), lines_.end(),
                           [&](const std::string& l) { return l.find(words) != std::string::npos; });
    }
    std::string all() {
        const std::lock_guard guard{mutex_};
        std::string out;
        for (const auto& l : lines_)
            out += l + "\n";
        return out;
    }

private:
    std::mutex mutex_;
    std::vector<std::string> lines_;
};

inline std::shared_ptr<config::settings> default_settings(const std::filesystem::path& at) {
    auto s = std::make_shared<config::settings>();
    s->hostname = "filter.example.org";
    s->contact = "https://example.org/policy";
    s->abuse_address = "abuse@example.org";
    s->state.directory = at / "state";
    s->control.directory = at;
    s->control.group.clear();
    s->contentfilter.next_hop = "unix:" + (at / "hop").string();
    s->contentfilter.spool_directory = at;
    s->quarantine.directory = at / "quarantine";
    s->dkim.directory = at / "dkim";
    auto profile = std::make_shared<config::profile>();
    profile->from.what = config::from_rule::kind::own_domain;
    profile->lock.after = {{1, strike_kind::virus, strike_memory}, {5, strike_kind::spam, seconds{600}}};
    s->profiles["default"] = profile;
    return s;
}

/// The filter; start() when the settings are as the test wants them.
class filter {
public:
    scratch_directory scratch;
    log_capture log;
    std::shared_ptr<config::settings> settings = default_settings(scratch.path);
    std::map<std::string, std::string> dns;
    std::unique_ptr<fake_hop> hop = std::make_unique<fake_hop>(scratch.path / "hop");
    std::unique_ptr<account::ticket_ring> writer_ring; ///< policyd's end of the tickets

    filter() {
        std::filesystem::create_directories(settings->state.directory);
        std::filesystem::create_directories(settings->dkim.directory);
        writer_ring = account::ticket_ring::open(settings->state.directory / "ticket.keys").value();
        writer_ring->rotate(boot.now(), seconds{86400}, seconds{86400}).value();
    }
    ~filter() { stop(); }

    void find(std::vector<finding> these) {
        const std::lock_guard guard{mutex};
        findings = std::move(these);
    }
    void start(smtp::protocol speaks = smtp::protocol::lmtp, way in = way::after_queue) {
        configuration.emplace("", settings);
        environments =
            state::environments::open({.directory = settings->state.directory, .map_size = byte_count{64U << 20U}},
                                      state::user::contentfilter)
                .value();
        tickets = account::ticket_ring::open(settings->state.directory / "ticket.keys").value();
        kept =
            std::make_unique<act::quarantine>(environments->quarantine(), environments->time(), settings->quarantine);
        run_awaitable(kept->open()).value();
        context = std::make_unique<asio::io_context>();
        all =
            std::make_unique<service>(service::parts{*configuration,
                                                     context->get_executor(),
                                                     environments->time(),
                                                     environments->accounts(),
                                                     environments->events(),
                                                     environments->passed(),
                                                     environments->tries(),
                                                     *kept,
                                                     *tickets,
                                                     counts,
                                                     [this](message_ptr what) { return check(this, std::move(what)); },
                                                     [](const config::settings&) {},
                                                     [] { return false; },
                                                     mail_owner,
                                                     [] { return true; },
                                                     [] { return 0.0; },
                                                     [] { return 0.0; },
                                                     nullptr,
                                                     nullptr,
                                                     look_up});
        listener = std::make_shared<server>(context->get_executor(), *all);
        listener->listen(net::open_listener(net::endpoint::parse("unix:" + socket().string()).value(), 0666).value(),
                         speaks, in);
        listener->start();
        for (int i = 0; i < 2; ++i)
            threads.emplace_back([this] { context->run(); });
        running = true;
    }
    /// Once the listener has stopped.
    void end_threads() {
        context->stop();
        for (auto& t : threads)
            t.join();
        threads.clear();
        running = false;
    }
    /// To the end of every thread; what belongs to the context may go then.
    void end_serving() {
        if (!running) return;
        std::promise<void> stopped;
        listener->stop([&] { stopped.set_value(); });
        stopped.get_future().wait();
        end_threads();
    }
    void stop() {
        end_serving();
        listener.reset();
        all.reset();
        kept.reset();
        tickets.reset();
        environments.reset();
        context.reset();
    }
    [[nodiscard]] std::filesystem::path socket() const { return scratch.path / "filter"; }

    /// `server`: of the transaction, where policyd is to be asked to give its charge back.
    std::string ticket(const std::string& account, const std::string& queue_id, const std::string& server = {}) {
        account::ticket t;
        t.server = server;
        t.account = t.login = account;
        t.client = "192.0.2.1";
        t.instance = "1.2.3";
        t.queue_id = queue_id;
        t.recipients = 1;
        t.issued = boot.now();
        return std::string{account::ticket_header} + ": " + writer_ring->seal(t).value() + "\r\n";
    }
    std::vector<state::quarantine_entry> quarantined() { return environments->quarantine().list("", 1000).value(); }
    std::vector<state::verdict_event> events() { return environments->events().recent("", 1000).value(); }

    manual_clock boot;
    std::optional<uid_t> mail_owner = 4242;
    std::optional<config::snapshot> configuration;
    std::unique_ptr<asio::io_context> context;
    std::unique_ptr<state::environments> environments;
    std::unique_ptr<account::ticket_ring> tickets;
    std::unique_ptr<act::quarantine> kept;
    counters counts;
    std::unique_ptr<service> all;
    std::shared_ptr<server> listener;
    std::vector<std::thread> threads;
    std::mutex mutex;
    std::vector<finding> findings;
    std::function<void(const message&)> on_check; ///< may throw
    act::key_publication::txt_lookup look_up;     ///< absent: the DNS
    bool running = false;

private:
    static asio::awaitable<std::vector<finding>> check(filter* self, message_ptr what) {
        if (self->on_check) self->on_check(*what);
        const std::lock_guard guard{self->mutex};
        co_return self->findings;
    }
};

/// What lmtp(8) or smtp(8) would do.
class postfix {
public:
    explicit postfix(const std::filesystem::path& socket, bool lmtp = true)
        : socket_{socket}
        , lmtp_{lmtp} {
        greeting = reply();
        hello = command((lmtp ? "LHLO" : "EHLO") + std::string{" mail.example.org"});
    }
    /// A whole reply, its lines joined by '\n'; "closed" at the end of the stream.
    std::string reply() {
        std::string out;
        for (;;) {
            const auto line = socket_.line();
            if (!line) return out.empty() ? "closed" : out;
            out += (out.empty() ? "" : "\n") + *line;
            if (line->size() < 4 || (*line)[3] != '-') return out;
        }
    }
    std::string command(const std::string& line) {
        socket_.send(line + "\r\n");
        return reply();
    }
    /// MAIL to DATA; what DATA was answered.
    std::string envelope(const std::string& queue_id, const std::string& sender,
                         const std::vector<std::string>& recipients, bool network = true) {
        if (!queue_id.empty())
            command("XFORWARD " + std::string{network ? "NAME=client.example.org ADDR=192.0.2.1 " : ""} +
                    "IDENT=" + queue_id);
        command("MAIL FROM:<" + sender + ">");
        for (const auto& one : recipients)
            command("RCPT TO:<" + one + ">");
        return command("DATA");
    }
    /// One message; the replies to its final dot.
    std::vector<std::string> send(const std::string& queue_id, const std::string& sender,
                                  const std::vector<std::string>& recipients, const std::string& content,
                                  bool network = true) {
        const auto data = envelope(queue_id, sender, recipients, network);
        if (!data.starts_with("354")) return {data};
        socket_.send(content + ".\r\n");
        return dot_replies(recipients.size());
    }
    std::vector<std::string> dot_replies(std::size_t recipients) {
        std::vector<std::string> out;
        for (std::size_t i = 0; i < (lmtp_ ? recipients : 1); ++i)
            out.push_back(reply());
        return out;
    }
    line_socket& socket() { return socket_; }
    std::string greeting, hello;

private:
    line_socket socket_;
    bool lmtp_;
};

inline std::string plain(const std::string& from, const std::string& subject, const std::string& body = "hello\r\n") {
    return "Received: from client.example.org (client.example.org [192.0.2.1])\r\n\tby mail.example.org (Postfix) with "
           "ESMTPSA id Q1\r\n\tfor <f@example.net>; "
           "Sat, 21 Nov 2026 10:00:00 +0000 (UTC)\r\nFrom: " +
           from + "\r\nTo: f@example.net\r\nSubject: " + subject +
           "\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <m1@example.org>\r\n\r\n" + body;
}

inline finding found(std::string symbol, double score, config::forced_verdict action = config::forced_verdict::none,
                     reason why = reason::score, std::optional<strike_kind> strikes = {}) {
    finding f;
    f.symbol = std::move(symbol);
    f.score = score;
    f.group = "test";
    f.evidence = "evidence";
    f.action = action;
    f.why = why;
    f.strikes = strikes;
    return f;
}

} // namespace postsluice::contentfilter::testing
