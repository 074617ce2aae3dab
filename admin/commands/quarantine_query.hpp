// SPDX-License-Identifier: Apache-2.0
// Which messages in quarantine a command is about: its filter options, and the pages of the daemon's answer, one after
// the other, so that a hundred thousand messages are never in memory at once.
#pragma once

#include "admin/command.hpp"
#include "admin/context.hpp"

#include <functional>

namespace postsluice::admin {

/// --account, --reason, --symbol, --sender, --recipient, --since, --until, --subject, --held.
[[nodiscard]] std::vector<argument> quarantine_filters();
/// Was one of them given?
[[nodiscard]] bool has_filter(const arguments& given);
/// The request "quarantine list" for them; an error in words where a time cannot be read.
[[nodiscard]] result<nlohmann::json> quarantine_request(const context& ctx, const arguments& given);

struct listing {
    reply last; ///< of the daemon; ok() where all pages came
    std::size_t entries = 0;
    std::int64_t total = 0; ///< in quarantine, over all
    bool more = false;      ///< there are more than `most`
};
/// Calls `page` with each page's entries, a JSON array, until `most` entries or all were told.
[[nodiscard]] listing list_quarantine(context& ctx, nlohmann::json request, std::size_t most,
                                      const std::function<void(const nlohmann::json&)>& page);

/// An array of a JSON document, written element by element: {"NAME": [ ... ], more members}.
class json_stream {
public:
    json_stream(std::ostream& out, std::string_view name);
    void add(const nlohmann::json& element);
    /// `rest` are the other members.
    void end(const nlohmann::json& rest);

private:
    std::ostream& out_;
    bool first_ = true;
};

} // namespace postsluice::admin
