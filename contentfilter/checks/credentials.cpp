// SPDX-License-Identifier: Apache-2.0
// credentials (headers): the answer to a phish. docs/checks/credentials.md.
//   CREDENTIALS  an address of the account, a user name's prompt and a filled-in password's prompt, all within
//                content.credential_reach octets of the address
//   CREDENTIALS_BOUND  more addresses in From than are looked for
// The words of the prompts are the lists "user-name-words" and "password-words" of the rule files. Only the letter
// itself is read, not the files that go with it.
#include "contentfilter/checks/case_fold.hpp"
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/checks/rule_files.hpp"
#include "contentfilter/mime/content.hpp"

#include <vector>

namespace postsluice::contentfilter::checks {

namespace {

constexpr std::size_t most_addresses = 100;

struct own_address {
    std::string text; ///< lower case
    std::size_t sign; ///< where its '@' stands
};
struct address_list {
    std::vector<own_address> all;
    bool cut = false;
};

/// The addresses that the sender would write into a form.
address_list own_addresses(const message& of) {
    address_list out;
    const auto add = [&](std::string_view address) {
        const auto at = address.find('@');
        if (out.cut || at == std::string_view::npos || at == 0 || address.size() == at + 1) return;
        auto lower = to_lower(address);
        if (std::any_of(out.all.begin(), out.all.end(), [&](const auto& one) { return one.text == lower; })) return;
        out.cut = out.all.size() == most_addresses;
        if (!out.cut) out.all.push_back({std::move(lower), at});
    };
    add(of.sender.account);
    add(of.sender.who.login);
    add(of.envelope.sender.address.key());
    for (const auto* field : of.header.all("From"))
        if (const auto list = mime::parse_mailboxes(field->value()))
            for (const auto& box : *list)
                add(box.address);
    return out;
}

/// Does `word` stand in `text` with something behind it on its line?
bool is_filled_in(std::string_view text, std::string_view word) {
    for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
        auto rest = text.substr(at + word.size());
        rest = rest.substr(0, rest.find_first_of("\r\n"));
        if (rest.find_first_not_of(" \t:*_.-=>|[]()") != std::string_view::npos) return true;
    }
    return false;
}

bool is_answer(std::string_view around, const rule_set& rules) {
    const auto& names = rules.list("user-name-words");
    const auto& passwords = rules.list("password-words");
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& word) { return around.find(word) != std::string_view::npos; }) &&
           std::any_of(passwords.begin(), passwords.end(),
                       [&](const std::string& word) { return is_filled_in(around, word); });
}

bool continues_address(std::string_view before) {
    if (before.empty()) return false;
    const char c = ascii_lower(before.back());
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == '+';
}

struct place {
    std::size_t begin = std::string_view::npos, end = 0;
    [[nodiscard]] bool is_there() const noexcept { return begin != std::string_view::npos; }
};

/// Where in `text`, at or after `from`, one of `own` stands in any case, and not as the end of a longer address.
place find_address(std::string_view text, const std::vector<own_address>& own, std::size_t from) {
    for (auto at = text.find('@', from); at != std::string_view::npos; at = text.find('@', at + 1))
        for (const auto& address : own) {
            if (at < from + address.sign) continue;
            const auto begin = at - address.sign;
            if (iequals(text.substr(begin, address.text.size()), address.text) &&
                !continues_address(text.substr(0, begin)))
                return {begin, begin + address.text.size()};
        }
    return {};
}

/// All places are looked at, however often an address stands there (in a log, in a long exchange of letters). Those
/// that lie within one reach are looked at together, so that no octet is read more than three times.
bool holds_credentials(std::string_view text, const std::vector<own_address>& own, std::size_t reach,
                       const rule_set& rules) {
    for (auto first = find_address(text, own, 0); first.is_there();) {
        auto last = first, next = find_address(text, own, first.end);
        while (next.is_there() && next.begin - first.begin <= reach) {
            last = next;
            next = find_address(text, own, next.end);
        }
        const auto begin = first.begin > reach ? first.begin - reach : 0;
        if (is_answer(folded(text.substr(begin, last.end - begin + reach)), rules)) return true;
        first = next;
    }
    return false;
}

} // namespace

boost::asio::awaitable<std::vector<finding>> credentials(check_context context) {
    finding_list out{"headers"};
    const auto rules = context.resources->rules;
    if (!rules || rules->list("password-words").empty()) co_return out.take();
    const auto own = own_addresses(*context.message);
    if (own.cut) out.add("CREDENTIALS_BOUND", 1, "more than " + std::to_string(most_addresses) + " addresses in From");
    const auto reach = context.message->settings->content.credential_reach;
    for (const auto& body : context.content->bodies()) {
        if (!body.in_letter()) continue;
        if (!holds_credentials(body.text(), own.all, reach, *rules)) continue;
        auto& f = out.add("CREDENTIALS", 4, "the sender's address beside a password, part " + body.of().path);
        f.why = reason::phish;
    }
    co_return out.take();
}

} // namespace postsluice::contentfilter::checks
