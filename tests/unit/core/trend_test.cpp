// SPDX-License-Identifier: Apache-2.0
// The estimator by its properties, then a simulation: years of accounts that do nothing wrong, and thefts of each.
#define BOOST_TEST_DYN_LINK
#include "shared/core/trend.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>

namespace postsluice {

BOOST_AUTO_TEST_SUITE(trend)

namespace {

using std::chrono::hours;
using std::chrono::minutes;

const instant start{hours{24} * 20'454}; // 2026-01-01
constexpr trend_bounds usual_bounds{8, 50, false};
constexpr std::uint64_t home = 0x1111, office = 0x2222, elsewhere = 0x3333;

std::uint64_t hashed(std::uint64_t number) { // splitmix64
    number += 0x9E3779B97F4A7C15U;
    number = (number ^ (number >> 30U)) * 0xBF58476D1CE4E5B9U;
    number = (number ^ (number >> 27U)) * 0x94D049BB133111EBU;
    return number ^ (number >> 31U);
}

/// As the daemon does: judged at RCPT, observed at DATA.
trend_judgement send(trend_memory& memory, instant at, std::uint64_t network, const std::vector<std::uint64_t>& to,
                     const trend_bounds& bounds = usual_bounds) {
    trend_message message{at, static_cast<std::uint32_t>(to.size()), 0, network};
    for (const auto one : to)
        message.new_recipients += knows(memory, one) ? 0U : 1U;
    const auto out = judge(memory, bounds, message);
    observe(memory, message, to);
    return out;
}

/// `days` days of `messages` each, from 9 o'clock, a minute apart, to one of ten friends.
instant usual_days(trend_memory& memory, int days, int messages, instant from = start) {
    for (int day = 0; day < days; ++day)
        for (int i = 0; i < messages; ++i)
            send(memory, from + hours{24} * day + hours{9} + minutes{i}, office,
                 {hashed(static_cast<std::uint64_t>(i % 10))});
    return from + hours{24} * days;
}

std::vector<std::uint64_t> stranger() {
    static std::uint64_t next = 1'000'000;
    return {hashed(++next)};
}

} // namespace

BOOST_AUTO_TEST_CASE(a_young_account_is_not_judged) {
    trend_memory memory;
    BOOST_TEST(judge(memory, usual_bounds, {start, 1, 1, home}).learning);
    const auto after = usual_days(memory, 6, 5);
    for (int i = 0; i < 500; ++i)
        BOOST_REQUIRE(!send(memory, after, elsewhere, stranger()).exceeded);
    BOOST_TEST(judge(memory, usual_bounds, {after, 1, 1, home}).learning);
    BOOST_TEST(!judge(memory, usual_bounds, {start + hours{24 * 8}, 1, 1, home}).learning);
}

BOOST_AUTO_TEST_CASE(more_than_factor_times_the_usual_day_and_the_floor_is_a_trend) {
    trend_memory memory;
    const auto today = usual_days(memory, 30, 10) + hours{9};
    int sent = 0;
    while (!send(memory, today + seconds{10} * sent, office, {hashed(3)}).exceeded)
        BOOST_REQUIRE(++sent < 1000);
    BOOST_TEST(sent == 78); // eight times ten, less what was forgotten since yesterday
    const auto said = judge(memory, usual_bounds, {today + minutes{30}, 1, 0, office});
    BOOST_TEST(said.today == 80U);
    BOOST_TEST(said.usual > 9.7);
    BOOST_TEST(said.usual <= 10);
    BOOST_TEST(!judge(memory, {8, 80, false}, {today + minutes{30}, 1, 0, office}).exceeded);
    BOOST_TEST(!judge(memory, {20, 50, false}, {today + minutes{30}, 1, 0, office}).exceeded);
    BOOST_TEST(!judge(memory, {0, 50, false}, {today + minutes{30}, 1, 0, office}).exceeded); // off
    BOOST_TEST(!judge(memory, usual_bounds, {today + hours{30}, 1, 0, office}).exceeded);     // another day
}

BOOST_AUTO_TEST_CASE(each_unusual_thing_doubles_what_a_message_counts) {
    trend_memory memory;
    const auto today = usual_days(memory, 30, 10);
    const auto weight = [&](instant at, std::uint64_t network, std::uint32_t fresh) {
        return judge(memory, usual_bounds, {at, 1, fresh, network}).weighted;
    };
    const auto nine = today + hours{24 + 9}, night = today + hours{24 + 2}; // nothing was sent on the day before
    BOOST_TEST(weight(nine, office, 0) == 1);
    BOOST_TEST(weight(night, office, 0) == 2);
    BOOST_TEST(weight(nine, elsewhere, 0) == 2);
    BOOST_TEST(weight(nine, office, 1) == 2);
    BOOST_TEST(weight(night, elsewhere, 1) == 8);
    BOOST_TEST(weight(nine, 0, 0) == 1); // a network that is not known says nothing
    const auto said = judge(memory, usual_bounds, {night, 1, 1, elsewhere});
    BOOST_TEST((said.unusual_hour && said.unusual_network && said.unusual_recipients));
}

BOOST_AUTO_TEST_CASE(what_is_taken_back_was_never_sent) {
    // At any time of any history, and whatever is unusual about it.
    std::mt19937 chance{7};
    const auto below = [&chance](std::uint64_t most) {
        return std::uniform_int_distribution<std::uint64_t>{0, most - 1}(chance);
    };
    trend_memory memory;
    auto at = usual_days(memory, 30, 10);
    for (int i = 0; i < 3000; ++i) {
        at += seconds{below(3000)};
        send(memory, at, below(10) == 0 ? elsewhere : office, {hashed(below(15))});
        if (std::chrono::floor<std::chrono::days>(at + seconds{60}) != std::chrono::floor<std::chrono::days>(at))
            continue;
        const auto before = memory;
        std::vector<trend_message> put_off;
        for (std::uint64_t n = 1, most = below(4); n <= most; ++n) {
            const auto recipients = static_cast<std::uint32_t>(1 + below(5));
            const trend_message one{at + seconds{n}, recipients, static_cast<std::uint32_t>(below(recipients + 1)),
                                    below(2) == 0 ? elsewhere : office};
            observe(memory, one, stranger());
            put_off.push_back(one);
        }
        std::shuffle(put_off.begin(), put_off.end(), chance);
        for (const auto& one : put_off)
            take_back(memory, one);
        for (const auto& bounds : {usual_bounds, trend_bounds{8, 50, true}}) {
            const auto ask = [&](const trend_memory& m, minutes later) {
                return judge(m, bounds, {at + later, 1, 0, office});
            };
            BOOST_REQUIRE(ask(memory, minutes{1}).today == ask(before, minutes{1}).today);
            BOOST_REQUIRE(std::abs(ask(memory, minutes{1}).weighted - ask(before, minutes{1}).weighted) < 0.01);
            const auto said = ask(memory, minutes{20 * 60}), expected = ask(before, minutes{20 * 60});
            BOOST_REQUIRE(said.today == expected.today);
            BOOST_REQUIRE(said.usual <= expected.usual);
            BOOST_REQUIRE(said.usual >= expected.usual - 15); // what was put off at one time
        }
        BOOST_REQUIRE(memory.today_recipients == before.today_recipients);
        BOOST_REQUIRE(memory.today_new == before.today_new);
        memory = before;
    }
}

BOOST_AUTO_TEST_CASE(an_outage_is_no_trend_and_teaches_nothing) {
    trend_memory memory;
    const auto day = usual_days(memory, 30, 10);
    const double usual = judge(memory, usual_bounds, {day, 1, 0, office}).usual;
    auto at = day + hours{9};
    for (int i = 0; i < 600; ++i, at += seconds{30}) { // ten letters, each tried again and again
        const trend_message message{at, 1, 0, office};
        BOOST_REQUIRE(!judge(memory, usual_bounds, message).exceeded);
        observe(memory, message, std::vector{hashed(3)});
        take_back(memory, message);
    }
    BOOST_TEST(!send(memory, at, office, {hashed(3)}).exceeded);
    BOOST_TEST(judge(memory, usual_bounds, {day + hours{24}, 1, 0, office}).usual <= usual);
}

BOOST_AUTO_TEST_CASE(nothing_is_taken_back_that_is_not_there) {
    trend_memory memory;
    take_back(memory, {start, 1, 1, home});
    BOOST_TEST((memory == trend_memory{}));
    send(memory, start, home, {hashed(1)});
    const auto before = memory;
    take_back(memory, {start + hours{1}, 1, 1, home});
    take_back(memory, {start - hours{24}, 1, 1, home});
    take_back(memory, {start - hours{1}, 1, 1, home});
    BOOST_TEST((memory == before));
    take_back(memory, {start, 1000, 1000, home}); // more than there is
    take_back(memory, {start, 1, 1, home});
    BOOST_TEST(memory.day_messages == 0);
    BOOST_TEST(memory.day_recipients == 0);
    BOOST_TEST(judge(memory, usual_bounds, {start + hours{24 * 8}, 1, 0, home}).usual == 0);
}

BOOST_AUTO_TEST_CASE(what_a_thief_does_is_not_usual_while_he_does_it) {
    trend_memory memory;
    const auto night = usual_days(memory, 30, 10) + hours{2};
    int sent = 0;
    for (; sent < 600; ++sent)
        send(memory, night + seconds{sent}, elsewhere, stranger());
    const auto said = judge(memory, usual_bounds, {night + minutes{20}, 1, 1, elsewhere});
    BOOST_TEST((said.unusual_hour && said.unusual_network && said.unusual_recipients));
    BOOST_TEST(said.usual <= 10);
}

BOOST_AUTO_TEST_CASE(one_day_teaches_a_bounded_amount) {
    trend_memory memory;
    auto day = usual_days(memory, 30, 10);
    const auto usual = [&](instant at) { return judge(memory, usual_bounds, {at, 1, 0, office}).usual; };
    for (int i = 0; i < 5000; ++i)
        send(memory, day + hours{1} + seconds{i}, elsewhere, stranger());
    BOOST_TEST(usual(day + hours{24}) < 60);
    BOOST_TEST(usual(day + hours{24}) > 40);
}

BOOST_AUTO_TEST_CASE(the_usual_day_is_forgotten_by_half_in_28_days) {
    trend_memory memory;
    const auto over = usual_days(memory, 10, 40);
    const double before = judge(memory, usual_bounds, {over, 1, 0, office}).usual;
    const double after = judge(memory, usual_bounds, {over + hours{24 * 28}, 1, 0, office}).usual;
    BOOST_TEST(std::abs(after - before / 2) < 0.5);
    BOOST_TEST(judge(memory, usual_bounds, {over + hours{24 * 3650}, 1, 0, office}).usual < 1e-6);
}

BOOST_AUTO_TEST_CASE(a_floor_in_recipients_sees_few_messages_to_many) {
    trend_memory memory;
    const auto today = usual_days(memory, 30, 10) + hours{9};
    std::vector<std::uint64_t> many;
    for (std::uint64_t i = 0; i < 100; ++i)
        many.push_back(hashed(i + 500));
    const auto said = send(memory, today, office, many, {8, 50, true});
    BOOST_TEST(said.exceeded);
    BOOST_TEST(said.today == 100U);
    BOOST_TEST(!judge(memory, usual_bounds, {today, 100, 100, office}).exceeded); // one message
}

BOOST_AUTO_TEST_CASE(recipients_are_known_for_at_least_350_others_and_two_months) {
    trend_memory memory;
    send(memory, start, home, {hashed(1)});
    BOOST_TEST(knows(memory, hashed(1)));
    for (std::uint64_t i = 100; i < 440; ++i)
        send(memory, start + minutes{1}, home, {hashed(i)});
    BOOST_TEST(knows(memory, hashed(1)));
    int wrong = 0;
    for (std::uint64_t i = 10'000; i < 20'000; ++i)
        wrong += knows(memory, hashed(i)) ? 1 : 0;
    BOOST_TEST(wrong < 700);
    for (std::uint64_t i = 20'000; i < 22'000; ++i)
        send(memory, start + minutes{2}, home, {hashed(i)});
    trend_memory quiet;
    send(quiet, start, home, {hashed(1)});
    send(quiet, start + hours{24 * 57}, home, {hashed(2)});
    BOOST_TEST(knows(quiet, hashed(1)));
    send(quiet, start + hours{24 * 114}, home, {hashed(2)});
    BOOST_TEST(!knows(quiet, hashed(1)));
}

BOOST_AUTO_TEST_CASE(a_clock_that_goes_back_breaks_nothing) {
    trend_memory memory;
    const auto today = usual_days(memory, 10, 10);
    send(memory, today - hours{24 * 5}, office, {hashed(1)});
    BOOST_TEST(judge(memory, usual_bounds, {today - hours{24 * 400}, 1, 0, office}).usual > 9);
    BOOST_TEST(judge(memory, usual_bounds, {instant{}, 1, 0, office}).today > 0U);
}

// ---- simulation -----------------------------------------------------------------------------------------------------

namespace {

/// Chances that are the same on every machine.
class chance {
public:
    explicit chance(std::uint64_t seed)
        : engine_{seed} {}
    double real() { return static_cast<double>(engine_() >> 11U) * 0x1p-53; }
    bool happens(double probability) { return real() < probability; }
    std::uint64_t below(std::uint64_t bound) { return engine_() % bound; }
    int poisson(double mean) {
        if (mean > 60) return static_cast<int>(std::lround(std::max(0.0, mean + std::sqrt(mean) * normal())));
        int n = 0;
        for (double p = real(); p > std::exp(-mean); p *= real())
            ++n;
        return n;
    }
    double normal() {
        double sum = 0;
        for (int i = 0; i < 12; ++i)
            sum += real();
        return sum - 6;
    }

private:
    std::mt19937_64 engine_;
};

struct plan {
    std::vector<trend_message> messages;                ///< of one day, in order
    std::vector<std::vector<std::uint64_t>> recipients; ///< of each
};

/// What an honest account does on a day: `plan_of(day number)`.
struct person {
    std::uint64_t id = 0;
    std::uint64_t friends = 30;  ///< whom it writes to again and again
    double new_share = 0.1;      ///< of its recipients
    std::uint64_t strangers = 0; ///< met so far
    double from = 8, until = 18; ///< hours of the day
    double travels = 0.02;       ///< chance of a week elsewhere, in another time zone
    std::uint64_t network = office;
    int away = 0;

    void add(plan& to, chance& c, instant day, int messages) {
        std::vector<double> times;
        const double shift = away > 0 ? 7 : 0;
        for (int i = 0; i < messages; ++i)
            times.push_back(from + shift + c.real() * (until - from));
        std::sort(times.begin(), times.end());
        for (const double hour : times) {
            const auto at = day + std::chrono::duration_cast<milliseconds>(std::chrono::duration<double>{hour * 3600});
            const auto count = 1 + static_cast<std::uint32_t>(c.happens(0.2) ? c.below(4) : 0);
            std::vector<std::uint64_t> recipients;
            for (std::uint32_t i = 0; i < count; ++i)
                recipients.push_back(
                    hashed(id * 1'000'000 + (c.happens(new_share) ? 10'000 + ++strangers : c.below(friends))));
            to.messages.push_back(
                {at, count, 0, away > 0 ? elsewhere + id + static_cast<std::uint64_t>(away) / 100 : network});
            to.recipients.push_back(std::move(recipients));
        }
    }
    void live(chance& c) {
        if (away > 0)
            --away;
        else if (c.happens(travels / 7))
            away = 7;
    }
};

using habit = std::function<void(person&, plan&, chance&, instant, int)>;

/// Weekdays a score of messages, now and then an invitation to everybody.
void office_worker(person& who, plan& p, chance& c, instant day, int number) {
    const bool weekend = number % 7 >= 5;
    who.add(p, c, day, c.poisson(weekend ? 1 : 25));
    if (c.happens(1.0 / 90)) who.add(p, c, day, 40 + static_cast<int>(c.below(60)));
}
/// A letter to 400 and more every week, one message each, a few mails on other days.
void newsletter(person& who, plan& p, chance& c, instant day, int number) {
    who.add(p, c, day, c.poisson(5));
    who.friends = 400 + static_cast<std::uint64_t>(number);
    if (number % 7 == 2) who.add(p, c, day, static_cast<int>(who.friends));
}
/// Orders: few in summer, six times as many before Christmas, and sales.
void seasonal_shop(person& who, plan& p, chance& c, instant day, int number) {
    const double season = std::exp(1.8 * std::exp(-std::pow((number % 365 - 345) / 22.0, 2)));
    who.new_share = 0.7;
    who.until = 22;
    who.add(p, c, day, c.poisson(20 * season * (c.happens(1.0 / 60) ? 3 : 1)));
}
/// Two messages a week, from home; season's greetings to sixty once a year.
void quiet_user(person& who, plan& p, chance& c, instant day, int number) {
    who.network = home;
    who.from = 17;
    who.until = 22;
    who.add(p, c, day, c.poisson(0.3));
    if (number % 365 == 350 && who.id % 4 == 0) who.add(p, c, day, 60);
}

const std::map<std::string, habit> habits = {{"office worker", office_worker},
                                             {"newsletter", newsletter},
                                             {"seasonal shop", seasonal_shop},
                                             {"quiet user", quiet_user}};

/// Lets it live `days` days; returns on how many of them something of it was called a trend.
int live(trend_memory& memory, person& who, const habit& does, chance& c, int from, int days) {
    std::set<int> alarms;
    for (int number = from; number < from + days; ++number) {
        plan today;
        who.live(c);
        does(who, today, c, start + hours{24} * number, number);
        std::vector<std::size_t> order(today.messages.size());
        for (std::size_t i = 0; i < order.size(); ++i)
            order[i] = i;
        std::stable_sort(order.begin(), order.end(),
                         [&](auto a, auto b) { return today.messages[a].at < today.messages[b].at; });
        for (const auto i : order)
            if (send(memory, today.messages[i].at, today.messages[i].network, today.recipients[i]).exceeded)
                alarms.insert(number);
    }
    return static_cast<int>(alarms.size());
}

struct theft {
    double per_minute = 30;
    std::uint64_t networks = 200; ///< a botnet
    double hour = 3;
};

struct found {
    int messages = 0;
    double minutes = 0;
};

/// From the first message of the thief to the first one that is called a trend; 0: never within a day.
found detect(trend_memory memory, const theft& how, chance& c, int day) {
    const auto begin = start + hours{24} * day +
                       std::chrono::duration_cast<milliseconds>(std::chrono::duration<double>{how.hour * 3600});
    double minute = 0;
    for (int sent = 1; minute < 24 * 60; ++sent) {
        minute += -std::log(1 - c.real()) / how.per_minute;
        const auto at = begin + std::chrono::duration_cast<milliseconds>(std::chrono::duration<double>{minute * 60});
        if (send(memory, at, 0x777000 + c.below(how.networks), stranger()).exceeded) return {sent, minute};
    }
    return {};
}

} // namespace

BOOST_AUTO_TEST_CASE(false_alarms_are_rare) {
    constexpr int accounts = 20, years = 2;
    std::map<std::string, double> rates;
    double all = 0;
    for (const auto& [name, does] : habits) {
        int alarms = 0;
        for (std::uint64_t id = 1; id <= accounts; ++id) {
            chance c{id};
            trend_memory memory;
            person who;
            who.id = id;
            alarms += live(memory, who, does, c, 0, 365 * years);
        }
        rates[name] = static_cast<double>(alarms) / (accounts * years);
        all += rates[name] / static_cast<double>(habits.size());
        BOOST_TEST_MESSAGE(name << ": " << rates[name] << " false alarms per account and year");
    }
    BOOST_TEST_MESSAGE("all: " << all);
    BOOST_TEST(rates["office worker"] <= 0.05);
    BOOST_TEST(rates["newsletter"] <= 0.05);
    BOOST_TEST(rates["seasonal shop"] <= 0.05);
    BOOST_TEST(rates["quiet user"] <= 0.3); // the season's greetings
    BOOST_TEST(all <= 0.1);
}

BOOST_AUTO_TEST_CASE(thefts_are_found_soon) {
    const theft burst{30, 200, 3}, slow{1, 5, 11}, at_home{30, 1, 11};
    struct row {
        std::string name;
        const char* way;
        theft how;
        int messages; ///< the most before it is found
        double minutes;
        int missed; ///< of 20, within a day
    };
    const row table[] = {
        {"quiet user", "burst", burst, 55, 3, 0},          {"quiet user", "slow", slow, 55, 75, 0},
        {"quiet user", "at home", at_home, 55, 3, 0},      {"office worker", "burst", burst, 150, 6, 0},
        {"office worker", "slow", slow, 300, 300, 0},      {"office worker", "at home", at_home, 300, 12, 0},
        {"seasonal shop", "burst", burst, 150, 6, 0},      {"seasonal shop", "slow", slow, 300, 300, 0},
        {"seasonal shop", "at home", at_home, 300, 12, 0}, {"newsletter", "burst", burst, 600, 24, 0},
        {"newsletter", "slow", slow, 900, 900, 1},         {"newsletter", "at home", at_home, 1200, 45, 0}};
    for (const auto& [name, way, how, messages, most_minutes, may_miss] : table) {
        int worst = 0, missed = 0;
        double longest = 0;
        for (std::uint64_t id = 1; id <= 20; ++id) {
            chance c{1000 + id};
            trend_memory memory;
            person who;
            who.id = id;
            live(memory, who, habits.at(name), c, 0, 90);
            const auto f = detect(memory, how, c, 90);
            missed += f.messages == 0 ? 1 : 0;
            worst = std::max(worst, f.messages);
            longest = std::max(longest, f.minutes);
        }
        BOOST_TEST_MESSAGE(name << ", " << way << ": found after at most " << worst << " messages, " << longest
                                << " minutes; missed " << missed << " of 20");
        BOOST_TEST_CONTEXT(name << ", " << way) {
            BOOST_TEST(worst <= messages);
            BOOST_TEST(longest <= most_minutes);
            BOOST_TEST(missed <= may_miss);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice
