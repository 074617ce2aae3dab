// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/feedback/bounce_report.hpp"

#include "contentfilter/mime/tree.hpp"
#include "shared/core/text.hpp"

#include <algorithm>

namespace postsluice::contentfilter::feedback {

namespace {

constexpr std::size_t max_group = 64U << 10U, max_group_fields = 100; // octets and fields of what is told of one

bool is_own_notice(const header_block& header) {
    if (header.fields.empty() || !iequals(header.fields.front().name(), "Received")) return false;
    return istarts_with(header.fields.front().unfolded(), "by ") &&
           header.fields.front().unfolded().find(", from ") == std::string::npos;
}

std::string value_of(const header_block& group, std::string_view name) {
    const auto* field = group.find(name);
    return field == nullptr ? std::string{} : field->unfolded();
}

/// "rfc822; alice@example.org" without its type.
std::string address_of(const std::string& typed) {
    const auto at = typed.find(';');
    return std::string{trim(std::string_view{typed}.substr(at == std::string::npos ? 0 : at + 1))};
}

/// "5.1.1 (bad mailbox)" without its comment.
std::string_view code_of(std::string_view status) {
    return status.substr(0, status.find_first_of(" \t("));
}

/// "X-Postfix-Queue-ID", where mail_name is "Postfix".
std::string queue_id_of_group(const header_block& group) {
    for (const auto& field : group.fields) {
        const auto name = field.name();
        constexpr std::string_view end = "-Queue-ID";
        if (istarts_with(name, "X-") && name.size() > end.size() && iequals(name.substr(name.size() - end.size()), end))
            return field.unfolded();
    }
    return {};
}

/// Calls `visit` with each group of fields: those of the message, then those of each recipient.
template <class Visit>
void for_each_group(std::string_view text, Visit visit) {
    while (!text.empty()) {
        const auto group = parse_header_text(text.substr(0, max_group), max_group, max_group_fields);
        if (!group.fields.empty() && !visit(group)) return;
        if (group.body_offset == 0 && group.fields.empty()) { // no field: to the next line
            const auto line = text.find('\n');
            text.remove_prefix(line == std::string_view::npos ? text.size() : line + 1);
            continue;
        }
        text.remove_prefix(std::min<std::size_t>(group.body_offset, text.size()));
    }
}

} // namespace

result<bounce_report> read_delivery_status(std::string_view text, const std::vector<std::string>& statuses,
                                           std::size_t most_recipients) {
    bounce_report out;
    bool too_many = false;
    for_each_group(text, [&](const header_block& group) {
        if (out.queue_id.empty()) out.queue_id = queue_id_of_group(group);
        const auto recipient = address_of(value_of(group, "Final-Recipient"));
        if (recipient.empty() || !iequals(value_of(group, "Action"), "failed")) return true;
        if (out.failed >= most_recipients) {
            too_many = true;
            return false;
        }
        ++out.failed;
        const auto status = value_of(group, "Status");
        if (std::ranges::find(statuses, code_of(status)) != statuses.end()) out.invalid.push_back(recipient);
        return true;
    });
    if (too_many) return failure{errc::too_large, "more recipients than contentfilter.max_recipients"};
    if (out.queue_id.empty()) return failure{errc::malformed, "the delivery status names no queue ID"};
    return out;
}

result<bounce_report> read_bounce_report(const message& notice, const std::vector<std::string>& statuses) {
    if (!is_own_notice(notice.header)) return failure{errc::denied, "not the mail server's own notice"};
    const auto& bounds = notice.settings->contentfilter;
    const auto tree = mime::tree::build(notice.content, notice.header, bounds);
    if (!tree) return tree.error();
    const auto& parts = (*tree)->parts();
    const auto at = std::ranges::find_if(parts, [](const auto& p) {
        return p.fields.type == "message/delivery-status" || p.fields.type == "message/global-delivery-status";
    });
    if (at == parts.end()) return failure{errc::malformed, "no message/delivery-status in it"};
    std::string text;
    const auto most = bounds.max_header.value + bounds.max_recipients * 1024U; // octets; a recipient takes some 300
    const auto read = mime::decoded(*at, most + 1, [&](std::string_view piece) {
        text += piece;
        return true;
    });
    if (!read) return read.error();
    if (text.size() > most) return failure{errc::too_large, "the delivery status is too long"};
    return read_delivery_status(text, statuses, bounds.max_recipients);
}

} // namespace postsluice::contentfilter::feedback
