// SPDX-License-Identifier: Apache-2.0
// credentials (headers): the answer to a phish. docs/checks/credentials.md.
//   CREDENTIALS  an address of the account, a user name's prompt and a filled-in password's prompt, all within
//                content.credential_reach octets of the address
// The words of the prompts are the lists "user-name-words" and "password-words" of the rule files. Only the letter
// itself is read, not the files that go with it.
#include "contentfilter/checks/case_fold.hpp"
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/finding_list.hpp"
#include "contentfilter/checks/rule_files.hpp"
#include "contentfilter/mime/content.hpp"

#include <set>

namespace postsluice::contentfilter::checks {

namespace {

constexpr std::size_t most_places = 20; // where the address stands; a signature repeats it

/// The addresses that the sender would write into a form.
std::set<std::string> own_addresses(const message& of) {
    std::set<std::string> out;
    const auto add = [&](std::string_view address) {
        if (const auto at = address.find('@'); at != std::string_view::npos && at > 0 && address.size() > at + 1)
            out.insert(to_lower(address));
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

/// Where `address` stands in `text` in any case, and not as the end of a longer one, at or after `from`.
std::size_t find_address(std::string_view text, std::string_view address, std::size_t from) {
    const auto sign = address.find('@');
    for (auto at = text.find('@', from + sign); at != std::string_view::npos; at = text.find('@', at + 1))
        if (iequals(text.substr(at - sign, address.size()), address) && !continues_address(text.substr(0, at - sign)))
            return at - sign;
    return std::string_view::npos;
}

bool holds_credentials(std::string_view text, std::string_view address, std::size_t reach, const rule_set& rules) {
    std::size_t places = 0;
    for (auto at = find_address(text, address, 0); at != std::string_view::npos && places < most_places;
         at = find_address(text, address, at + address.size()), ++places) {
        const auto begin = at > reach ? at - reach : 0;
        if (is_answer(folded(text.substr(begin, at - begin + address.size() + reach)), rules)) return true;
    }
    return false;
}

} // namespace

boost::asio::awaitable<std::vector<finding>> credentials(check_context context) {
    finding_list out{"headers"};
    const auto rules = context.resources->rules;
    if (!rules || rules->list("password-words").empty()) co_return out.take();
    const auto own = own_addresses(*context.message);
    const auto reach = context.message->settings->content.credential_reach;
    for (const auto& body : context.content->bodies()) {
        if (!body.in_letter()) continue;
        const bool answer = std::any_of(own.begin(), own.end(), [&](const std::string& address) {
            return holds_credentials(body.text(), address, reach, *rules);
        });
        if (!answer) continue;
        auto& f = out.add("CREDENTIALS", 4, "the sender's address beside a password, part " + body.of().path);
        f.why = reason::phish;
    }
    co_return out.take();
}

} // namespace postsluice::contentfilter::checks
