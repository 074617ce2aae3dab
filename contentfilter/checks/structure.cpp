// SPDX-License-Identifier: Apache-2.0
// structure (headers): what RFC 5322 asks of a header and this one lacks, and what readers of mail disagree about.
// docs/checks/structure.md.
//   MISSING_DATE        no Date (added before the message is signed, RFC 6409 section 8.2)
//   MISSING_MESSAGE_ID  no Message-ID (added as well)
//   DUPLICATE_FIELD     a field twice that may stand there once (section 3.6; MIME fields too)
//   LONG_FIELD          a field of more than content.long_field octets, but for addresses and traces
//   DATE_INVALID        a Date that cannot be read
//   DATE_FAR_OFF        a Date further from now than content.max_date_skew
//   RAW_HEADER          octets beyond ASCII in a header: UTF-8 without SMTPUTF8, or none at all
//   MESSAGE_PARTIAL     a piece of a message (RFC 2046 section 5.2.2): nobody can look into it
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/mime/tree.hpp"

#include <array>
#include <chrono>
#include <set>

namespace postsluice::contentfilter::checks {

namespace {

using namespace std::string_view_literals;

// From is from_alignment's.
constexpr std::array singletons{"sender"sv,
                                "reply-to"sv,
                                "to"sv,
                                "cc"sv,
                                "bcc"sv,
                                "message-id"sv,
                                "in-reply-to"sv,
                                "references"sv,
                                "subject"sv,
                                "date"sv,
                                "mime-version"sv,
                                "content-type"sv,
                                "content-id"sv,
                                "content-transfer-encoding"sv,
                                "content-disposition"sv};
constexpr std::array long_by_nature{"to"sv,         "cc"sv,        "bcc"sv,       "references"sv, "in-reply-to"sv,
                                    "received"sv,   "resent-to"sv, "resent-cc"sv, "autocrypt"sv,  "dkim-signature"sv,
                                    "newsgroups"sv, "face"sv,      "x-face"sv,    "openpgp"sv};

template <class List>
bool is_in(const List& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

void judge_fields(const message& of, finding_list& out) {
    const auto& bounds = of.settings->content;
    const bool utf8_allowed = of.envelope.sender.parameter("SMTPUTF8").has_value();
    std::set<std::string> seen;
    for (const auto& field : of.header.fields) {
        const auto name = to_lower(field.name());
        if (is_in(singletons, name) && !seen.insert(name).second) out.add("DUPLICATE_FIELD", 1.5, field.name());
        if (field.raw.size() > bounds.long_field.value && !is_in(long_by_nature, name) && !name.starts_with("arc-"))
            out.add("LONG_FIELD", 1, name + " of " + std::to_string(field.raw.size()) + " octets");
        const bool ascii =
            std::all_of(field.raw.begin(), field.raw.end(), [](char c) { return static_cast<signed char>(c) >= 0; });
        if (ascii) continue;
        const bool utf8 = is_valid_utf8(field.raw);
        if (!utf8 || !utf8_allowed) out.add("RAW_HEADER", utf8 ? 0.3 : 0.5, field.name());
    }
}

void judge_date(const message& of, finding_list& out) {
    const auto* field = of.header.find("Date");
    if (!field) return void(out.add("MISSING_DATE", 0.3, "no Date field"));
    const auto date = mime::parse_date(field->value());
    if (!date) return void(out.add("DATE_INVALID", 1, field->unfolded()));
    const auto off = std::chrono::abs(std::chrono::system_clock::now() - *date);
    if (off > of.settings->content.max_date_skew) out.add("DATE_FAR_OFF", 1.5, field->unfolded());
}

} // namespace

boost::asio::awaitable<std::vector<finding>> structure(check_context context) {
    finding_list out{"headers"};
    const auto& message = *context.message;
    judge_fields(message, out);
    judge_date(message, out);
    if (!message.header.find("Message-ID")) out.add("MISSING_MESSAGE_ID", 0.3, "no Message-ID field");
    if (context.mime)
        for (const auto& part : context.mime->parts())
            if (part.fields.type == "message/partial") out.add("MESSAGE_PARTIAL", 10, "part " + part.label());
    co_return out.take();
}

} // namespace postsluice::contentfilter::checks
