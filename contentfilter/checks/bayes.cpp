// SPDX-License-Identifier: Apache-2.0
// bayes (content): is the message more like spam or more like ham that this server was taught? docs/checks/bayes.md.
//   BAYES_SPAM  probably spam, bayes.spam_from or more: 3/4 of bayes.spam_score there, all of it for what is certain
//   BAYES_HAM   probably none, bayes.ham_to or less: 3/4 of bayes.ham_score is taken off there, all of it likewise
// Says nothing until it has learned bayes.min_spam and bayes.min_ham messages. Only reads: one read of the state finds
// whether it may speak, and one all tokens. A state that cannot be read is this check's temporary error.
#include "contentfilter/bayes/classifier.hpp"
#include "contentfilter/checks/check.hpp"
#include "contentfilter/checks/finding_list.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <stdexcept>

namespace postsluice::contentfilter::checks {

namespace {

template <class Value>
Value read(result<Value> got) {
    if (!got) throw std::runtime_error{got.error().message()};
    return std::move(*got);
}

/// Three quarters of `whole` at `from`, all of it at `to`, in tenths.
double scaled(double whole, double probability, double from, double to) {
    const double certainty = from == to ? 1 : (probability - from) / (to - from);
    return std::round(10 * whole * (0.75 + 0.25 * certainty)) / 10;
}

/// However it was taught, it is not what a message is refused for by itself.
double short_of_refusal(double score, const config::profile* profile) {
    if (!profile || profile->reject_score <= 0) return score;
    return std::min(score, std::max(0.0, profile->reject_score - 0.1));
}

std::string evidence_of(const contentfilter::bayes::opinion& of) {
    std::array<char, 80> text{};
    std::snprintf(text.data(), text.size(), "%.2f %% spam by %zu tokens", 100 * of.spam, of.used);
    return text.data();
}

} // namespace

boost::asio::awaitable<std::vector<finding>> bayes(check_context context) {
    finding_list out{"content"};
    auto* const learned = context.resources->learned;
    if (!learned) co_return out.take();
    const auto& message = *context.message;
    const auto& how = message.settings->bayes;
    const auto so_far = read(learned->total(how.half_life)).messages;
    if (so_far.spam < static_cast<double>(how.min_spam) || so_far.ham < static_cast<double>(how.min_ham))
        co_return out.take();
    const auto tokens =
        contentfilter::bayes::tokens_of(message, context.mime.get(), *context.content, how.max_message_tokens);
    const auto answer = read(learned->ask(contentfilter::bayes::hashes_of(tokens), how.half_life));
    const auto opinion = contentfilter::bayes::classify(tokens, answer.tokens, answer.messages);
    if (opinion.used == 0) co_return out.take();
    if (opinion.spam >= how.spam_from)
        out.add("BAYES_SPAM",
                short_of_refusal(scaled(how.spam_score, opinion.spam, how.spam_from, 1), message.sender.profile.get()),
                evidence_of(opinion));
    else if (opinion.spam <= how.ham_to)
        out.add("BAYES_HAM", -scaled(how.ham_score, opinion.spam, how.ham_to, 0), evidence_of(opinion));
    co_return out.take();
}

} // namespace postsluice::contentfilter::checks
