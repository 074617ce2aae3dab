// SPDX-License-Identifier: Apache-2.0
#include "admin/setup/trial_config.hpp"

#include "admin/setup/main_cf.hpp"
#include "admin/setup/master_cf.hpp"

#include <set>

namespace postsluice::admin::setup {
namespace {

struct setting {
    std::string_view name, value;
};

/// Nothing leads outside, and no table of the admin's has a say.
constexpr setting everywhere[] = {{"default_transport", "discard:"},
                                  {"relay_transport", "discard:"},
                                  {"local_transport", "discard:"},
                                  {"virtual_transport", "discard:"},
                                  {"relayhost", ""},
                                  {"transport_maps", ""},
                                  {"mydestination", ""},
                                  {"virtual_alias_domains", ""},
                                  {"virtual_mailbox_domains", ""},
                                  {"relay_domains", ""},
                                  {"virtual_alias_maps", ""},
                                  {"canonical_maps", ""},
                                  {"sender_canonical_maps", ""},
                                  {"recipient_canonical_maps", ""},
                                  {"always_bcc", ""},
                                  {"sender_bcc_maps", ""},
                                  {"recipient_bcc_maps", ""},
                                  {"sender_dependent_relayhost_maps", ""},
                                  {"relocated_maps", ""},
                                  {"sender_dependent_default_transport_maps", ""},
                                  {"header_checks", ""},
                                  {"body_checks", ""},
                                  {"mime_header_checks", ""},
                                  {"nested_header_checks", ""},
                                  {"content_filter", ""},
                                  {"smtpd_milters", ""},
                                  {"non_smtpd_milters", ""},
                                  {"smtpd_proxy_filter", ""},
                                  {"notify_classes", ""},
                                  {"multi_instance_directories", ""},
                                  {"multi_instance_enable", "no"},
                                  {"multi_instance_wrapper", ""},
                                  {"alternate_config_directories", ""}};

/// The submission service, without TLS and login: they stay as they are, and are not on trial. XCLIENT says who logged
/// in (XCLIENT_README). What is: the policy service, at every stage, and the filter.
constexpr setting at_the_door[] = {{"smtpd_tls_wrappermode", "no"},
                                   {"smtpd_tls_security_level", "none"},
                                   {"smtpd_sasl_auth_enable", "no"},
                                   {"smtpd_upstream_proxy_protocol", ""},
                                   {"smtpd_authorized_xclient_hosts", "127.0.0.0/8,[::1]/128"},
                                   {"smtpd_client_restrictions", ""},
                                   {"smtpd_helo_restrictions", ""},
                                   {"smtpd_sender_restrictions", ""},
                                   {"mynetworks", "127.0.0.0/8,[::1]/128"},
                                   {"smtpd_relay_restrictions", "permit_mynetworks, reject"},
                                   {"smtpd_recipient_restrictions", "$postsluice_policy, permit"},
                                   {"smtpd_data_restrictions", "$postsluice_policy"},
                                   {"smtpd_end_of_data_restrictions", "$postsluice_policy"},
                                   {"smtpd_reject_unlisted_recipient", "no"},
                                   {"smtpd_reject_unlisted_sender", "no"},
                                   {"smtpd_milters", ""},
                                   {"receive_override_options", "no_address_mappings"},
                                   {"smtpd_peername_lookup", "no"}};

/// Without what later lines override. Each program of Postfix warns of such a line when it starts, and the trial logs
/// through postlogd(8), which may then wait for itself.
void drop_overridden(logical_lines& main) {
    std::set<std::string> seen;
    for (auto i = main.pieces.size(); i-- > 0;)
        if (const auto name = parameter_name(main.pieces[i]); !name.empty() && !seen.insert(name).second)
            main.pieces.erase(main.pieces.begin() + static_cast<std::ptrdiff_t>(i));
}

std::string main_cf(const std::string& wanted, const trial_place& at) {
    logical_lines out{wanted};
    drop_overridden(out);
    for (const auto& one : everywhere)
        set_parameter(out, one.name, one.value);
    set_parameter(out, "queue_directory", at.queue().string());
    set_parameter(out, "data_directory", (at.directory / "data").string());
    set_parameter(out, "maillog_file", at.log().string());
    set_parameter(out, "maillog_file_prefixes", at.directory.string());
    return out.text();
}

void set_all(service& one, std::string_view name) {
    one.set(column::name, name);
    one.set(column::type, "unix");
    one.set(column::is_private, "n");
}

class master_writer {
public:
    master_writer(const std::string& wanted, const trial_place& at)
        : out_{wanted}
        , at_{at} {}

    /// The way of a client in: the first submission service, or the example's where there is none.
    void door(const piece& example) {
        auto from = example;
        for (auto i = out_.pieces.size(); i-- > 0;)
            if (is_submission(out_.pieces[i])) from = out_.pieces[i];
        auto one = *service::of(from);
        set_all(one, "postsluice-trial");
        for (const auto& o : at_the_door)
            one.set(o.name, o.value);
        out_.append({}, one.raw().ends_with('\n') ? one.raw() : one.raw() + '\n');
    }

    void rest() {
        for (std::size_t i = 0; i < out_.pieces.size(); ++i) {
            auto one = service::of(out_.pieces[i]);
            if (!one) continue;
            if (one->get(column::type) == "inet") set_all(*one, "trial-" + std::to_string(i));
            one->set(column::chroot, "n"); // what a jail needs is not in the scratch directory
            if (one->get(column::name) == reentry_name) way_back(*one);
            out_.pieces[i].raw = one->raw();
        }
        if (!find_service(out_, "discard/unix")) out_.append({}, "discard unix - - n - - discard\n");
        if (!find_service(out_, "postlog/unix-dgram")) out_.append({}, "postlog unix-dgram n - n - 1 postlogd\n");
    }

    [[nodiscard]] std::string text() const { return out_.text(); }

private:
    void way_back(service& one) const {
        one.set("content_filter", "");
        one.set("smtpd_recipient_restrictions", "check_recipient_access inline:{" + at_.address + "=OK}, defer");
    }

    logical_lines out_;
    const trial_place& at_;
};

} // namespace

file_set trial_files(const file_set& wanted, way w, const site& s, const trial_place& at) {
    file_set out = wanted;
    out["main.cf"] = main_cf(wanted.at("main.cf"), at);
    const logical_lines example{fitted_example(w, "master.cf", s)};
    master_writer master{wanted.at("master.cf"), at};
    master.door(example.pieces[*find_service(example, "submission/inet")]);
    master.rest();
    out["master.cf"] = master.text();
    return out;
}

} // namespace postsluice::admin::setup
