// SPDX-License-Identifier: Apache-2.0
// What the client machine sends, and what its result means for each recipient.
#include "shared/smtp/client.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <array>

namespace postsluice::smtp {

namespace {

constexpr std::size_t xforward_line = 510;     // XFORWARD_README: commands of at most 512 octets
constexpr std::size_t xforward_longest = 1500; // a single attribute beyond this is left out; smtpd takes lines of 2048

std::string_view keyword_of(std::string_view text) {
    return text.substr(0, text.find_first_of(" ="));
}

bool any_of(std::string_view keyword, std::initializer_list<std::string_view> names) {
    return std::any_of(names.begin(), names.end(), [&](std::string_view n) { return iequals(n, keyword); });
}

reply failure_reply(const transaction_result& from) {
    if (from.stage < client_stage::ready)
        return make_reply(451, "4.4.1", "The next hop cannot be reached, try again later");
    switch (from.failure_code) {
    case errc::protocol:
    case errc::too_large:
        return make_reply(451, "4.5.0", "The next hop answered out of protocol, try again later");
    case errc::unsupported:
        return make_reply(451, "4.6.7", "The next hop does not support SMTPUTF8 now, try again later");
    case errc::unavailable:
    case errc::timed_out:
    case errc::closed:
        return make_reply(451, "4.4.2", "The connection to the next hop was lost, try again later");
    default:
        return make_reply(451, "4.3.0", "Temporary trouble, try again later");
    }
}

// Our session goes on where the peer's ends.
reply passed_on(reply r) {
    if (r.code == 421) r.code = 451;
    return r;
}

} // namespace

const std::string* client::capability(std::string_view keyword) const {
    const auto found = std::find_if(capabilities_.begin(), capabilities_.end(),
                                    [&](const std::string& c) { return iequals(keyword_of(c), keyword); });
    return found == capabilities_.end() ? nullptr : &*found;
}

std::string client::path_line(std::string_view verb, const path_argument& path,
                              std::optional<std::uint64_t> size) const {
    std::string line{verb};
    line += path.path.empty() ? "<" + path.address.to_smtp() + ">" : path.path;
    if (size && capability("SIZE")) line += " SIZE=" + std::to_string(*size);
    for (const auto& parameter : path.parameters) {
        const auto keyword = keyword_of(parameter);
        const bool binary = iequals(parameter, "BODY=BINARYMIME");
        const bool keep = iequals(keyword, "SIZE")   ? false
                          : iequals(keyword, "BODY") ? capability(binary ? "BINARYMIME" : "8BITMIME") != nullptr
                          : any_of(keyword, {"RET", "ENVID", "NOTIFY", "ORCPT"}) ? capability("DSN") != nullptr
                                                                                 : extended_;
        if (keep) line += " " + parameter;
    }
    return line + "\r\n";
}

void client::queue_xforward(const envelope& what) {
    const auto* offer = capability("XFORWARD");
    if (!offer || what.xforward.empty()) return;
    const auto names = split(*offer, ' ');
    std::string line;
    const auto flush = [&] {
        if (!line.empty()) steps_.push_back({command::xforward, 0, "XFORWARD" + line + "\r\n"});
        line.clear();
    };
    for (const std::string_view name : {"NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"}) {
        if (std::none_of(names.begin() + 1, names.end(), [&](std::string_view n) { return iequals(n, name); }))
            continue;
        const auto value = what.xforward.find(std::string{name});
        std::string attribute;
        // LOCAL would switch header rewriting on behind us, after the signature.
        if (name == "SOURCE")
            attribute = " SOURCE=REMOTE";
        else if (value != what.xforward.end())
            attribute = " " + std::string{name} + "=" + xtext_encode(value->second);
        if (attribute.empty() || attribute.size() > xforward_longest) continue;
        if (8 + line.size() + attribute.size() > xforward_line) flush();
        line += attribute;
    }
    flush();
}

std::size_t transaction_result::accepted() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(recipients.begin(), recipients.end(), [](const auto& r) { return r && r->ok(); }));
}

std::vector<reply> outcomes(const transaction_result& from) {
    std::vector<reply> out;
    std::size_t dots_used = 0;
    for (const auto& recipient : from.recipients) {
        if (from.mail && !from.mail->ok()) {
            out.push_back(passed_on(*from.mail));
        } else if (recipient && !recipient->ok()) {
            out.push_back(passed_on(*recipient));
        } else if (from.data && from.data->code != 354) {
            out.push_back(passed_on(*from.data));
        } else {
            const std::size_t index = from.dot.size() == 1 ? 0 : dots_used++;
            const bool answered = recipient && index < from.dot.size() && from.dot[index];
            out.push_back(answered ? passed_on(*from.dot[index]) : failure_reply(from));
        }
    }
    return out;
}

} // namespace postsluice::smtp
