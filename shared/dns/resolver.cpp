// SPDX-License-Identifier: Apache-2.0
#include "shared/dns/resolver.hpp"

#include "shared/dns/rdata.hpp"
#include "shared/log/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <unbound.h>

#include <algorithm>
#include <ostream>
#include <stdexcept>
#include <unistd.h>
#include <unordered_map>

namespace postsluice::dns {

namespace asio = boost::asio;
using steady = std::chrono::steady_clock;

namespace {

constexpr int class_in = 1;
constexpr int rcode_ok = 0, rcode_no_name = 3;

struct context_deleter {
    void operator()(ub_ctx* context) const noexcept { ub_ctx_delete(context); }
};
struct result_deleter {
    void operator()(ub_result* of) const noexcept { ub_resolve_free(of); }
};
using result_ptr = std::unique_ptr<ub_result, result_deleter>;

void need(int outcome, const std::string& what) {
    if (outcome != 0) {
        throw std::runtime_error{"dns: " + what + ": " + ub_strerror(outcome)};
    }
}

void set(ub_ctx* context, const std::string& option, const std::string& value) {
    need(ub_ctx_set_option(context, (option + ':').c_str(), value.c_str()), option);
}

std::unique_ptr<ub_ctx, context_deleter> make_context(const config::dns_settings& how) {
    std::unique_ptr<ub_ctx, context_deleter> context{ub_ctx_create()};
    if (!context) {
        throw std::runtime_error{"dns: libunbound cannot be set up"};
    }
    need(ub_ctx_async(context.get(), 1), "a thread");
    // Resolvers of the machine itself are usual, and it is for them to say what does not leave the site.
    set(context.get(), "do-not-query-localhost", "no");
    set(context.get(), "unblock-lan-zones", "yes");
    set(context.get(), "insecure-lan-zones", "yes");
    set(context.get(), "msg-cache-size", std::to_string(how.cache.value / 3));
    set(context.get(), "rrset-cache-size", std::to_string(how.cache.value * 2 / 3));
    set(context.get(), "num-queries-per-thread", std::to_string(std::max<std::size_t>(how.max_queries, 16)));
    if (how.servers.empty()) {
        (void)ub_ctx_resolvconf(context.get(), nullptr); // without it we ask from the root on
    }
    for (const auto& server : how.servers) {
        need(ub_ctx_set_fwd(context.get(), server.c_str()), server);
    }
    if (!how.trust_anchor.empty()) {
        need(ub_ctx_add_ta_file(context.get(), how.trust_anchor.c_str()), how.trust_anchor.string());
    }
    return context;
}

result<answer> read_result(int error, const result_ptr& got) {
    if (error != 0 || !got) {
        return failure{errc::unavailable, std::string{"DNS: "} + ub_strerror(error)};
    }
    if (got->bogus != 0) {
        return failure{errc::unavailable, std::string{"DNSSEC: "} + (got->why_bogus ? got->why_bogus : "bogus")};
    }
    if (got->rcode != rcode_ok && got->rcode != rcode_no_name) {
        return failure{errc::unavailable, "DNS: rcode " + std::to_string(got->rcode)};
    }
    answer out;
    out.ttl = seconds{std::clamp<long long>(got->ttl, 0, resolver::answers_kept.count())};
    if (got->nxdomain != 0) {
        return out;
    }
    for (int i = 0; got->havedata != 0 && got->data[i] != nullptr; ++i) {
        out.rdata.emplace_back(got->data[i], static_cast<std::size_t>(got->len[i]));
    }
    out.what = out.rdata.empty() ? outcome::no_such_type : outcome::records;
    return out;
}

} // namespace

std::ostream& operator<<(std::ostream& out, outcome what) {
    return out << (what == outcome::records        ? "records"
                   : what == outcome::no_such_name ? "no such name"
                                                   : "no such type");
}

struct resolver::impl : std::enable_shared_from_this<impl> {
    /// One question under way; whoever asks the same meanwhile waits for it, too.
    struct question {
        question(impl& asked, std::string named)
            : owner{asked}
            , key{std::move(named)}
            , wake{asked.executor} {}
        impl& owner;
        std::string key;
        asio::steady_timer wake;
        int id = 0;
        std::optional<result<answer>> got;
    };
    struct memory {
        result<answer> what;
        steady::time_point until;
    };

    impl(asio::any_io_executor on, const config::dns_settings& how)
        : executor{std::move(on)}
        , timeout{how.timeout}
        , max_queries{how.max_queries}
        , context{make_context(how)}
        , ready{executor, ::dup(ub_fd(context.get()))} {}

    void listen();
    void end(question& over, result<answer> with);
    void remember(const std::string& key, const result<answer>& what);
    std::optional<result<answer>> recall(const std::string& key);
    bool silent();
    result<std::shared_ptr<question>> ask(const std::string& name, record_type type, std::string key);
    static void answered(void* of, int error, ub_result* got);
    static asio::awaitable<result<answer>> query(std::shared_ptr<impl> self, std::string name, record_type type);

    asio::any_io_executor executor;
    seconds timeout;
    std::size_t max_queries;
    std::unordered_map<std::string, std::shared_ptr<question>> under_way;
    std::unordered_map<std::string, memory> kept;
    std::unique_ptr<ub_ctx, context_deleter> context;
    asio::posix::stream_descriptor ready;
    bool listening = false;
    int time_outs = 0;
    steady::time_point try_again{};
    counters counts;
};

// Waits for libunbound only while something is asked, so that an idle resolver keeps no loop running.
void resolver::impl::listen() {
    if (listening || under_way.empty()) {
        return;
    }
    listening = true;
    ready.async_wait(asio::posix::stream_descriptor::wait_read, [weak = weak_from_this()](auto error) {
        const auto self = weak.lock();
        if (!self) {
            return;
        }
        self->listening = false;
        if (!error) {
            ub_process(self->context.get());
        }
        self->listen();
    });
}

void resolver::impl::end(question& over, result<answer> with) {
    over.got = std::move(with);
    if (over.got->has_value() || over.got->error().code != errc::timed_out) {
        time_outs = 0;
    } else if (++time_outs == silent_after) {
        try_again = steady::now() + silent_for;
        log::warning("DNS servers are silent").kv("time_outs", time_outs);
    }
    remember(over.key, *over.got);
    over.wake.cancel();
    under_way.erase(over.key); // its waiters keep it alive
    if (under_way.empty() && listening) {
        ready.cancel();
    }
}

void resolver::impl::answered(void* of, int error, ub_result* got) {
    const result_ptr freed{got};
    auto& over = *static_cast<question*>(of);
    const auto alive = over.owner.under_way.find(over.key)->second;
    over.owner.end(over, read_result(error, freed));
}

void resolver::impl::remember(const std::string& key, const result<answer>& what) {
    if (kept.size() >= most_kept) {
        kept.clear(); // libunbound has them still; this memory only spares the way there
    }
    kept.insert_or_assign(key, memory{what, steady::now() + (what ? what->ttl : trouble_kept)});
}

std::optional<result<answer>> resolver::impl::recall(const std::string& key) {
    const auto at = kept.find(key);
    if (at == kept.end()) {
        return std::nullopt;
    }
    if (at->second.until <= steady::now()) {
        kept.erase(at);
        return std::nullopt;
    }
    ++counts.kept;
    return at->second.what;
}

bool resolver::impl::silent() {
    if (time_outs < silent_after) {
        return false;
    }
    const auto now = steady::now();
    if (now < try_again) {
        return true;
    }
    try_again = now + silent_for; // this one tries
    return false;
}

result<std::shared_ptr<resolver::impl::question>> resolver::impl::ask(const std::string& name, record_type type,
                                                                      std::string key) {
    if (under_way.size() >= max_queries) {
        return failure{errc::unavailable, "dns.max_queries questions are under way"};
    }
    if (silent()) {
        return failure{errc::unavailable, "the DNS servers do not answer"};
    }
    auto one = std::make_shared<question>(*this, key);
    one->wake.expires_after(timeout);
    under_way.emplace(std::move(key), one);
    ++counts.asked;
    const int error = ub_resolve_async(context.get(), name.c_str(), static_cast<int>(type), class_in, one.get(),
                                       &impl::answered, &one->id);
    if (error != 0) {
        under_way.erase(one->key);
        return failure{errc::unavailable, std::string{"DNS: "} + ub_strerror(error)};
    }
    listen();
    return one;
}

asio::awaitable<result<answer>> resolver::impl::query(std::shared_ptr<impl> self, std::string name, record_type type) {
    std::string key = std::to_string(static_cast<int>(type)) + ' ' + name;
    if (auto known = self->recall(key)) {
        co_return std::move(*known);
    }
    std::shared_ptr<question> one;
    if (const auto at = self->under_way.find(key); at != self->under_way.end()) {
        one = at->second;
    } else {
        auto asked = self->ask(name, type, std::move(key));
        if (!asked) {
            ++self->counts.trouble;
            co_return asked.error();
        }
        one = std::move(*asked);
    }
    if (!one->got) {
        (void)co_await one->wake.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    if (!one->got) {
        ub_cancel(self->context.get(), one->id);
        self->end(*one, failure{errc::timed_out, "DNS: " + name});
    }
    if (!*one->got) {
        ++self->counts.trouble;
    }
    co_return *one->got;
}

resolver::resolver(asio::any_io_executor executor, const config::dns_settings& how)
    : impl_{std::make_shared<impl>(std::move(executor), how)} {}

resolver::~resolver() {
    boost::system::error_code ignored;
    impl_->ready.cancel(ignored);
}

const resolver::counters& resolver::counts() const noexcept {
    return impl_->counts;
}

asio::awaitable<result<answer>> resolver::query(std::string name, record_type type) {
    auto checked = checked_name(name);
    if (!checked) {
        co_return checked.error();
    }
    co_return co_await impl::query(impl_, std::move(*checked), type);
}

namespace {

/// The records of an answer, those that break their form left out.
template <class Record, class Read>
answer_of<Record> read_records(const answer& from, Read read) {
    answer_of<Record> out{from.what, {}};
    for (const auto& one : from.rdata) {
        if (auto record = read(one)) {
            out.records.push_back(std::move(*record));
        }
    }
    return out;
}

} // namespace

asio::awaitable<result<answer_of<mx_record>>> resolver::mx(std::string domain) {
    const auto got = co_await query(std::move(domain), record_type::mx);
    if (!got) {
        co_return got.error();
    }
    co_return read_records<mx_record>(*got, &read_mx);
}

asio::awaitable<result<answer_of<ip_address>>> resolver::addresses(std::string domain) {
    const auto v4 = co_await query(domain, record_type::a);
    if (!v4 || v4->what == outcome::no_such_name) {
        co_return v4 ? result<answer_of<ip_address>>{answer_of<ip_address>{}} : v4.error();
    }
    const auto v6 = co_await query(std::move(domain), record_type::aaaa);
    if (!v6 && v4->rdata.empty()) { // one family is enough to exist
        co_return v6.error();
    }
    auto out = read_records<ip_address>(*v4, &read_address);
    if (v6) {
        const auto more = read_records<ip_address>(*v6, &read_address);
        out.records.insert(out.records.end(), more.records.begin(), more.records.end());
    }
    out.what = out.records.empty() ? outcome::no_such_type : outcome::records;
    co_return out;
}

asio::awaitable<result<answer_of<std::string>>> resolver::txt(std::string domain) {
    const auto got = co_await query(std::move(domain), record_type::txt);
    if (!got) {
        co_return got.error();
    }
    co_return read_records<std::string>(*got, &read_txt);
}

} // namespace postsluice::dns
