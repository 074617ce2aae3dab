// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/bayes/trainer.hpp"

#include "contentfilter/bayes/tokens.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <stdexcept>

namespace postsluice::contentfilter::bayes {

namespace asio = boost::asio;

state::token_set read_tokens(const message_ptr& of) {
    const auto& settings = *of->settings;
    auto built = mime::tree::build(of->content, of->header, settings.contentfilter);
    // Over a bound the check has no tree either.
    if (!built && built.error().code != errc::too_large) throw std::runtime_error{built.error().message()};
    const auto tree = built ? *built : nullptr;
    const mime::content content{of, tree};
    return hashes_of(tokens_of(*of, tree.get(), content, settings.bayes.max_message_tokens));
}

asio::awaitable<result<std::vector<trainer::outcome>>> trainer::teach(std::optional<state::mail_class> as,
                                                                      std::vector<message_ptr> messages) {
    co_return co_await asio::co_spawn(pool_, work(as, std::move(messages)), asio::use_awaitable);
}

asio::awaitable<result<std::vector<trainer::outcome>>> trainer::work(std::optional<state::mail_class> as,
                                                                     std::vector<message_ptr> messages) {
    std::vector<outcome> out;
    std::vector<state::token_set> batch;
    std::size_t tokens = 0;
    for (std::size_t i = 0; i < messages.size(); ++i) {
        try {
            batch.push_back(read_tokens(messages[i]));
        } catch (const std::runtime_error& e) {
            co_return failure{errc::unavailable, e.what()};
        }
        tokens += batch.back().size();
        if (tokens < at_once && i + 1 < messages.size()) continue;
        const auto& how = messages[i]->settings->bayes;
        const state::token_statistics::bounds within{how.max_tokens, how.max_learned, how.half_life};
        const auto done = as ? into_.learn(*as, batch, within) : into_.forget(batch, within);
        if (!done) co_return done.error();
        out.insert(out.end(), done->begin(), done->end());
        batch.clear();
        tokens = 0;
    }
    co_return out;
}

} // namespace postsluice::contentfilter::bayes
