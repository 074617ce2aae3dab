// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/spf_helper/evaluator.hpp"

#include "shared/dns/rdata.hpp"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
extern "C" {
#include <spf2/spf.h>
#include <spf2/spf_dns.h>
#include <spf2/spf_dns_rr.h>
}

#include "shared/auth/spf_helper/record.hpp"
#include "shared/auth/spf_result.hpp"
#include "shared/core/ip_network.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <deque>
#include <stdexcept>

namespace postsluice::auth::spf_helper {

namespace {

constexpr std::size_t most_ptr_names = 10; // RFC 7208 section 5.5

struct request_deleter {
    void operator()(SPF_request_t* r) const noexcept { SPF_request_free(r); }
};
struct response_deleter {
    void operator()(SPF_response_t* r) const noexcept { SPF_response_free(r); }
};

/// The octets of a record as libspf2 wants them; empty: broken.
std::string form_of(ns_type type, const std::string& rdata) {
    std::optional<std::string> text;
    switch (type) {
    case ns_t_a:
        return rdata.size() == 4 ? rdata : std::string{};
    case ns_t_aaaa:
        return rdata.size() == 16 ? rdata : std::string{};
    case ns_t_mx:
        if (const auto mx = dns::read_mx(rdata)) {
            text = mx->host.empty() ? "." : mx->host;
        }
        break;
    case ns_t_ptr:
        text = dns::read_name(rdata);
        break;
    default:
        text = dns::read_txt(rdata);
        if (text) {
            std::ranges::replace(*text, '\0', '\1'); // to libspf2 it would be the end; the grammar has neither
        }
        break;
    }
    return text && text->find('\0') == std::string::npos ? *text + '\0' : std::string{};
}

bool is_spf_record(std::string_view text) {
    constexpr std::string_view version = "v=spf1";
    return text.size() >= version.size() && strncasecmp(text.data(), version.data(), version.size()) == 0 &&
           (text.size() == version.size() || text[version.size()] == ' ' || text[version.size()] == '\0');
}

spf_result result_of(SPF_response_t* response, SPF_errcode_t error) {
    switch (response != nullptr ? SPF_response_result(response) : SPF_RESULT_INVALID) {
    case SPF_RESULT_NEUTRAL:
        return spf_result::neutral;
    case SPF_RESULT_PASS:
        return spf_result::pass;
    case SPF_RESULT_FAIL:
        return spf_result::fail;
    case SPF_RESULT_SOFTFAIL:
        return spf_result::softfail;
    case SPF_RESULT_NONE:
        return spf_result::none;
    case SPF_RESULT_TEMPERROR:
        return spf_result::temperror;
    case SPF_RESULT_PERMERROR:
        return spf_result::permerror;
    case SPF_RESULT_INVALID: // libspf2 leaves the result open on errors
        break;
    }
    switch (error) {
    case SPF_E_NOT_SPF:
        return spf_result::none;
    case SPF_E_DNS_ERROR:
    case SPF_E_NO_MEMORY:
    case SPF_E_INTERNAL_ERROR:
        return spf_result::temperror;
    default:
        return spf_result::permerror;
    }
}

// RFC 7208 section 4.3.
bool is_domain(std::string_view domain) {
    if (domain.find('.') == std::string_view::npos || !dns::checked_name(domain)) {
        return false;
    }
    const auto top = domain.ends_with('.') ? domain.substr(0, domain.size() - 1) : domain;
    return top.find('.') != std::string_view::npos;
}

} // namespace

/// libspf2's DNS layer: asks, and counts what libspf2 does not.
struct evaluator::layer {
    SPF_dns_server_t calls{};
    ask_dns ask;
    int max_terms = 0, max_voids = 0;
    int terms = 0, voids = 0;
    bool v6 = false; // the client's family
    bool first = true;
    bool record_seen = false;         // libspf2 says of a record with a syntax error that there is none
    ns_type parent = ns_t_invalid;    // what `children` came from
    std::deque<std::string> children; // names whose addresses the term at hand asks for next, free of charge
    std::string broken;               // a limit was passed: the whole evaluation is a permerror

    static SPF_dns_rr_t* lookup(SPF_dns_server_t* server, const char* domain, ns_type type, int) {
        return static_cast<layer*>(server->hook)->answer(domain, type);
    }
    static SPF_errcode_t no_explanation(SPF_server_t*, const char*, char**, size_t*) { return SPF_E_SUCCESS; }

    SPF_dns_rr_t* empty(const char* domain, ns_type type, int outcome) {
        return SPF_dns_rr_new_init(&calls, domain, type, 0, outcome);
    }
    SPF_dns_rr_t* over(const char* domain, ns_type type, const char* why) {
        broken = why;
        return empty(domain, type, TRY_AGAIN); // ends the evaluation
    }
    bool is_child(const std::string& name, ns_type type) {
        if ((type != ns_t_a && type != ns_t_aaaa) || children.empty() ||
            strcasecmp(children.front().c_str(), name.c_str()) != 0) {
            children.clear();
            return false;
        }
        children.pop_front();
        return true;
    }
    const char* adopt(std::string& form);
    SPF_dns_rr_t* answer(const std::string& domain, ns_type type);
    SPF_dns_rr_t* records(const std::string& domain, ns_type type, const std::vector<std::string>& rdata);
};

SPF_dns_rr_t* evaluator::layer::answer(const std::string& domain, ns_type type) {
    if (!broken.empty()) {
        return empty(domain.c_str(), type, TRY_AGAIN);
    }
    if (type != ns_t_a && type != ns_t_aaaa && type != ns_t_mx && type != ns_t_ptr && type != ns_t_txt) {
        return empty(domain.c_str(), type, NO_DATA); // type SPF (RFC 7208 section 3.1)
    }
    const bool child = is_child(domain, type);
    const bool of_ptr = type == ns_t_ptr || (child && parent == ns_t_ptr);
    const bool initial = std::exchange(first, false);
    if (!child && !initial && ++terms > max_terms) {
        return over(domain.c_str(), type, "more terms that need the DNS than RFC 7208 section 4.6.4 allows");
    }
    std::string shape = domain; // macros may make blanks, which a name may hold
    std::ranges::replace(shape, ' ', '_');
    const dns_answer got = dns::checked_name(shape)
                               ? ask(domain, static_cast<std::uint16_t>(type))
                               : dns_answer{dns_answer::kind::no_such_name, {}}; // section 4.8: no such name can exist
    if (got.what == dns_answer::kind::trouble) {
        return empty(domain.c_str(), type, of_ptr ? NO_DATA : TRY_AGAIN);
    }
    if (got.what != dns_answer::kind::records) {
        if (!initial && ++voids > max_voids) {
            return over(domain.c_str(), type, "more void lookups than RFC 7208 section 4.6.4 allows");
        }
        return empty(domain.c_str(), type, got.what == dns_answer::kind::no_such_name ? HOST_NOT_FOUND : NO_DATA);
    }
    return records(domain, type, got.rdata);
}

// Makes of a record what libspf2 can read, or says why not.
const char* evaluator::layer::adopt(std::string& form) {
    record_seen = true;
    if (form.size() > max_record) {
        return "the record is longer than 1000 octets: not evaluated";
    }
    auto text = rewritten({form.data(), form.size() - 1}, v6);
    if (!text || text->size() > max_record) {
        return "the record, or one it includes, breaks the grammar of RFC 7208";
    }
    form = std::move(*text) + '\0';
    return nullptr;
}

SPF_dns_rr_t* evaluator::layer::records(const std::string& domain, ns_type type,
                                        const std::vector<std::string>& rdata) {
    SPF_dns_rr_t* out = SPF_dns_rr_new_init(&calls, domain.c_str(), type, 0, NETDB_SUCCESS);
    if (type == ns_t_mx || type == ns_t_ptr) {
        children.clear();
        parent = type;
    }
    for (const auto& one : rdata) {
        std::string form = form_of(type, one);
        if (form.empty() || (type == ns_t_ptr && static_cast<std::size_t>(out->num_rr) == most_ptr_names)) {
            continue;
        }
        if (type == ns_t_txt && is_spf_record(form)) {
            const char* why = adopt(form);
            if (why != nullptr) {
                SPF_dns_rr_free(out);
                return over(domain.c_str(), type, why);
            }
        }
        const int at = out->num_rr;
        if (SPF_dns_rr_buf_realloc(out, at, std::max(form.size(), sizeof(SPF_dns_rr_data_t))) != SPF_E_SUCCESS) {
            break;
        }
        std::memcpy(out->rr[at], form.data(), form.size());
        out->num_rr = at + 1;
        if (type == ns_t_mx || type == ns_t_ptr) {
            children.emplace_back(form.c_str());
        }
    }
    return out;
}

evaluator::evaluator(ask_dns ask)
    : layer_{std::make_unique<layer>()} {
    layer_->ask = std::move(ask);
    layer_->calls.lookup = &layer::lookup;
    layer_->calls.get_exp = &layer::no_explanation;
    layer_->calls.name = "postsluice";
    layer_->calls.hook = layer_.get();
    server_ = SPF_server_new_dns(&layer_->calls, 0);
    if (server_ == nullptr) {
        throw std::runtime_error{"libspf2: no memory"};
    }
    SPF_server_set_max_dns_mech(server_, 1000); // ours count
    SPF_server_set_rec_dom(server_, "localhost");
}

evaluator::~evaluator() {
    SPF_server_free(server_);
}

verdict evaluator::check(const evaluation& what) {
    const auto at = what.sender.rfind('@');
    const std::string domain = at == std::string::npos ? what.sender : what.sender.substr(at + 1);
    const auto say = [](spf_result r, std::string why) {
        return verdict{static_cast<std::uint8_t>(r), std::move(why)};
    };
    if (!is_domain(domain)) {
        return say(spf_result::none, "\"" + domain + "\" is no domain name of more than one label");
    }
    layer_->terms = layer_->voids = 0;
    layer_->max_terms = what.max_terms;
    layer_->max_voids = what.max_voids;
    layer_->first = true;
    layer_->record_seen = false;
    layer_->children.clear();
    layer_->broken.clear();

    const std::unique_ptr<SPF_request_t, request_deleter> request{SPF_request_new(server_)};
    if (!request) {
        return say(spf_result::temperror, "no memory");
    }
    const auto client = ip_address::parse(what.ip); // an IPv4 address in IPv6 is IPv4 (RFC 7208 section 5)
    const std::string ip = client ? client->to_string() : "";
    layer_->v6 = client && !client->is_v4();
    const auto address = layer_->v6 ? SPF_request_set_ipv6_str(request.get(), ip.c_str())
                                    : SPF_request_set_ipv4_str(request.get(), ip.c_str());
    if (!client || address != SPF_E_SUCCESS) {
        return say(spf_result::permerror, "\"" + what.ip + "\" is no address");
    }
    const std::string sender = at == std::string::npos || at == 0 ? "postmaster@" + domain : what.sender;
    SPF_request_set_helo_dom(request.get(), what.helo.empty() ? domain.c_str() : what.helo.c_str());
    SPF_request_set_env_from(request.get(), sender.c_str());
    SPF_response_t* raw = nullptr;
    const auto error = SPF_request_query_mailfrom(request.get(), &raw);
    const std::unique_ptr<SPF_response_t, response_deleter> response{raw};
    if (!layer_->broken.empty()) {
        return say(spf_result::permerror, layer_->broken);
    }
    const auto result = result_of(raw, error);
    if (result == spf_result::none && layer_->record_seen) {
        return say(spf_result::permerror, "the record, or one it includes, cannot be read");
    }
    std::string why = error != SPF_E_SUCCESS ? SPF_strerror(error) : "";
    if (why.empty() && raw != nullptr) {
        why = SPF_strreason(SPF_response_reason(raw));
    }
    return say(result, std::move(why));
}

} // namespace postsluice::auth::spf_helper
