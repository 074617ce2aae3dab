// SPDX-License-Identifier: Apache-2.0
// New DKIM keys: files where the content filter looks for them, and what the DNS is to publish. Needs no daemon.
#include "admin/commands/dkim_commands.hpp"
#include "admin/human.hpp"
#include "shared/auth/dkim_names.hpp"
#include "shared/auth/dkim_published.hpp"
#include "shared/core/text.hpp"

#include <algorithm>
#include <ostream>

namespace postsluice::admin {

using nlohmann::json;

bool is_domain_argument(std::string_view domain, bool wildcard) {
    if (wildcard && domain.starts_with("*.")) domain.remove_prefix(2);
    return auth::is_dns_name(domain);
}

std::optional<key_order> key_order_of(context& ctx, const arguments& given, int& exit) {
    const auto loaded = config::load(ctx.config_file());
    if (!loaded.settings) {
        for (const auto& e : loaded.errors)
            ctx.err << e.message() << '\n';
        exit = ctx.fail(exit_config, "the configuration has errors", "config");
        return std::nullopt;
    }
    const auto& settings = loaded.settings->dkim;
    key_order order;
    order.domain = to_lower(given["DOMAIN"]);
    order.directory = settings.directory;
    order.owner = given.get("--owner").value_or("");
    order.min_rsa_bits = settings.min_rsa_bits;
    order.rsa_bits = static_cast<unsigned>(std::max<std::size_t>(2048, settings.min_rsa_bits));
    return order;
}

std::string usual_selector(const context& ctx, auth::algorithm kind) {
    const auto date = to_iso8601(std::chrono::time_point_cast<milliseconds>(ctx.now()));
    return (kind == auth::algorithm::rsa_sha256 ? "rsa" : "ed25519") + date.substr(0, 4) + date.substr(5, 2);
}

void print_dkim_record(context& ctx, const json& record) {
    ctx.out << "; " << text_of(record, "name") << "\n"
            << text_of(record, "zone") << "\n\n; the same in one piece, for forms that ask for name and value\n; "
            << text_of(record, "value") << "\n";
}

namespace {

struct wanted_key {
    std::string selector;
    auth::algorithm kind;
};

/// Two keys need two selectors (RFC 6376 section 3.6.2.2): one name, one key.
std::vector<wanted_key> wanted_keys(const context& ctx, const arguments& given, const std::string& type) {
    const auto selector = [&](std::string_view kind, auth::algorithm of) {
        const auto named = given.get("--selector");
        if (!named) return usual_selector(ctx, of);
        return type == "both" ? *named + "-" + std::string{kind} : *named;
    };
    using auth::algorithm;
    std::vector<wanted_key> out;
    if (type != "ed25519") out.push_back({selector("rsa", algorithm::rsa_sha256), algorithm::rsa_sha256});
    if (type != "rsa") out.push_back({selector("ed25519", algorithm::ed25519_sha256), algorithm::ed25519_sha256});
    return out;
}

int make_keys(context& ctx, const key_order& order, const std::vector<wanted_key>& wanted) {
    json made = json::array();
    for (const auto& one : wanted) {
        const auto key = make_key_file(order, one.selector, one.kind);
        if (!key) return ctx.fail(exit_refused, key.error().message(), "failed");
        const auto name = auth::record_name(key->domain, key->selector);
        const auto value = auth::dns_record(*key);
        made.push_back({{"domain", key->domain},
                        {"selector", key->selector},
                        {"algorithm", auth::to_string(key->kind)},
                        {"file", key->file.string()},
                        {"name", name},
                        {"value", value},
                        {"zone", auth::zone_record(name, value)}});
        if (ctx.json()) continue;
        ctx.out << "; " << key->file.string() << "\n";
        print_dkim_record(ctx, made.back());
        ctx.out << '\n';
    }
    if (ctx.json()) ctx.print_json({{"keys", made}});
    ctx.note("the filter signs with a new key as soon as it sees it: publish the records now");
    return exit_done;
}

} // namespace

int dkim_keygen(context& ctx, const arguments& given) {
    const auto type = given.get("--type").value_or("both");
    if (type != "rsa" && type != "ed25519" && type != "both")
        return ctx.fail(exit_usage, "--type is rsa, ed25519 or both", "usage");
    const auto wanted = wanted_keys(ctx, given, type);
    if (!is_domain_argument(given["DOMAIN"], true))
        return ctx.fail(exit_usage, printable(given["DOMAIN"], 253) + " is no domain", "usage");
    int exit = exit_done;
    const auto order = key_order_of(ctx, given, exit);
    if (!order) return exit;
    for (const auto& one : wanted) { // all are looked at before the first is made
        if (!auth::is_dns_name(one.selector))
            return ctx.fail(exit_usage, printable(one.selector, 253) + " is no selector", "usage");
        std::error_code ignored;
        const auto file = order->directory / order->domain / (one.selector + ".pem");
        if (std::filesystem::exists(std::filesystem::symlink_status(file, ignored)))
            return ctx.fail(exit_refused, file.string() + " is there already; nothing was made", "exists");
    }
    return make_keys(ctx, *order, wanted);
}

} // namespace postsluice::admin
