// SPDX-License-Identifier: Apache-2.0
// The settings of the content checks and of the scanners that they ask: how much of a message is read, and from where
// on something counts. Part of settings.hpp, which says what every aggregate here is.
#pragma once

#include "shared/core/units.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace postsluice::config {

/// What the checks of headers, text and links make of a message: how much of it they read, and from where on it counts.
struct content_settings {
    byte_count max_text{1U << 20U};         ///< octets of one text part
    byte_count max_html{1U << 20U};         ///< octets of one HTML part
    std::size_t max_html_elements = 20'000; ///< tags of one HTML part
    byte_count max_html_memory{64U << 20U}; ///< of the tree of one HTML part, while its text is taken out of it
    std::size_t max_anchors = 2000;         ///< of one message
    std::size_t max_urls = 2000;            ///< of one message, distinct
    std::size_t many_urls = 100;            ///< finding MANY_URLS, over this
    seconds max_date_skew{7 * 86400};
    byte_count long_field{16U << 10U};
    double url_only_share = 0.8;         ///< of a text's octets
    std::size_t hidden_text = 40;        ///< characters
    std::size_t image_only_text = 20;    ///< characters beside an image
    double random_words_share = 0.5;     ///< of a text's words
    std::size_t credential_reach = 400;  ///< octets on either side of an address
    std::size_t known_recipients = 5000; ///< remembered for each account
    std::size_t novelty_history = 50;    ///< known recipients that an account needs first
    std::size_t novelty_recipients = 20; ///< new ones in one message
    double novelty_share = 0.8;
    seconds strike_memory{7 * 86400}; ///< an account's strikes and verdicts count so long against its next message
    std::size_t recent_verdicts = 50; ///< remembered of each account; 0: none
    std::size_t recent_verdicts_needed = 10; ///< before they say anything
    double recent_verdicts_share = 0.2;      ///< of them bad; finding RECENT_VERDICTS from here on
};

/// What the bayes check says, and what it is taught.
struct bayes_settings {
    std::size_t min_spam = 200; ///< learned messages, before which the check says nothing
    std::size_t min_ham = 200;
    double spam_from = 0.9;                ///< probability of spam; BAYES_SPAM from here on
    double ham_to = 0.1;                   ///< and BAYES_HAM up to here
    double spam_score = 7;                 ///< of what is certain to be spam
    double ham_score = 2;                  ///< of what is certain to be none, taken off
    std::size_t max_message_tokens = 2000; ///< of one message, distinct
    std::size_t max_tokens = 1'000'000;    ///< kept in the state
    std::size_t max_learned = 100'000;     ///< messages that are remembered, to be unlearned
    seconds half_life{365 * 86400};        ///< what was learned counts half after that; 0: for ever
    bool learn_released = false;           ///< what a person releases from quarantine is learned as ham
};

/// What the archives check unpacks, in memory and in the worker; what is beyond a bound is a finding.
struct archive_settings {
    byte_count max_part{64U << 20U};      ///< octets of one part; a larger archive is not looked into
    std::size_t max_levels = 3;           ///< archives inside each other, the part itself the first
    std::size_t max_files = 10'000;       ///< members of one part, those of inner archives among them
    byte_count max_unpacked{512U << 20U}; ///< octets that one part unpacks to
    byte_count max_member{64U << 20U};    ///< octets of an inner archive, which lies in memory
    std::uint32_t max_ratio = 200;        ///< times its size that an archive may unpack to
    byte_count ratio_from{32U << 20U};    ///< what unpacks to less is no bomb, whatever its ratio
};

/// What the macros check reads of office documents.
struct macro_settings {
    byte_count max_part{64U << 20U};  ///< octets of one part; of a larger one nothing is read
    byte_count max_code{8U << 20U};   ///< octets of VBA source that are unpacked of one document
    std::size_t max_streams = 10'000; ///< entries of one compound file, members of one package
    std::size_t max_levels = 3;       ///< documents in archives and in documents
};

/// SHA-256 of parts that the operator knows.
struct hash_settings {
    std::vector<std::filesystem::path> files = {"/etc/postsluice/hashes.d/*.hashes"};
    std::size_t max_entries = 1'000'000; ///< of all files together
};

/// Fingerprints of texts, layouts and files: what counts as the same, and from where on it counts.
struct fingerprint_settings {
    std::size_t min_words = 40;    ///< of a letter's text; a shorter one has no fingerprint
    std::size_t min_elements = 60; ///< tags of an HTML part that its layout is known by
    byte_count min_file{4096};     ///< octets of an attachment
    double similarity = 0.8;       ///< part of the sketch that two have in common
    seconds window{86400};
    std::size_t many_accounts = 5;     ///< that sent the same within the window
    std::size_t many_recipients = 500; ///< to whom one account sent the same within the window
    std::size_t max_campaigns = 50'000;
    std::size_t max_known = 10'000; ///< fingerprints that operators added
};

enum class clamd_scan { message, parts };
/// ClamAV's daemon.
struct clamd_settings {
    std::string endpoint; ///< empty: not asked
    clamd_scan scan = clamd_scan::message;
    byte_count max_size{25U << 20U}; ///< of one stream; not over clamd's StreamMaxLength
    seconds connect_timeout{3};
    seconds timeout{15};          ///< for one stream, from the first octet to the answer
    std::size_t connections = 10; ///< at a time; more wait
    seconds idle{20};             ///< how long a connection is kept; under clamd's CommandReadTimeout
    std::size_t cache_entries = 10'000;
    seconds cache_time{3600};
    seconds version_interval{60}; ///< clamd is asked so often which database it has
};

/// SpamAssassin's daemon.
struct spamd_settings {
    std::string endpoint; ///< empty: not asked
    std::string user;     ///< whose preferences spamd uses; empty: its own
    byte_count max_size{512U << 10U};
    seconds connect_timeout{3};
    seconds timeout{15};
    std::size_t connections = 5; ///< at a time; more wait
    double factor = 1;
    std::size_t max_symbols = 200;
};

/// Rspamd's normal worker.
struct rspamd_settings {
    std::string endpoint; ///< empty: not asked
    byte_count max_size{10U << 20U};
    seconds connect_timeout{3};
    seconds timeout{15};
    std::size_t connections = 10; ///< at a time; more wait
    double factor = 1;
    std::size_t max_symbols = 200;
    byte_count max_answer{1U << 20U};
};

/// DNS lists of domains that links lead to.
struct url_list_settings {
    std::vector<std::string> lists;  ///< "ZONE ANSWER=SYMBOL:SCORE ..." (config/dns_list.hpp)
    std::vector<std::string> exempt; ///< domains that are not asked about, nor those below
    std::size_t max_domains = 50;    ///< of one message
    seconds timeout{5};              ///< all questions of one message
    std::size_t cache_entries = 50'000;
    seconds cache_time{300};
};

} // namespace postsluice::config
