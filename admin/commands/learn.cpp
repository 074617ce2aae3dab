// SPDX-License-Identifier: Apache-2.0
// Teaches the bayes check. The messages go to the content filter in batches: it alone writes what is learned. What was
// learned before an error stays; the same command again skips it.
#include "admin/commands/commands.hpp"
#include "admin/context.hpp"
#include "admin/human.hpp"
#include "admin/message_files.hpp"
#include "admin/progress.hpp"
#include "admin/table.hpp"

#include <array>
#include <map>
#include <ostream>
#include <unistd.h>

namespace postsluice::admin {
namespace {

using nlohmann::json;

// One request: the filter answers within 30 s, however busy its disk is.
constexpr std::size_t batch_messages = 100, batch_octets = std::size_t{4} << 20U;

/// Outcomes of the filter's verb, and what they are called.
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> outcomes{
    {{"learned", "learned"},
     {"moved", "learned, which had been the other class"},
     {"known", "known before"},
     {"forgotten", "forgotten"},
     {"unknown", "never learned"},
     {"empty", "without words"}}};

class lesson {
public:
    lesson(context& ctx, std::string as, std::vector<std::string> files)
        : ctx_{ctx}
        , as_{std::move(as)}
        , files_{std::move(files)}
        , bar_{ctx.err, files_.size(), !ctx.json() && ::isatty(STDERR_FILENO) != 0} {}

    int run() {
        for (const auto& file : files_) {
            for_each_message(file, [&](result<std::string> message) { return take(std::move(message)); });
            if (trouble_) break;
            ++done_;
            show();
        }
        if (!trouble_) send();
        bar_.clear();
        return trouble_ ? ctx_.fail(*trouble_) : report();
    }

private:
    /// False once the filter said no.
    bool take(result<std::string> message) {
        if (!message) {
            bar_.clear();
            ctx_.note(message.error().detail);
            ++skipped_;
            return true;
        }
        octets_ += message->size();
        batch_.push_back(base64(*message));
        if (batch_.size() >= batch_messages || octets_ >= batch_octets) send();
        return !trouble_;
    }

    void send() {
        if (batch_.empty()) return;
        const auto answer =
            ctx_.ask(daemon::contentfilter,
                     {{"verb", "learn"}, {"as", as_}, {"messages", std::exchange(batch_, json::array())}});
        octets_ = 0;
        if (!answer.ok()) {
            trouble_ = answer;
            return;
        }
        for (const auto& one : part_of(answer.body, "outcomes"))
            if (one.is_string()) ++counts_[one.get<std::string>()];
        show();
    }

    void show() {
        std::int64_t messages = 0;
        for (const auto& [name, count] : counts_)
            messages += count;
        bar_.show(done_, say_count(messages, "message"));
    }

    int report() {
        if (ctx_.json()) {
            json out = {{"skipped", skipped_}};
            for (const auto& [name, words] : outcomes)
                out[std::string{name}] = counts_[std::string{name}];
            ctx_.print_json(std::move(out));
        } else {
            for (const auto& [name, words] : outcomes)
                if (const auto count = counts_[std::string{name}]; count > 0)
                    ctx_.out << say_count(count, "message") << " " << words << ".\n";
            if (skipped_ > 0) ctx_.out << say_count(skipped_, "message") << " could not be read.\n";
            if (counts_.empty() && skipped_ == 0) ctx_.out << "There are no messages.\n";
        }
        return skipped_ > 0 ? exit_refused : exit_done;
    }

    context& ctx_;
    std::string as_;
    std::vector<std::string> files_;
    progress bar_;
    std::size_t done_ = 0, octets_ = 0;
    std::int64_t skipped_ = 0;
    json batch_ = json::array();
    std::map<std::string, std::int64_t> counts_;
    std::optional<reply> trouble_;
};

int teach(context& ctx, const arguments& given, std::string as) {
    if (given.get("--forget")) as = "nothing";
    auto files = message_files(given.all("FILE"));
    if (!files) return ctx.fail(exit_not_found, files.error().detail, "not-found");
    return lesson{ctx, std::move(as), std::move(*files)}.run();
}

double real_of(const json& object, const char* member) {
    const auto at = object.find(member);
    return at != object.end() && at->is_number() ? at->get<double>() : 0;
}

std::string messages_of(const json& a, const char* kind, const char* least) {
    return say_score(real_of(a, kind)) + " (" + std::to_string(number_of(a, least)) + " are needed)";
}

int status(context& ctx, const arguments&) {
    const auto r = ctx.ask(daemon::contentfilter, {{"verb", "learn status"}});
    if (!r.ok()) return ctx.fail(r);
    if (ctx.json()) return ctx.print_json(r.body), exit_done;
    const auto& a = r.body;
    const auto half_life = number_of(a, "half_life");
    fact_list facts;
    facts.add("Spam", messages_of(a, "spam", "min_spam"));
    facts.add("Ham", messages_of(a, "ham", "min_ham"));
    facts.add("Check bayes", flag_of(a, "speaks") ? "speaks" : "is silent: it has not learned enough");
    facts.add("Tokens", std::to_string(number_of(a, "tokens")) + " of " + std::to_string(number_of(a, "max_tokens")));
    facts.add("Remembered",
              say_count(number_of(a, "remembered"), "message") + " of " + std::to_string(number_of(a, "max_learned")));
    facts.add("Half-life", half_life > 0 ? say_duration(seconds{half_life}) : "none: nothing fades");
    facts.print(ctx.out);
    return exit_done;
}

} // namespace

std::vector<command> learn_commands() {
    const argument files{"FILE", "messages: files, mboxes, Maildirs, directories; - for standard input", true, "MANY"};
    const argument forget{"--forget", "take back what they taught, whatever it was", false, "FLAG"};
    return {
        {"learn",
         "spam",
         "teach the filter that these messages are spam",
         {files, forget},
         "",
         [](context& ctx, const arguments& given) { return teach(ctx, given, "spam"); }},
        {"learn",
         "ham",
         "teach the filter that these messages are honest mail",
         {files, forget},
         "",
         [](context& ctx, const arguments& given) { return teach(ctx, given, "ham"); }},
        {"learn", "status", "how much was learned, and whether the check speaks", {}, "", status},
    };
}

} // namespace postsluice::admin
