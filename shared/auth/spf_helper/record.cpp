// SPDX-License-Identifier: Apache-2.0
#include "shared/auth/spf_helper/record.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <netinet/in.h>
#include <utility>

namespace postsluice::auth::spf_helper {

namespace {

bool is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_alphanum(char c) {
    return is_alpha(c) || is_digit(c);
}
std::size_t digits(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::find_if_not(text, is_digit) - text.begin());
}

// macro-expand at the beginning of `text`: its length, 0 where it is none. Letters c, r and t are for explanations.
std::size_t macro_expand(std::string_view text) {
    if (text.size() < 2 || text[0] != '%') {
        return 0;
    }
    if (text[1] == '%' || text[1] == '_' || text[1] == '-') {
        return 2;
    }
    if (text.size() < 4 || text[1] != '{' ||
        std::string_view{"slodiphv"}.find(ascii_lower(text[2])) == std::string_view::npos) {
        return 0;
    }
    std::size_t at = 3;
    const std::size_t count = digits(text.substr(at));
    if (count > 3 || (count > 0 && std::ranges::all_of(text.substr(at, count), [](char c) { return c == '0'; }))) {
        return 0;
    }
    at += count;
    if (at < text.size() && ascii_lower(text[at]) == 'r') {
        ++at;
    }
    while (at < text.size() && std::string_view{".-+,/_="}.find(text[at]) != std::string_view::npos) {
        ++at;
    }
    return at < text.size() && text[at] == '}' ? at + 1 : 0;
}

bool is_top_label(std::string_view label) {
    const auto inner = [](char c) { return is_alphanum(c) || c == '-'; };
    return !label.empty() && std::ranges::all_of(label, inner) && is_alphanum(label.front()) &&
           is_alphanum(label.back()) && !std::ranges::all_of(label, is_digit);
}

/// Whether it is a macro-string; `ends_in_macro`: whether its last element is a macro-expand.
bool is_macro_string(std::string_view text, bool& ends_in_macro) {
    ends_in_macro = false;
    while (!text.empty()) {
        const std::size_t macro = macro_expand(text);
        if (macro == 0 && (text.front() < 0x21 || text.front() == '%' || text.front() > 0x7E)) {
            return false;
        }
        ends_in_macro = macro != 0;
        text.remove_prefix(std::max<std::size_t>(macro, 1));
    }
    return true;
}

bool is_domain_spec(std::string_view text) {
    bool ends_in_macro = false;
    if (text.empty() || !is_macro_string(text, ends_in_macro)) {
        return false;
    }
    if (ends_in_macro) {
        return true;
    }
    if (text.ends_with('.')) {
        text.remove_suffix(1);
    }
    const auto dot = text.rfind('.');
    return dot != std::string_view::npos && is_top_label(text.substr(dot + 1));
}

struct prefixes {
    int v4 = 32, v6 = 128;
};

/// "/N" of at most `most`, without leading zeros; -1: none such.
int prefix_length(std::string_view text, int most) {
    int out = -1;
    if (text.empty() || text.size() > 3 || digits(text) != text.size() || (text.front() == '0' && text.size() > 1)) {
        return -1;
    }
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out <= most ? out : -1;
}

/// Cuts a dual-cidr-length off the end of `text`. False: one that is none.
bool take_prefixes(std::string_view& text, prefixes& out) {
    const auto cut = [&text](std::string_view slash, int most, int& length) {
        const auto at = text.rfind(slash);
        if (at == std::string_view::npos || digits(text.substr(at + slash.size())) != text.size() - at - slash.size() ||
            at + slash.size() == text.size()) {
            return true; // it belongs to the domain-spec, or there is none
        }
        length = prefix_length(text.substr(at + slash.size()), most);
        text = text.substr(0, at);
        return length >= 0;
    };
    return cut("//", 128, out.v6) && cut("/", 32, out.v4);
}

class rewriter {
public:
    explicit rewriter(bool v6)
        : v6_{v6} {}

    bool term(std::string_view text) {
        const auto name_end = static_cast<std::size_t>(
            std::ranges::find_if_not(text, [](char c) { return is_alphanum(c) || c == '-' || c == '_' || c == '.'; }) -
            text.begin());
        if (name_end > 0 && name_end < text.size() && text[name_end] == '=' && is_alpha(text.front())) {
            return modifier(to_lower(text.substr(0, name_end)), text.substr(name_end + 1));
        }
        std::string qualifier;
        if (std::string_view{"+-?~"}.find(text.front()) != std::string_view::npos) {
            qualifier = text.front();
            text.remove_prefix(1);
        }
        const auto end = std::min(text.find_first_of(":/"), text.size());
        return mechanism(qualifier, to_lower(text.substr(0, end)), text.substr(end));
    }
    [[nodiscard]] std::string take() { return out_ + (all_ ? "" : redirect_); }

private:
    bool modifier(const std::string& name, std::string_view value) {
        bool ignored = false;
        if (name == "redirect") {
            const bool good = redirect_.empty() && is_domain_spec(value);
            redirect_ = " redirect=" + std::string{value};
            return good;
        }
        if (name == "exp") {
            return !std::exchange(exp_, true) && is_domain_spec(value);
        }
        return is_macro_string(value, ignored);
    }

    bool mechanism(const std::string& qualifier, const std::string& name, std::string_view rest) {
        if (name == "all") {
            all_ = true;
            return rest.empty() && add(qualifier + "all");
        }
        if (name == "ip4" || name == "ip6") {
            return rest.starts_with(':') && network(qualifier, name == "ip6", rest.substr(1));
        }
        if (name == "include" || name == "exists" || name == "ptr") {
            const bool domain = rest.starts_with(':') && is_domain_spec(rest.substr(1));
            return (domain || (name == "ptr" && rest.empty())) && add(qualifier + name + std::string{rest});
        }
        return (name == "a" || name == "mx") && hosts(qualifier, name, rest);
    }

    bool hosts(const std::string& qualifier, const std::string& name, std::string_view rest) {
        prefixes length;
        if (!take_prefixes(rest, length) ||
            (!rest.empty() && (rest.front() != ':' || !is_domain_spec(rest.substr(1))))) {
            return false;
        }
        const int mine = v6_ ? length.v6 : length.v4;
        if (mine > 0) {
            return add(qualifier + name + std::string{rest} + (v6_ ? "//" : "/") + std::to_string(mine));
        }
        // Whatever address it has will do: for A that is what `exists` asks.
        return !v6_ && name == "a" && add(qualifier + "exists" + (rest.empty() ? ":%{d}" : std::string{rest}));
    }

    bool network(const std::string& qualifier, bool v6, std::string_view text) {
        const auto slash = text.find('/');
        const int most = v6 ? 128 : 32;
        const int length = slash == std::string_view::npos ? most : prefix_length(text.substr(slash + 1), most);
        const std::string address{text.substr(0, slash)};
        std::array<std::uint8_t, 16> octets{};
        if (length < 0 || ::inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(), octets.data()) != 1) {
            return false;
        }
        if (v6 != v6_) {
            return true; // matches nothing
        }
        if (length > 0) {
            return add(qualifier + (v6 ? "ip6:" : "ip4:") + address + '/' + std::to_string(length));
        }
        return v6 ? add(qualifier + "ip6:::/1") && add(qualifier + "ip6:8000::/1")
                  : add(qualifier + "ip4:0.0.0.0/1") && add(qualifier + "ip4:128.0.0.0/1");
    }

    bool add(const std::string& text) {
        out_ += ' ' + text;
        return true;
    }

    bool v6_;
    std::string out_ = "v=spf1", redirect_;
    bool all_ = false, exp_ = false;
};

} // namespace

std::optional<std::string> rewritten(std::string_view record, bool client_is_v6) {
    constexpr std::size_t version = 6;
    rewriter out{client_is_v6};
    for (const auto term : split(record.substr(std::min(version, record.size())), ' ')) {
        if (!term.empty() && !out.term(term)) {
            return std::nullopt;
        }
    }
    return out.take();
}

} // namespace postsluice::auth::spf_helper
