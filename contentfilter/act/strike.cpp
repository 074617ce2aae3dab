// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/act/strike.hpp"

#include "contentfilter/intake/digest.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace postsluice::contentfilter::act {

namespace {
constexpr std::size_t most_recipients = 20, longest_text = 400;
}

result<std::string> proof_digest(const message& what) {
    sha256 hash;
    std::vector<std::string> recipients;
    for (const auto& recipient : what.envelope.recipients)
        recipients.push_back(recipient.address.key());
    std::sort(recipients.begin(), recipients.end());
    for (const auto& one : recipients) {
        hash.update(one);
        hash.update("\n");
    }
    if (const auto* subject = what.header.find("Subject")) hash.update(subject->unfolded());
    hash.update("\n\n");
    auto read = what.content->for_each(what.header.body_offset, [&](std::string_view piece) {
        hash.update(piece);
        return true;
    });
    if (!read) return read.error();
    return hash.hex();
}

std::vector<std::string> describe_findings(const std::vector<finding>& findings) {
    std::vector<std::string> out;
    for (const auto& f : findings) {
        std::array<char, 32> score{};
        std::snprintf(score.data(), score.size(), "(%.1f)", f.score);
        out.push_back(printable(f.symbol + score.data() + (f.evidence.empty() ? "" : " ") + f.evidence, longest_text));
    }
    return out;
}

state::verdict_event make_event(const message& what, const verdict& v, verdict_kind done, reason why,
                                std::string reference, instant now) {
    state::verdict_event out;
    out.reference = std::move(reference);
    out.at = now;
    out.account = what.sender.account;
    out.sender = printable(what.envelope.sender.address.key(), longest_text);
    out.queue_id = what.queue_id;
    if (const auto* id = what.header.find("Message-ID")) out.message_id = printable(id->unfolded(), longest_text);
    out.verdict = to_string(done);
    out.why = why;
    for (const auto& recipient : what.envelope.recipients) {
        if (out.recipients.size() == most_recipients) break;
        out.recipients.push_back(printable(recipient.address.key(), longest_text));
    }
    out.findings = describe_findings(v.findings);
    out.observed = v.observed;
    return out;
}

} // namespace postsluice::contentfilter::act
