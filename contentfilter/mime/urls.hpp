// SPDX-License-Identifier: Apache-2.0
// URLs: found in text, and taken apart as browsers do it (WHATWG URL standard), which is more forgiving than RFC 3986:
// what a browser would open must not look harmless here. Pure; any octets.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace postsluice::contentfilter::mime {

/// Where a URL of the web leads.
struct url {
    std::string text;       ///< as written, up to max_length octets
    std::string user;       ///< what stands before '@', as written
    std::string host;       ///< lower case, A-labels, percent signs undone; "192.0.2.1" and "2001:db8::1" for addresses
    std::string readable;   ///< the host with U-labels, where it has any; empty otherwise
    bool address = false;   ///< the host is an IP address
    bool disguised = false; ///< the address is written as no person writes it: 0x7f.1, 2130706433
    static constexpr std::size_t max_length = 2048;
};

/// nullopt where it is no URL of the web (http, https, ftp, "//host", "www.") or has no host.
[[nodiscard]] std::optional<url> read_url(std::string_view text);

/// Calls `visit` with each URL in `text`: what begins with a scheme of the web or "www." and goes on to a blank, a
/// quote or a bracket, without the punctuation at its end. Stops where `visit` returns false.
void find_urls(std::string_view text, const std::function<bool(std::string_view)>& visit);

/// Calls `visit` with each host and path in `text` that readers of mail make a link of, though no scheme and no "www."
/// says so (bare_urls.cpp says which). Stops where `visit` returns false.
void find_bare_urls(std::string_view text, const std::function<bool(url)>& visit);

} // namespace postsluice::contentfilter::mime
