// SPDX-License-Identifier: Apache-2.0
#include "admin/context.hpp"

#include "admin/command.hpp"
#include "shared/control/control.hpp"
#include "shared/core/text.hpp"

#include <ostream>

namespace postsluice::admin {

std::string program_name(daemon d) {
    return "postsluice-" + short_name(d);
}
std::string short_name(daemon d) {
    return d == daemon::policyd ? "policyd" : "contentfilter";
}

context::context(options given, std::ostream& out_stream, std::ostream& err_stream, const clock& time)
    : out{out_stream}
    , err{err_stream}
    , options_{std::move(given)}
    , clock_{time} {
    if (!options_.control_directory.empty()) directory_ = options_.control_directory;
}

std::optional<std::filesystem::path> context::control_directory() {
    if (directory_) return directory_;
    const auto loaded = config::load(options_.config_file);
    if (loaded.errors.empty() && loaded.settings) {
        directory_ = loaded.settings->control.directory;
        return directory_;
    }
    if (options_.config_named) {
        if (!config_told_)
            for (const auto& error : loaded.errors)
                err << error.message() << '\n';
        config_told_ = true;
        return std::nullopt;
    }
    directory_ = config::control_settings{}.directory;
    note(options_.config_file.string() +
         " cannot be used (`postsluice config check` says why); looking for the daemons in " + directory_->string());
    return directory_;
}

namespace {

reply unreachable(daemon whom, const std::filesystem::path& socket, const failure& why, std::chrono::seconds timeout) {
    const std::string program = program_name(whom);
    reply r;
    r.exit = exit_daemon_down;
    r.code = control::code_name(why.code);
    switch (why.code) {
    case errc::denied:
        r.exit = exit_refused;
        r.error = "you may not use " + socket.string() + ": only root and the group in control.group may";
        break;
    case errc::timed_out:
        r.error =
            program + " did not answer on " + socket.string() + " within " + std::to_string(timeout.count()) + " s";
        break;
    case errc::unavailable:
        r.error = program + " does not answer on " + socket.string() + ": is it running?";
        break;
    default:
        r.error = program + " gave no usable answer on " + socket.string() + " (" + why.message() + ")";
        break;
    }
    return r;
}

} // namespace

reply context::ask(daemon whom, const nlohmann::json& request, std::chrono::seconds timeout) {
    reply r;
    const auto directory = control_directory();
    if (!directory) {
        r.exit = exit_config;
        r.error = options_.config_file.string() + " has errors";
        r.code = "configuration";
        return r;
    }
    const auto socket = *directory / (short_name(whom) + ".sock");
    auto answer = control::call(socket, request, timeout);
    if (!answer) return unreachable(whom, socket, answer.error(), timeout);
    r.body = std::move(*answer);
    if (r.body.at("ok").get<bool>()) return r;
    const auto member = [&](const char* name) {
        const auto at = r.body.find(name);
        return at != r.body.end() && at->is_string() ? at->get<std::string>() : std::string{};
    };
    r.code = member("code");
    r.error = program_name(whom) + ": " + printable(member("error"));
    r.exit = r.code == control::code_name(errc::not_found) ? exit_not_found : exit_refused;
    return r;
}

int context::fail(const reply& r) {
    return fail(r.exit, r.error, r.code);
}

int context::fail(int exit, const std::string& error, std::string_view code) {
    err << "postsluice: " << error << '\n';
    if (json()) print_json({{"ok", false}, {"error", error}, {"code", code}});
    return exit;
}

void context::note(const std::string& text) {
    err << "postsluice: " << text << '\n';
}

void context::print_json(nlohmann::json object) {
    if (object.is_object() && !object.contains("ok")) object["ok"] = true;
    out << object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
}

} // namespace postsluice::admin
