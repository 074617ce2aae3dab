// SPDX-License-Identifier: Apache-2.0
// A whole filter in one process for the tests of sessions and acts: real state in a scratch directory, the daemon's own
// parts on two threads, a next hop that answers as it is told, and a client that speaks as lmtp(8) does. Only the
// checks are the test's: `findings` is what they find.
#pragma once

#include "check_fixture.hpp"
#include "fake_hop.hpp"

#include "contentfilter/checks/known_book.hpp"
#include "contentfilter/server.hpp"
#include "shared/log/log.hpp"
#include "shared/state/environments.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <future>
#include <sys/stat.h>
#include <thread>

namespace postsluice::contentfilter::testing {

namespace asio = boost::asio;

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
        environments = state::environments::open({.directory = settings->state.directory,
                                                  .map_size = byte_count{64U << 20U},
                                                  .writer_timeout = seconds{60}}, // a busy disk takes its time
                                                 state::user::contentfilter)
                           .value();
        tickets = account::ticket_ring::open(settings->state.directory / "ticket.keys").value();
        kept =
            std::make_unique<act::quarantine>(environments->quarantine(), environments->time(), settings->quarantine);
        const act::quarantine::delivered_before delivered = [this](const auto& name, const auto& digest,
                                                                   const auto& lines) {
            return environments->passed().delivered(name, digest, {lines.begin(), lines.end()});
        };
        run_awaitable(kept->open(delivered)).value();
        context = std::make_unique<asio::io_context>();
        service::parts of{*configuration,
                          context->get_executor(),
                          environments->time(),
                          environments->accounts(),
                          environments->events(),
                          environments->passed(),
                          environments->tries(),
                          *kept,
                          *tickets,
                          counts,
                          [this](message_ptr what, auto by) { return begun_by = by, check(this, std::move(what)); },
                          [this](const config::settings& s) {
                              if (on_reload) on_reload(s);
                          },
                          [] { return false; },
                          mail_owner,
                          [] { return true; },
                          [] { return 0.0; },
                          [] { return 0.0; },
                          nullptr,
                          nullptr,
                          look_up};
        of.bad_fingerprints = &environments->bad_fingerprints();
        of.bad = &bad;
        of.handed_over = &environments->handed_over();
        of.verdicts = &environments->judged();
        all = std::make_unique<service>(std::move(of));
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
    known_book bad;
    std::unique_ptr<service> all;
    std::shared_ptr<server> listener;
    std::vector<std::thread> threads;
    std::mutex mutex;
    std::vector<finding> findings;
    std::function<void(const message&)> on_check;                  ///< may throw
    std::function<void(const config::settings&)> on_reload;        ///< while settings change; may throw
    act::key_publication::txt_lookup look_up;                      ///< absent: the DNS
    std::atomic<std::chrono::steady_clock::time_point> begun_by{}; ///< of the last message's checks
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
