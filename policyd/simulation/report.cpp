// SPDX-License-Identifier: Apache-2.0
#include "policyd/simulation/report.hpp"

#include "shared/core/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iomanip>
#include <ostream>

namespace postsluice::policyd::simulation {

namespace {

using nlohmann::json;

json time_or_null(instant t) {
    return t == instant{} ? json(nullptr) : json(to_iso8601(t));
}

/// Those with the most refusals first.
std::vector<std::pair<std::string, const simulated_account*>> by_weight(const outcome& of) {
    std::vector<std::pair<std::string, const simulated_account*>> out;
    for (const auto& [account, what] : of.accounts) {
        out.emplace_back(account, &what);
    }
    std::ranges::stable_sort(out, std::ranges::greater{}, [](const auto& one) { return one.second->refused; });
    return out;
}

void print_refused(std::ostream& out, const std::string& account, const simulated_account& of) {
    out << printable(account, 60) << " (" << of.profile << "): " << of.refused << " of " << of.recipients
        << " recipients refused\n";
    for (const auto& [kind, by] : of.by) {
        out << "  " << by.count << " by " << kind.first << ": " << printable(kind.second, 60) << "\n    from "
            << to_iso8601(by.first) << " to " << to_iso8601(by.last) << '\n';
    }
}

void print_proposals(std::ostream& out, const report& of) {
    out << "\nLimits that each account's own 99th percentile fits under\n";
    for (const auto& one : of.proposals) {
        out << printable(one.account, 60) << " (" << one.profile << ")\n";
        for (const auto& l : one.limits) {
            out << "  " << std::left << std::setw(34) << to_string(l.what) << std::right << " highest " << std::setw(7)
                << l.highest << ", in " << l.periods << (l.periods == 1 ? " period" : " periods") << '\n';
        }
    }
    for (const auto& one : usage::profiles(of.proposals)) {
        out << "\nProfile " << one.profile << ", " << one.accounts << (one.accounts == 1 ? " account" : " accounts")
            << ": the highest of its accounts'\n";
        std::string line;
        for (const auto& l : one.limits) {
            out << "  " << std::left << std::setw(34) << to_string(l.what) << std::right << " median " << std::setw(6)
                << l.median << "; " << printable(l.highest_account, 40) << '\n';
            line += (line.empty() ? "" : ",\n          ") + ('"' + to_string(l.what) + '"');
        }
        out << "limits = [" << line << "]\n";
    }
}

json limit_json(const limit& of) {
    return {{"limit", to_string(of)}, {"unit", to_string(of.unit)}, {"period", of.period.count()}};
}

json proposals_json(const std::vector<account_proposal>& of) {
    json out = json::array();
    for (const auto& one : of) {
        json limits = json::array();
        for (const auto& l : one.limits) {
            json made = limit_json(l.what);
            made["percentile_99"] = l.percentile;
            made["highest"] = l.highest;
            made["periods"] = l.periods;
            made["above"] = l.above;
            limits.push_back(std::move(made));
        }
        out.push_back({{"account", printable(one.account, 1000)}, {"profile", one.profile}, {"limits", limits}});
    }
    return out;
}

json profiles_json(const std::vector<account_proposal>& of) {
    json out = json::array();
    for (const auto& one : usage::profiles(of)) {
        json limits = json::array();
        for (const auto& l : one.limits) {
            json made = limit_json(l.what);
            made["median"] = l.median;
            made["highest"] = l.highest;
            made["account"] = printable(l.highest_account, 1000);
            limits.push_back(std::move(made));
        }
        out.push_back({{"profile", one.profile}, {"accounts", one.accounts}, {"limits", std::move(limits)}});
    }
    return out;
}

json account_json(const std::string& account, const simulated_account& of) {
    json by = json::array();
    for (const auto& [kind, what] : of.by) {
        by.push_back({{"rule", kind.first},
                      {"what", printable(kind.second, 1000)},
                      {"count", what.count},
                      {"first", time_or_null(what.first)},
                      {"last", time_or_null(what.last)},
                      {"example", printable(what.example, 1000)}});
    }
    return {{"account", printable(account, 1000)},
            {"profile", of.profile},
            {"recipients", of.recipients},
            {"refused", of.refused},
            {"messages", of.messages},
            {"by", std::move(by)}};
}

} // namespace

void print_text(std::ostream& out, const report& of) {
    const auto& what = of.what;
    if (what.requests == 0) {
        out << "Nothing to simulate: no request and no message was found.\n";
        return;
    }
    out << what.requests << " requests of " << what.accounts.size()
        << (what.accounts.size() == 1 ? " account" : " accounts") << ", " << to_iso8601(what.from) << " to "
        << to_iso8601(what.until) << '\n';
    if (what.not_ours > 0) {
        out << what.not_ours << " requests came from no account and are not limited.\n";
    }
    if (of.unreadable > 0) {
        out << of.unreadable << " lines could not be read.\n";
    }
    if (what.trouble > 0) {
        out << what.trouble << " requests met trouble of the simulation's own: the result is not complete.\n";
    }
    for (const auto& one : what.not_asked) {
        out << "Not asked: " << one << '\n';
    }
    out << '\n';
    bool any = false;
    for (const auto& [account, simulated] : by_weight(what)) {
        if (simulated->refused > 0) {
            any = true;
            print_refused(out, account, *simulated);
        }
    }
    if (!any) {
        out << "Nobody would have been refused.\n";
    }
    if (of.with_proposals) {
        print_proposals(out, of);
    }
}

void print_json(std::ostream& out, const report& of) {
    json accounts = json::array();
    for (const auto& [account, simulated] : by_weight(of.what)) {
        accounts.push_back(account_json(account, *simulated));
    }
    json made{{"ok", true},
              {"from", time_or_null(of.what.from)},
              {"until", time_or_null(of.what.until)},
              {"requests", of.what.requests},
              {"not_ours", of.what.not_ours},
              {"trouble", of.what.trouble},
              {"unreadable", of.unreadable},
              {"not_asked", of.what.not_asked},
              {"accounts", std::move(accounts)}};
    if (of.with_proposals) {
        made["proposals"] = proposals_json(of.proposals);
        made["profiles"] = profiles_json(of.proposals);
    }
    out << made.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
}

} // namespace postsluice::policyd::simulation
