// SPDX-License-Identifier: Apache-2.0
// Whether a message is signed, and why it is not: each reason; what dkim.check_published does; the verbs "dkim ...".
#define BOOST_TEST_DYN_LINK
#include "filter_fixture.hpp"

#include "contentfilter/control_verbs.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include <set>

using namespace postsluice;
using namespace postsluice::contentfilter;
using namespace postsluice::contentfilter::testing;
using nlohmann::json;

namespace {

/// A DNS that holds what a test puts there; any thread.
class fake_dns {
public:
    void publish(const std::map<std::string, std::string>& records) {
        const std::lock_guard guard{mutex_};
        records_ = records;
        down_ = false;
    }
    void go_down() {
        const std::lock_guard guard{mutex_};
        down_ = true;
    }
    std::vector<std::string> asked() {
        const std::lock_guard guard{mutex_};
        return asked_;
    }
    act::key_publication::txt_lookup look_up() {
        return [this](config::dns_settings, std::vector<std::string> names, milliseconds) {
            return answer(this, std::move(names));
        };
    }

private:
    static asio::awaitable<std::vector<dns::txt_records>> answer(fake_dns* self, std::vector<std::string> names) {
        std::vector<dns::txt_records> out;
        const std::lock_guard guard{self->mutex_};
        for (const auto& name : names) {
            self->asked_.push_back(name);
            const auto at = self->records_.find(name);
            if (self->down_)
                out.emplace_back(failure{errc::timed_out, "no server"});
            else
                out.emplace_back(at == self->records_.end() ? std::vector<std::string>{} : std::vector{at->second});
        }
        co_return out;
    }
    std::mutex mutex_;
    std::map<std::string, std::string> records_;
    std::vector<std::string> asked_;
    bool down_ = false;
};

/// A filter with a fake DNS, keys for example.org and its control socket.
struct signing_filter : filter {
    fake_dns names;
    std::optional<control::server> control;
    explicit signing_filter(config::published_policy policy) {
        look_up = names.look_up();
        settings->dkim.check_published = policy;
        make_key(settings->dkim.directory, "example.org", "rsa1", EVP_PKEY_RSA, dns);
        make_key(settings->dkim.directory, "example.org", "ed1", EVP_PKEY_ED25519, dns);
    }
    void start_all() {
        start();
        control.emplace(context->get_executor(), scratch.path / "control", "", max_request_bytes);
        add_control_verbs(*control, *all, *listener);
        control->start();
    }
    ~signing_filter() {
        if (control) control->stop();
        end_serving();
        control.reset();
    }
    json ask(json request) { return control::call(scratch.path / "control", request, seconds{20}).value(); }
    int sent = 0;
    /// Sends one message; the selectors of its signatures, all of which libopendkim must accept.
    std::string selectors(const std::string& from = "alice@example.org") {
        postfix p{socket()};
        const auto id = "Q" + std::to_string(++sent); // the same bytes under the same ID are a repeat
        const auto reply = p.send(id, from, {"f@example.net"}, plain(from, "x")).front();
        if (!reply.starts_with("250")) return reply;
        std::string out;
        const auto checked = auth::verify(hop->deliveries().back().content, dns).value();
        for (const auto& v : checked)
            out += (out.empty() ? "" : " ") + v.selector + (v.valid ? "" : "(" + v.why + ")");
        return out;
    }
};

const std::string rsa_name = "rsa1._domainkey.example.org", ed_name = "ed1._domainkey.example.org";

} // namespace

BOOST_AUTO_TEST_SUITE(dkim_publication)

BOOST_AUTO_TEST_CASE(with_require_only_published_keys_sign_and_none_leaves_the_mail_unsigned) {
    signing_filter f{config::published_policy::require};
    f.names.publish({{rsa_name, f.dns[rsa_name]}, {ed_name, f.dns[rsa_name]}}); // another's key
    f.start_all();
    BOOST_TEST(f.selectors() == "rsa1");
    BOOST_TEST(f.log.has("sign=signed"), f.log.all());
    BOOST_TEST(f.log.has("k= says rsa, the key is ed25519"), f.log.all());
    f.names.publish({});
    BOOST_TEST(f.selectors() == "rsa1"); // what was found holds until it is asked again
    BOOST_TEST(f.ask({{"verb", "dkim verify"}, {"domain", "example.org"}})["ok"] == true);
    BOOST_TEST(f.selectors() == "");
    BOOST_TEST(f.log.has("sign=not-published"), f.log.all());
    BOOST_TEST(f.ask({{"verb", "status"}})["unsigned"]["not-published"] == 1);
    f.names.publish(f.dns);
    BOOST_TEST(f.ask({{"verb", "dkim verify"}})["ok"] == true);
    BOOST_TEST(f.selectors() == "rsa1 ed1");
}

BOOST_AUTO_TEST_CASE(with_require_trouble_is_never_unpublished_and_what_was_known_stays) {
    signing_filter f{config::published_policy::require};
    f.names.go_down();
    f.start_all();
    BOOST_TEST(f.selectors() == "rsa1 ed1"); // nothing is known: signs
    const auto asked = f.names.asked().size();
    BOOST_TEST(asked == 2U);
    BOOST_TEST(f.selectors() == "rsa1 ed1");
    BOOST_TEST(f.names.asked().size() == asked); // not asked again at once
    f.names.publish({{ed_name, f.dns[ed_name]}});
    f.ask({{"verb", "dkim verify"}});
    f.names.go_down();
    const auto verified = f.ask({{"verb", "dkim verify"}});
    BOOST_TEST(verified["keys"].size() == 2U);
    for (const auto& one : verified["keys"]) {
        BOOST_TEST(one["trouble"].get<std::string>().find("no server") != std::string::npos);
        BOOST_TEST(one["published"] == (one["selector"] == "ed1" ? "good" : "absent"));
    }
    BOOST_TEST(f.selectors() == "ed1");
}

BOOST_AUTO_TEST_CASE(with_require_the_first_message_of_a_wildcards_subdomain_waits_for_its_record) {
    signing_filter f{config::published_policy::require};
    make_key(f.settings->dkim.directory, "*.sub.example", "w1", EVP_PKEY_ED25519, f.dns);
    const auto record = f.dns.at("w1._domainkey.*.sub.example");
    f.dns["w1._domainkey.a.sub.example"] = record;
    f.names.publish(f.dns);
    f.start_all();
    BOOST_TEST(f.selectors("x@a.sub.example") == "w1");
    BOOST_TEST(f.selectors("x@b.sub.example") == "");
    const auto verified = f.ask({{"verb", "dkim verify"}});
    std::map<std::string, std::string> states;
    for (const auto& one : verified["keys"])
        states[one["name"]] = one["published"];
    BOOST_TEST(states["w1._domainkey.a.sub.example"] == "good");
    BOOST_TEST(states["w1._domainkey.b.sub.example"] == "absent");
    BOOST_TEST(states[rsa_name] == "good");
    BOOST_TEST(states.size() == 4U);
}

BOOST_AUTO_TEST_CASE(with_warn_everything_signs_no_message_waits_and_what_is_missing_is_told_once) {
    signing_filter f{config::published_policy::warn};
    f.names.publish({{ed_name, f.dns[ed_name]}});
    f.start_all();
    BOOST_TEST(f.selectors() == "rsa1 ed1");
    BOOST_TEST(f.names.asked().empty());
    run_awaitable(f.all->published().ask_due(f.all->settings()));
    BOOST_TEST(f.names.asked().size() == 2U);
    run_awaitable(f.all->published().ask_due(f.all->settings()));
    BOOST_TEST(f.names.asked().size() == 2U); // not due
    BOOST_TEST(f.log.has("dkim key is not published as it signs"), f.log.all());
    BOOST_TEST(f.log.has("selector=rsa1"), f.log.all());
    BOOST_TEST(f.selectors() == "rsa1 ed1");
}

BOOST_AUTO_TEST_CASE(with_off_the_dns_is_asked_only_by_the_operator) {
    signing_filter f{config::published_policy::off};
    f.start_all();
    BOOST_TEST(f.selectors() == "rsa1 ed1");
    run_awaitable(f.all->published().ask_due(f.all->settings()));
    BOOST_TEST(f.names.asked().empty());
    f.ask({{"verb", "dkim verify"}, {"domain", "example.org"}, {"selector", "ed1"}});
    BOOST_TEST(f.names.asked() == std::vector{ed_name}, boost::test_tools::per_element());
    BOOST_TEST(f.selectors() == "rsa1 ed1");
}

BOOST_AUTO_TEST_CASE(many_messages_at_once_all_wait_for_the_first_answer) {
    signing_filter f{config::published_policy::require};
    f.names.publish({{rsa_name, f.dns[rsa_name]}}); // who does not wait signs with both
    f.start_all();
    std::vector<std::thread> clients;
    for (int i = 0; i < 8; ++i)
        clients.emplace_back([&f] {
            postfix p{f.socket()};
            p.send("", "alice@example.org", {"f@example.net"}, plain("alice@example.org", "x"));
        });
    for (auto& one : clients)
        one.join();
    BOOST_TEST(f.hop->deliveries().size() == 8U);
    for (const auto& one : f.hop->deliveries())
        BOOST_TEST(auth::verify(one.content, f.dns).value().size() == 1U);
}

BOOST_AUTO_TEST_CASE(keys_are_listed_with_their_roles_and_records_without_a_key_in_the_answer) {
    signing_filter f{config::published_policy::warn};
    std::map<std::string, std::string> others;
    const auto& directory = f.settings->dkim.directory;
    make_key(directory, "example.org/next", "soon", EVP_PKEY_ED25519, others);
    make_key(directory, "example.org/old", "was", EVP_PKEY_RSA, others);
    f.names.publish(f.dns);
    f.start_all();
    f.ask({{"verb", "dkim verify"}, {"domain", "example.org"}});
    const auto listed = f.ask({{"verb", "dkim list"}, {"domain", "Example.Org"}});
    BOOST_TEST_REQUIRE(listed["keys"].size() == 4U);
    std::string roles;
    for (const auto& one : listed["keys"])
        roles += one["selector"].get<std::string>() + "=" + one["role"].get<std::string>() + "/" +
                 one["published"].get<std::string>() + " ";
    BOOST_TEST(roles == "rsa1=current/good ed1=current/good soon=next/absent was=retired/absent ");
    BOOST_TEST(listed["keys"][0]["bits"] == 2048);
    BOOST_TEST(listed["keys"][0]["file"] == (directory / "example.org/rsa1.pem").string());
    BOOST_TEST(listed["keys"][0]["signs_for"] == json({"@example.org", "@*.example.org"}));
    BOOST_TEST(listed["keys"][0]["answered"].is_string());
    BOOST_TEST(listed["keys"][3]["needed_until"].is_string());
    BOOST_TEST(listed.dump().find("PRIVATE") == std::string::npos);
    const auto records = f.ask({{"verb", "dkim record"}, {"domain", "example.org"}, {"selector", "RSA1"}});
    BOOST_TEST_REQUIRE(records["records"].size() == 1U);
    BOOST_TEST(records["records"][0]["value"] == f.dns[rsa_name]);
    BOOST_TEST(records["records"][0]["name"] == rsa_name);
    BOOST_TEST(f.selectors() == "rsa1 ed1"); // next and old do not sign
    for (const auto* verb : {"dkim list", "dkim record", "dkim verify"}) {
        BOOST_TEST_CONTEXT(verb) {
            BOOST_TEST(f.ask({{"verb", verb}, {"domain", "other.example"}})["code"] == "not-found");
            BOOST_TEST(f.ask({{"verb", verb}, {"domain", "../etc"}})["code"] == "malformed");
            BOOST_TEST(f.ask({{"verb", verb}, {"domain", 7}})["code"] == "malformed");
            BOOST_TEST(f.ask({{"verb", verb}, {"domain", "example.org"}, {"selector", "no"}})["code"] == "not-found");
        }
    }
    BOOST_TEST(f.ask({{"verb", "dkim record"}})["code"] == "malformed");
}

BOOST_AUTO_TEST_CASE(files_are_looked_at_before_a_verb_answers) {
    signing_filter f{config::published_policy::off};
    f.start_all();
    std::map<std::string, std::string> more;
    make_key(f.settings->dkim.directory, "late.example", "l1", EVP_PKEY_ED25519, more);
    BOOST_TEST(f.ask({{"verb", "dkim list"}, {"domain", "late.example"}})["keys"].size() == 1U);
}

BOOST_AUTO_TEST_CASE(each_reason_of_an_unsigned_message_has_a_message_and_a_sentence) {
    struct row {
        std::string reason, header;
        std::function<void(config::settings&)> set = [](config::settings&) {};
    };
    const std::string signature = "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x; h=from; bh=eA==; b=eA==\r\n",
                      from = "From: alice@example.org\r\n";
    const row rows[] = {
        {"disabled", from, [](auto& s) { s.dkim.sign = false; }},
        {"header-bound", from + "X-Many: x\r\nX-Many: y\r\n", [](auto& s) { s.contentfilter.max_header_count = 2; }},
        {"no-from", "From: undisclosed:;\r\n"},
        {"several-from", from + "From: bob@example.com\r\n"},
        {"no-key", "From: bob@example.com\r\n"},
        {"already-signed", signature + from},
        {"not-published", from, [](auto& s) { s.dkim.check_published = config::published_policy::require; }},
    };
    std::set<std::string> seen;
    for (const auto& [reason, header, set] : rows)
        BOOST_TEST_CONTEXT(reason) {
            signing_filter f{config::published_policy::warn};
            set(*f.settings);
            f.start_all();
            postfix p{f.socket()};
            const auto reply = p.send("Q1", "alice@example.org", {"f@example.net"}, header + "\r\nhello\r\n").front();
            BOOST_TEST(reply.starts_with("250"), reply);
            BOOST_TEST(f.log.has("sign=" + reason), f.log.all());
            BOOST_TEST(f.ask({{"verb", "status"}})["unsigned"] == json({{reason, 1}}));
            auto content = base64(header + "\r\nhello\r\n"); // in lines, as MIME has it
            std::erase_if(content, [](char c) { return c == '\r' || c == '\n'; });
            const auto tested = f.ask({{"verb", "message test"}, {"content", content}});
            BOOST_TEST_REQUIRE(tested.value("sign", "") == reason, tested.dump());
            BOOST_TEST(tested["sign_sentence"].get<std::string>().ends_with("."));
            seen.insert(reason);
        }
    for (const auto one : act::all_unsigned_reasons())
        BOOST_TEST(seen.contains(std::string{to_string(one)}), to_string(one));
}

BOOST_AUTO_TEST_SUITE_END()
