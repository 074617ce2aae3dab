// SPDX-License-Identifier: Apache-2.0
// The sections of checks that have many options of their own: those that look into files, and those that ask others.
#include "shared/config/options.hpp"

namespace postsluice::config {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr byte_count kib(std::uint64_t n) {
    return {n << 10U};
}
constexpr byte_count mib(std::uint64_t n) {
    return {n << 20U};
}
constexpr byte_count gib(std::uint64_t n) {
    return {n << 30U};
}

const word_rows<clamd_scan> scans = {{clamd_scan::message, "message"}, {clamd_scan::parts, "parts"}};

} // namespace

std::map<std::string, filter_error_policy> usual_check_errors() {
    // A list in the DNS that is silent, or has had enough of our questions, is no reason to stop all mail with links.
    return {{"url_lists", filter_error_policy::pass}};
}

const options<archive_settings>& archive_options() {
    using s = archive_settings;
    static const options<s> rows = {
        row<s>("max_part", &s::max_part, sizes(kib(64), gib(1)), "Octets of one part; a larger one is not unpacked."),
        row<s>("max_levels", &s::max_levels, integers<std::size_t>(1, 10),
               "Archives inside each other that are unpacked; the attachment itself is the first."),
        row<s>("max_files", &s::max_files, integers<std::size_t>(1, 1'000'000),
               "Files of one part that are looked at, those of inner archives among them."),
        row<s>("max_unpacked", &s::max_unpacked, sizes(mib(1), gib(16)), "Octets that one part unpacks to."),
        row<s>("max_member", &s::max_member, sizes(kib(64), gib(1)),
               "Octets of an inner archive; a larger one is not unpacked."),
        row<s>("max_ratio", &s::max_ratio, integers<std::uint32_t>(2, 100'000),
               "An archive that unpacks to more than so many times its size is a bomb."),
        row<s>("ratio_from", &s::ratio_from, sizes({}, gib(16)),
               "What unpacks to less is no bomb, whatever its ratio."),
    };
    return rows;
}

const options<macro_settings>& macro_options() {
    using s = macro_settings;
    static const options<s> rows = {
        row<s>("max_part", &s::max_part, sizes(kib(64), gib(1)),
               "Octets of one part; of a larger one nothing is read."),
        row<s>("max_code", &s::max_code, sizes(kib(64), mib(256)),
               "Octets of VBA source that are unpacked of one document."),
        row<s>("max_streams", &s::max_streams, integers<std::size_t>(10, 1'000'000),
               "Entries of a document that are looked at."),
        row<s>("max_levels", &s::max_levels, integers<std::size_t>(1, 10),
               "Archives and documents inside each other in which documents are looked for."),
    };
    return rows;
}

const options<hash_settings>& hash_options() {
    using s = hash_settings;
    static const options<s> rows = {
        row<s>("files", &s::files, path_lists(),
               "Lists of SHA-256 sums, one a line and a comment after it; '*' stands for any run of characters."),
        row<s>("max_entries", &s::max_entries, integers<std::size_t>(1, 100'000'000),
               "Sums in all files together; with more the lists are not read."),
    };
    return rows;
}

const options<clamd_settings>& clamd_options() {
    using s = clamd_settings;
    static const options<s> rows = {
        row<s>("endpoint", &s::endpoint, texts(rules::endpoint_or_nothing, "an endpoint"),
               "clamd's socket; empty: the check is off.", R"("unix:/run/clamav/clamd.ctl")"),
        row<s>("scan", &s::scan, words(scans),
               "The message as it is, which clamd takes apart itself, or each part of it, whose results are remembered "
               "for other messages."),
        row<s>("max_size", &s::max_size, sizes(kib(64), gib(2)),
               "What is larger is not sent, and has a finding; not over clamd's StreamMaxLength."),
        row<s>("connect_timeout", &s::connect_timeout, durations(seconds{1}, minutes{5}), "For a connection."),
        row<s>("timeout", &s::timeout, durations(seconds{1}, minutes{10}), "For one answer, sending included."),
        row<s>("connections", &s::connections, integers<std::size_t>(1, 1000),
               "Connections at a time; more wait. Not over clamd's MaxThreads."),
        row<s>("idle", &s::idle, durations(seconds{0}, minutes{10}),
               "How long a connection is kept for the next message; under clamd's CommandReadTimeout."),
        row<s>("cache_entries", &s::cache_entries, integers<std::size_t>(0, 10'000'000),
               "Results that are remembered."),
        row<s>("cache_time", &s::cache_time, durations(seconds{0}, hours{24}),
               "For how long; a new database of clamd's forgets all."),
        row<s>("version_interval", &s::version_interval, durations(seconds{1}, hours{1}),
               "How often clamd is asked for its version and its database's."),
    };
    return rows;
}

const options<spamd_settings>& spamd_options() {
    using s = spamd_settings;
    static const options<s> rows = {
        row<s>("endpoint", &s::endpoint, texts(rules::endpoint_or_nothing, "an endpoint"),
               "spamd's socket; empty: the check is off.", R"("inet:127.0.0.1:783")"),
        row<s>("user", &s::user, texts(rules::name_or_nothing, "a user name"),
               "The user whose preferences spamd is to use; empty: its own."),
        row<s>("max_size", &s::max_size, sizes(kib(16), mib(256)), "A larger message is not sent."),
        row<s>("connect_timeout", &s::connect_timeout, durations(seconds{1}, minutes{5}), "For a connection."),
        row<s>("timeout", &s::timeout, durations(seconds{1}, minutes{10}), "For one answer, sending included."),
        row<s>("connections", &s::connections, integers<std::size_t>(1, 1000),
               "Connections at a time; more wait. Not over spamd's --max-children."),
        row<s>("factor", &s::factor, reals(0, 100), "What its scores are multiplied with."),
        row<s>("max_symbols", &s::max_symbols, integers<std::size_t>(1, 10'000),
               "Symbols of one answer that are read."),
    };
    return rows;
}

const options<rspamd_settings>& rspamd_options() {
    using s = rspamd_settings;
    static const options<s> rows = {
        row<s>("endpoint", &s::endpoint, texts(rules::endpoint_or_nothing, "an endpoint"),
               "The normal worker's socket; empty: the check is off.", R"("inet:127.0.0.1:11333")"),
        row<s>("max_size", &s::max_size, sizes(kib(16), gib(1)), "A larger message is not sent."),
        row<s>("connect_timeout", &s::connect_timeout, durations(seconds{1}, minutes{5}), "For a connection."),
        row<s>("timeout", &s::timeout, durations(seconds{1}, minutes{10}), "For one answer, sending included."),
        row<s>("connections", &s::connections, integers<std::size_t>(1, 1000), "Connections at a time; more wait."),
        row<s>("factor", &s::factor, reals(0, 100), "What its scores are multiplied with."),
        row<s>("max_symbols", &s::max_symbols, integers<std::size_t>(1, 10'000),
               "Symbols of one answer that are read."),
        row<s>("max_answer", &s::max_answer, sizes(kib(16), mib(64)),
               "Octets of one answer; a longer one is an error."),
    };
    return rows;
}

const options<url_list_settings>& url_list_options() {
    using s = url_list_settings;
    static const options<s> rows = {
        row<s>("lists", &s::lists, text_lists(rules::dns_list, R"(a list of "ZONE ANSWER=SYMBOL:SCORE ...")"),
               "DNS lists of domains, and what their answers mean: an address, or \"&\" and bits of its last octet.",
               R"(["dbl.example.org 127.0.1.2=DBL_SPAM:6", "multi.example.org &8=URL_PHISH:7.5 &64=URL_ABUSE:5"])"),
        row<s>("exempt", &s::exempt, text_lists(rules::domain, "a list of domains"),
               "Domains that are never asked about, nor those below them.", R"(["example.org"])"),
        row<s>("max_domains", &s::max_domains, integers<std::size_t>(1, 10'000),
               "Domains of one message that are asked about."),
        row<s>("timeout", &s::timeout, durations(seconds{1}, minutes{2}),
               "For all questions of one message; what is not answered then has failed, and on_error applies."),
        row<s>("cache_entries", &s::cache_entries, integers<std::size_t>(0, 10'000'000),
               "Answers that are remembered."),
        row<s>("cache_time", &s::cache_time, durations(seconds{0}, hours{24}), "For how long."),
    };
    return rows;
}

} // namespace postsluice::config
