// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/author_signature.hpp"

#include "shared/auth/dkim.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <charconv>
#include <map>

namespace postsluice::contentfilter::act {

namespace {

constexpr std::string_view signature_name = "dkim-signature";

/// The value of a tag in a DKIM-Signature (RFC 6376 section 3.2), without white space; empty where it is not there.
std::string tag_of(std::string_view value, std::string_view name) {
    for (const auto part : split(value, ';')) {
        const auto equals = part.find('=');
        if (equals == std::string_view::npos || trim(part.substr(0, equals)) != name) continue;
        std::string out;
        for (const char c : part.substr(equals + 1))
            if (c != ' ' && c != '\t' && c != '\r' && c != '\n') out += c;
        return out;
    }
    return {};
}

/// Does the field look like a signature that somebody will accept: all it must have, From covered, not expired?
bool looks_valid(std::string_view value, std::string_view domain, instant now) {
    if (tag_of(value, "v") != "1" || !auth::relaxed_aligned(tag_of(value, "d"), domain)) return false;
    for (const auto* name : {"a", "b", "bh", "s"})
        if (tag_of(value, name).empty()) return false;
    const auto covered = tag_of(value, "h");
    const auto names = split(covered, ':');
    if (std::none_of(names.begin(), names.end(), [](std::string_view name) { return iequals(name, "from"); }))
        return false;
    const auto expires = tag_of(value, "x");
    std::int64_t at = 0;
    if (expires.empty() || std::from_chars(expires.data(), expires.data() + expires.size(), at).ec != std::errc{})
        return expires.empty();
    return at > std::chrono::floor<seconds>(now).time_since_epoch().count();
}

/// Raw fields by name in lower case, from the top.
using by_name = std::map<std::string, std::vector<std::string_view>, std::less<>>;
void add(by_name& to, std::string_view raw, std::string_view name) {
    to[to_lower(name)].push_back(raw);
}

/// c=, of which a missing part is "simple" (section 3.5).
struct methods {
    bool relaxed_header, relaxed_body;
};
methods methods_of(std::string_view value) {
    const auto both = tag_of(value, "c");
    const auto slash = both.find('/');
    return {both.substr(0, slash) == "relaxed", slash != std::string::npos && both.substr(slash + 1) == "relaxed"};
}

bool same(std::string_view a, std::string_view b, bool relaxed) {
    return a == b || (relaxed && auth::canonical_header(a) == auth::canonical_header(b));
}

/// Each name of h= takes the lowest field of that name that none before it took (section 5.4.2): here and there the
/// same, or none on both sides.
bool covers_the_same(std::string_view h, const by_name& before, const by_name& after, bool relaxed) {
    std::map<std::string, std::size_t> taken;
    const auto pick = [](const by_name& from, const std::string& name, std::size_t nth) {
        const auto at = from.find(name);
        if (at == from.end() || nth >= at->second.size()) return std::string_view{};
        return at->second[at->second.size() - 1 - nth];
    };
    for (const auto word : split(h, ':')) {
        const auto name = to_lower(word);
        const auto nth = taken[name]++;
        if (!same(pick(before, name, nth), pick(after, name, nth), relaxed)) return false;
    }
    return true;
}

bool body_is_whole(std::string_view value, bool relaxed, const hashed_body& body) {
    if (!relaxed || !tag_of(value, "l").empty() || !tag_of(value, "a").ends_with("-sha256")) return !body.changed;
    auto claimed = tag_of(value, "bh");
    std::replace(claimed.begin(), claimed.end(), '+', '-');
    std::replace(claimed.begin(), claimed.end(), '/', '_');
    claimed.erase(claimed.find_last_not_of('=') + 1);
    return claimed == base64url_encode(body.hash);
}

} // namespace

bool leaves_signed(std::span<const header_field> before, std::span<const std::string> after, const hashed_body& body,
                   std::string_view domain, instant now) {
    by_name came, leaves;
    for (const auto& field : before)
        add(came, field.raw, field.name());
    if (!came.contains(signature_name)) return false;
    for (const auto& raw : after) {
        const auto colon = raw.find(':');
        add(leaves, raw, trim(std::string_view{raw}.substr(0, colon)));
    }
    std::size_t looked_at = 0;
    for (const auto signature : leaves[std::string{signature_name}]) {
        if (++looked_at > most_author_signatures) break;
        const auto value = signature.substr(signature.find(':') + 1);
        if (!looks_valid(value, domain, now)) continue;
        const auto how = methods_of(value);
        const auto& those = came[std::string{signature_name}];
        const bool itself = std::any_of(those.begin(), those.end(),
                                        [&](std::string_view one) { return same(one, signature, how.relaxed_header); });
        if (itself && covers_the_same(tag_of(value, "h"), came, leaves, how.relaxed_header) &&
            body_is_whole(value, how.relaxed_body, body))
            return true;
    }
    return false;
}

} // namespace postsluice::contentfilter::act
