// SPDX-License-Identifier: Apache-2.0
#include "shared/control/control.hpp"
#include "shared/core/text.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <list>
#include <mutex>
#include <stdexcept>
#include <vector>

namespace postsluice::control {
namespace {

namespace asio = boost::asio;
using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Deeper than any verb's arguments; parsing is iterative, but what handlers do with a value need not be.
constexpr int max_depth = 32;

struct connection {
    explicit connection(net::stream s)
        : stream{std::move(s)} {}
    net::stream stream;
    std::string buffer;      ///< received, not yet consumed
    std::size_t scanned = 0; ///< octets of it that hold no line end
};

json refusal(const failure& why) {
    const std::string text = why.detail.empty() ? std::string{sentence(why.code)} : why.detail;
    return {{"ok", false}, {"error", text}, {"code", code_name(why.code)}};
}

std::string actor_name(const net::stream& stream) {
    const auto uid = net::peer_of(stream).uid;
    if (!uid) return "unknown";
    std::array<char, 16384> storage{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(*uid, &entry, storage.data(), storage.size(), &found) == 0 && found != nullptr)
        return found->pw_name;
    return "uid " + std::to_string(*uid);
}

result<json> parse_request(std::string_view line) {
    bool too_deep = false;
    const auto watch = [&too_deep](int depth, json::parse_event_t, json&) {
        if (depth > max_depth) too_deep = true;
        return depth <= max_depth;
    };
    json request = json::parse(line, watch, false);
    if (too_deep) return failure{errc::malformed, "the request is nested too deeply"};
    if (!request.is_object()) return failure{errc::malformed, "a request is one JSON object a line"};
    const auto verb = request.find("verb");
    if (verb == request.end() || !verb->is_string()) return failure{errc::malformed, "the request names no verb"};
    return success(std::move(request));
}

/// A handler under way. It goes on alone where its time is over: whatever it does to the state is whole either way.
struct pending {
    explicit pending(const asio::any_io_executor& executor)
        : timer{executor} {}
    asio::steady_timer timer;
    std::optional<result<json>> answer;
};

asio::awaitable<void> run_handler(std::shared_ptr<pending> p, handler what, request_context context,
                                  std::shared_ptr<const json> request) {
    try {
        p->answer.emplace(co_await what(std::move(context), request));
    } catch (const std::exception& e) {
        log::error("control: a handler failed")
            .kv("verb", request->at("verb").get<std::string>())
            .kv("error", e.what());
        p->answer.emplace(failure{errc::internal, {}});
    }
    p->timer.cancel();
}

void log_end(const std::exception_ptr& error) {
    if (!error) return;
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        log::error("control: a connection failed").kv("error", e.what());
    }
}

} // namespace

struct server::impl : std::enable_shared_from_this<impl> {
    impl(const asio::any_io_executor& ex, std::filesystem::path where, std::size_t max_bytes, server_bounds b,
         int listener)
        : executor{ex}
        , strand{asio::make_strand(ex)}
        , path{std::move(where)}
        , max_request_bytes{max_bytes}
        , bounds{b}
        , acceptor{strand, listener} {}

    static asio::awaitable<void> accept_loop(std::shared_ptr<impl> self);
    static asio::awaitable<void> session(std::shared_ptr<impl> self, std::shared_ptr<connection> c);
    static asio::awaitable<result<std::string>> read_line(std::shared_ptr<impl> self, std::shared_ptr<connection> c);
    static asio::awaitable<json> answer(std::shared_ptr<impl> self, std::shared_ptr<connection> c, std::string actor,
                                        std::string line);
    static asio::awaitable<bool> send(std::shared_ptr<connection> c, json what, milliseconds timeout);
    bool admit(const std::shared_ptr<connection>& c);
    void stop();

    asio::any_io_executor executor;
    asio::any_io_executor strand;
    std::filesystem::path path;
    std::size_t max_request_bytes;
    server_bounds bounds;
    net::acceptor acceptor; ///< touched on the strand only
    std::map<std::string, handler, std::less<>> handlers;
    struct ::stat bound {}; ///< the socket file that we made
    std::atomic<bool> stopping{false};
    std::mutex mutex; ///< guards `open`
    std::list<std::weak_ptr<connection>> open;
};

bool server::impl::admit(const std::shared_ptr<connection>& c) {
    const std::lock_guard guard{mutex};
    open.remove_if([](const std::weak_ptr<connection>& w) { return w.expired(); });
    if (stopping || open.size() >= bounds.max_connections) return false;
    open.push_back(c);
    return true;
}

asio::awaitable<void> server::impl::accept_loop(std::shared_ptr<impl> self) {
    for (;;) {
        const asio::any_io_executor own = asio::make_strand(self->executor);
        auto next = co_await self->acceptor.accept(own);
        if (!next) {
            if (!self->stopping) log::error("control: cannot accept").kv("error", next.error().message());
            co_return;
        }
        auto c = std::make_shared<connection>(std::move(*next));
        if (self->admit(c)) {
            asio::co_spawn(own, session(self, std::move(c)), log_end);
            continue;
        }
        // A socket just made takes this line without waiting.
        log::warning("control: too many connections").kv("socket", self->path.string());
        json full = refusal({errc::unavailable, "too many connections to the control socket"});
        co_await send(std::move(c), std::move(full), milliseconds{100});
    }
}

asio::awaitable<result<std::string>> server::impl::read_line(std::shared_ptr<impl> self,
                                                             std::shared_ptr<connection> c) {
    const auto deadline = steady_clock::now() + self->bounds.request_timeout;
    std::array<char, 16384> chunk; // NOLINT: filled by the read
    for (;;) {
        const auto end = c->buffer.find('\n', c->scanned);
        if (end != std::string::npos && end <= self->max_request_bytes) {
            std::string line = c->buffer.substr(0, end);
            c->buffer.erase(0, end + 1);
            c->scanned = 0;
            co_return line;
        }
        c->scanned = c->buffer.size();
        if (c->buffer.size() > self->max_request_bytes)
            co_return failure{errc::too_large,
                              "a request has at most " + std::to_string(self->max_request_bytes) + " octets"};
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
        if (left <= milliseconds::zero()) co_return failure{errc::timed_out, "no whole request came in time"};
        const auto got = co_await net::read_some(c->stream, asio::buffer(chunk), left);
        if (!got) co_return got.error();
        c->buffer.append(chunk.data(), *got);
    }
}

asio::awaitable<json> server::impl::answer(std::shared_ptr<impl> self, std::shared_ptr<connection> c, std::string actor,
                                           std::string line) {
    auto parsed = parse_request(line);
    line = {};
    if (!parsed) co_return refusal(parsed.error());
    auto request = std::make_shared<const json>(std::move(*parsed));
    const std::string verb = request->at("verb").get<std::string>();
    log::debug("control: request").kv("verb", verb).kv("actor", actor);
    const auto known = self->handlers.find(verb);
    if (known == self->handlers.end())
        co_return refusal({errc::unsupported, "the verb \"" + printable(verb, 80) + "\" is not known here"});

    const asio::any_io_executor own = c->stream.get_executor();
    auto p = std::make_shared<pending>(own);
    p->timer.expires_after(self->bounds.request_timeout);
    asio::co_spawn(own, run_handler(p, known->second, request_context{std::move(actor)}, request), log_end);
    // Both run on the connection's strand: an answer that came at once is seen here, a later one cancels the wait.
    if (!p->answer) (void)co_await p->timer.async_wait(asio::as_tuple(asio::use_awaitable));
    if (!p->answer) co_return refusal({errc::timed_out, "the request took too long; it may still be carried out"});
    if (!*p->answer) co_return refusal(p->answer->error());
    json members = std::move(**p->answer);
    if (members.is_null()) members = json::object();
    if (!members.is_object()) members = json{{"value", std::move(members)}};
    members["ok"] = true;
    co_return members;
}

asio::awaitable<bool> server::impl::send(std::shared_ptr<connection> c, json what, milliseconds timeout) {
    // Text of strangers may be in there: what is no UTF-8 is replaced, never thrown at.
    const std::string line = what.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
    const auto sent = co_await net::write_all(c->stream, asio::buffer(line), timeout);
    co_return sent.has_value();
}

asio::awaitable<void> server::impl::session(std::shared_ptr<impl> self, std::shared_ptr<connection> c) {
    const std::string actor = actor_name(c->stream);
    while (!self->stopping) {
        auto line = co_await read_line(self, c);
        if (!line) {
            const bool say = line.error().code == errc::too_large || line.error().code == errc::timed_out;
            if (say) {
                json why = refusal(line.error());
                co_await send(c, std::move(why), self->bounds.request_timeout);
            }
            co_return;
        }
        json reply = co_await answer(self, c, actor, std::move(*line));
        if (!co_await send(c, std::move(reply), self->bounds.request_timeout)) co_return;
    }
}

void server::impl::stop() {
    if (stopping.exchange(true)) return;
    struct ::stat now {};
    const bool ours = ::lstat(path.c_str(), &now) == 0 && now.st_ino == bound.st_ino && now.st_dev == bound.st_dev;
    if (ours) ::unlink(path.c_str());
    auto self = shared_from_this();
    asio::dispatch(strand, [self] { self->acceptor.close(); });
    const std::lock_guard guard{mutex};
    for (const auto& weak : open) {
        auto c = weak.lock();
        if (!c) continue;
        asio::dispatch(c->stream.get_executor(), [c] {
            boost::system::error_code ignored;
            c->stream.close(ignored);
        });
    }
}

namespace {

// The socket is made 0660; members of the group reach it where the group exists. Without the group root still does.
void set_group(const std::filesystem::path& socket, const std::string& group) {
    if (group.empty()) return;
    std::vector<char> storage(65536);
    ::group entry{};
    ::group* found = nullptr;
    if (::getgrnam_r(group.c_str(), &entry, storage.data(), storage.size(), &found) != 0 || found == nullptr) {
        log::warning("control: the group does not exist").kv("group", group).kv("socket", socket.string());
        return;
    }
    if (::lchown(socket.c_str(), static_cast<uid_t>(-1), entry.gr_gid) != 0)
        log::warning("control: the group cannot be set")
            .kv("group", group)
            .kv("socket", socket.string())
            .kv("error", std::strerror(errno)); // NOLINT(concurrency-mt-unsafe)
}

} // namespace

server::server(asio::any_io_executor executor, std::filesystem::path socket, std::string group,
               std::size_t max_request_bytes, server_bounds bounds) {
    net::endpoint where;
    where.kind = net::endpoint::family::unix_socket;
    where.path = socket.string();
    const auto listener = net::open_listener(where, 0660, 64);
    if (!listener) throw std::runtime_error{"control socket " + socket.string() + ": " + listener.error().message()};
    set_group(socket, group);
    impl_ = std::make_shared<impl>(executor, std::move(socket), max_request_bytes, bounds, *listener);
    (void)::lstat(impl_->path.c_str(), &impl_->bound);
}

server::~server() {
    impl_->stop();
}
void server::on(std::string verb, handler what) {
    impl_->handlers.insert_or_assign(std::move(verb), std::move(what));
}
void server::start() {
    asio::co_spawn(impl_->strand, impl::accept_loop(impl_), log_end);
}
void server::stop() {
    impl_->stop();
}

} // namespace postsluice::control
