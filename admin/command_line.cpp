// SPDX-License-Identifier: Apache-2.0
#include "admin/command_line.hpp"

#include "admin/command.hpp"
#include "admin/context.hpp"
#include "config.h"
#include "shared/core/text.hpp"

#include <CLI/CLI.hpp>

#include <deque>
#include <map>

namespace postsluice::admin {
namespace {

constexpr const char* footer =
    "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 not found, 4 a daemon is down,\n"
    "            75 try again later, 78 errors in the configuration.\n"
    "A command takes --help, too. --json prints one JSON document for programs.";

/// One way to name a command, with the places its arguments are parsed into.
struct way {
    const command* what = nullptr;
    CLI::App* app = nullptr;
    std::deque<std::vector<std::string>> values; // one for each argument; CLI11 keeps references
};

void add_arguments(way& w) {
    for (const auto& a : w.what->takes) {
        auto& values = w.values.emplace_back();
        const std::string name{a.name}, help{a.help};
        if (a.value == "FLAG") {
            w.app->add_flag(name, help);
            continue;
        }
        auto* option = w.app->add_option(name, values, help)->expected(1)->allow_extra_args(false);
        const bool positional = a.name.front() != '-';
        if (positional && a.required) option->required();
        option->type_name(positional ? "" : std::string{a.value});
        if (a.value.ends_with("..."))
            option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
        else if (!positional)
            option->take_last();
        if (a.value == "MANY") option->expected(1, 100'000)->allow_extra_args();
        if (a.value == "NUMBER") option->check(CLI::Range(1, 100000))->type_name("NUMBER");
    }
}

class parser {
public:
    parser() {
        app_.set_help_flag("-h,--help", "print this help, and exit");
        app_.set_version_flag("--version", "postsluice " PACKAGE_VERSION)->description("print the version, and exit");
        app_.add_flag("--json", options_.json, "print JSON");
        config_ = app_.add_option("--config", config_text_, "configuration file")
                      ->envname("POSTSLUICE_CONFIG")
                      ->type_name("FILE")
                      ->default_str(default_config);
        app_.add_option("--control", control_text_, "directory of the control sockets, whatever the configuration says")
            ->type_name("DIR");
        app_.footer(footer);
        app_.require_subcommand(1, 1);
        app_.fallthrough();
        for (const auto& c : all_commands())
            add(c);
    }

    int run(int argc, const char* const* argv, std::ostream& out, std::ostream& err, const clock& time) {
        try {
            app_.parse(argc, argv);
        } catch (const CLI::ParseError& e) {
            if (e.get_exit_code() == 0) return app_.exit(e, out, err), exit_done;
            const std::string unknown = suggestion();
            err << "postsluice: " << (unknown.empty() ? e.what() : unknown) << "\nTry \"postsluice --help\".\n";
            return exit_usage;
        }
        options_.config_named = config_->count() > 0;
        if (options_.config_named) options_.config_file = config_text_;
        options_.control_directory = control_text_;
        context where{options_, out, err, time};
        for (const auto& w : ways_)
            if (w.app->parsed()) return w.what->run(where, given(w));
        err << app_.help();
        return exit_usage;
    }

private:
    void add(const command& c) {
        CLI::App* parent = &app_;
        const std::string noun{c.noun};
        if (!c.verb.empty()) {
            auto& app_of_noun = nouns_[c.noun];
            if (app_of_noun == nullptr) {
                app_of_noun = app_.add_subcommand(noun, verbs_of(c.noun));
                app_of_noun->require_subcommand(1, 1);
                names_.push_back(c.noun);
            }
            parent = app_of_noun;
        } else {
            names_.push_back(c.noun);
        }
        add_way(c, *parent, std::string{c.verb.empty() ? c.noun : c.verb}, std::string{c.help});
        if (c.short_form.empty()) return;
        add_way(c, app_, std::string{c.short_form}, "short for `" + noun + " " + std::string{c.verb} + "`");
        names_.push_back(c.short_form);
    }

    void add_way(const command& c, CLI::App& parent, const std::string& name, const std::string& help) {
        way& w = ways_.emplace_back();
        w.what = &c;
        w.app = parent.add_subcommand(name, help);
        add_arguments(w);
    }

    static std::string verbs_of(std::string_view noun) {
        std::string out;
        for (const auto& c : all_commands())
            if (c.noun == noun) out += (out.empty() ? "" : ", ") + std::string{c.verb};
        return out;
    }

    /// What the first word that was not understood may have meant.
    std::string suggestion() const {
        const auto rest = app_.remaining();
        if (rest.empty() || !app_.get_subcommands().empty()) return {};
        const auto near = did_you_mean(rest.front(), names_);
        std::string text = "\"" + printable(rest.front(), 60) + "\" is not a command";
        if (!near.empty()) text += "; did you mean \"" + std::string{near} + "\"?";
        return text;
    }

    static arguments given(const way& w) {
        arguments out;
        std::size_t i = 0;
        for (const auto& a : w.what->takes) {
            const auto* option = w.app->get_option(std::string{a.name});
            if (option->count() > 0 && w.values[i].empty()) out.set(std::string{a.name}, "");
            for (const auto& value : w.values[i])
                out.set(std::string{a.name}, value);
            ++i;
        }
        return out;
    }

    CLI::App app_{"The operator's hand on postsluice-policyd and postsluice-contentfilter.", "postsluice"};
    options options_;
    std::string config_text_, control_text_;
    CLI::Option* config_ = nullptr;
    std::deque<way> ways_;
    std::map<std::string_view, CLI::App*> nouns_;
    std::vector<std::string_view> names_;
};

} // namespace

int run_command_line(int argc, const char* const* argv, std::ostream& out, std::ostream& err, const clock& time) {
    return parser{}.run(argc, argv, out, err, time);
}

} // namespace postsluice::admin
