// SPDX-License-Identifier: Apache-2.0
// Everything that libopendkim does for us. Its API aborts on arguments that it thinks wrong (NULL, empty pieces), so
// each call here is guarded: no empty header, name or body piece, no field without a colon or with an 8-bit name; in
// sign mode no DKIM-Signature of others, since a malformed one fails the whole message. A DKIM handle belongs to one
// thread.
//
// With signer = "libopendkim" it signs both kinds. Its Ed25519 code leaks about 1.3 KB per signature (dkim_free() frees
// RSA keys only), and it parses the PEM anew each time: that signer is for comparing, ours is for running.
#include "shared/auth/dkim_key.hpp"
#include "shared/core/text.hpp"

#define HAVE_STDBOOL_H 1 // libopendkim's header says _Bool only with it
#include <dkim.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include <cstring>
#include <new>

namespace postsluice::auth {

namespace {

/// While one lives the leak sanitizer overlooks what is allocated: the library's leaks are known, and not ours.
#ifdef __SANITIZE_ADDRESS__
using library_leaks = __lsan::ScopedDisabler;
#else
struct library_leaks {
    library_leaks() {} // with a constructor of its own it is no unused variable
};
#endif

using lib_ptr = std::unique_ptr<DKIM_LIB, openssl_delete<dkim_close>>;
using handle_ptr = std::unique_ptr<DKIM, openssl_delete<dkim_free>>;

unsigned char* bytes(std::string_view text) {
    // The library takes non-const pointers and does not write through them.
    return const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(text.data()));
}
const unsigned char* bytes(const char* text) {
    return reinterpret_cast<const unsigned char*>(text);
}

std::string text_of(const unsigned char* text) {
    return text != nullptr ? reinterpret_cast<const char*>(text) : "";
}

failure library_failure(DKIM* handle, DKIM_STAT status, const std::string& what) {
    const char* detail = handle != nullptr ? dkim_geterror(handle) : nullptr;
    const char* name = dkim_getresultstr(status);
    return failure{status == DKIM_STAT_SYNTAX ? errc::malformed : errc::internal,
                   what + ": " +
                       (detail != nullptr && *detail != '\0' ? detail
                        : name != nullptr                    ? name
                                                             : "unknown status")};
}

void set_option(DKIM_LIB* lib, dkim_opts_t option, void* value, std::size_t size) {
    if (dkim_options(lib, DKIM_OP_SETOPT, option, value, size) != DKIM_STAT_OK) throw std::bad_alloc{};
}

/// The header lists are options of the library instance, and so is the time of a signature: one instance for each
/// thread, made anew when the lists change.
class signing_library {
public:
    DKIM_LIB* get(const signed_names& names, seconds expire, instant now) {
        if (!lib_ || names.sign != names_.sign || names.oversign != names_.oversign) {
            lib_.reset(dkim_init(nullptr, nullptr));
            if (!lib_) throw std::bad_alloc{};
            names_ = names;
            set_list(DKIM_OPTS_SIGNHDRS, names_.sign);
            set_list(DKIM_OPTS_OVERSIGNHDRS, names_.oversign);
        }
        auto seconds_now =
            static_cast<std::uint64_t>(std::chrono::duration_cast<seconds>(now.time_since_epoch()).count());
        set_option(lib_.get(), DKIM_OPTS_FIXEDTIME, &seconds_now, sizeof seconds_now);
        auto lives = static_cast<std::uint64_t>(expire.count());
        set_option(lib_.get(), DKIM_OPTS_SIGNATURETTL, &lives, sizeof lives);
        return lib_.get();
    }

private:
    void set_list(dkim_opts_t option, const std::vector<std::string>& list) {
        std::vector<const char*> pointers; // the library copies what they point at
        pointers.reserve(list.size() + 1);
        for (const auto& name : list)
            pointers.push_back(name.c_str());
        pointers.push_back(nullptr);
        set_option(lib_.get(), option, pointers.data(), sizeof(char**));
    }
    lib_ptr lib_;
    signed_names names_;
};

/// Hands over one raw field; fields that the library would abort or fail on, and that no signature names, are passed
/// over. A tab before the colon (obsolete syntax) is an error to the library, so the blanks there go: they are not part
/// of the relaxed form, and a simple signature over such a field could not be checked anyway.
DKIM_STAT feed_field(DKIM* handle, std::string_view field) {
    const auto name = field_name(field);
    if (name.empty() || name.find(';') != std::string_view::npos) return DKIM_STAT_OK;
    const auto colon = field.find(':');
    if (field.substr(0, colon).find('\t') == std::string_view::npos)
        return dkim_header(handle, bytes(field), field.size());
    const auto repaired = std::string{name} + std::string{field.substr(colon)};
    return dkim_header(handle, bytes(repaired), repaired.size());
}

/// Section 3.4 ends a body that lacks its last CRLF with one; the library calls it an error instead.
DKIM_STAT feed_body(DKIM* handle, std::string_view body) {
    if (body.empty()) return DKIM_STAT_OK;
    const auto status = dkim_body(handle, bytes(body), body.size());
    if (status != DKIM_STAT_OK || body.ends_with("\r\n")) return status;
    return dkim_body(handle, bytes(std::string_view{"\r\n"}), 2);
}

result<std::string> sign_one(DKIM_LIB* lib, const signing_key& key, std::span<const std::string_view> fields,
                             std::string_view crlf_body) {
    if (key.pem.empty() || key.domain.empty() || key.selector.empty())
        return failure{errc::internal, "a key that was never loaded"};
    const library_leaks overlooked;
    DKIM_STAT status = DKIM_STAT_OK;
    const handle_ptr handle{
        dkim_sign(lib, bytes("-"), nullptr, bytes(std::string_view{key.pem}), bytes(key.selector.c_str()),
                  bytes(key.domain.c_str()), DKIM_CANON_RELAXED, DKIM_CANON_RELAXED,
                  key.kind == algorithm::rsa_sha256 ? DKIM_SIGN_RSASHA256 : DKIM_SIGN_ED25519SHA256, -1, &status)};
    if (!handle) return library_failure(nullptr, status, "libopendkim does not begin a signature");
    if (!key.identity.empty()) dkim_set_signer(handle.get(), bytes(key.identity.c_str())); // refuses a foreign one
    for (const auto field : fields) {
        if (iequals(field_name(field), DKIM_SIGNHEADER)) continue;
        status = feed_field(handle.get(), field);
        if (status != DKIM_STAT_OK)
            return library_failure(handle.get(), status, "libopendkim does not take a header field");
    }
    status = dkim_eoh(handle.get());
    if (status != DKIM_STAT_OK) return library_failure(handle.get(), status, "libopendkim does not take the header");
    status = feed_body(handle.get(), crlf_body);
    if (status == DKIM_STAT_OK) status = dkim_eom(handle.get(), nullptr);
    if (status != DKIM_STAT_OK) return library_failure(handle.get(), status, "libopendkim does not sign");
    constexpr std::string_view name = "DKIM-Signature: ";
    unsigned char* value = nullptr;
    std::size_t size = 0;
    status = dkim_getsighdr_d(handle.get(), name.size(), &value, &size);
    if (status != DKIM_STAT_OK || value == nullptr)
        return library_failure(handle.get(), status, "libopendkim does not give its signature");
    return std::string{name} + std::string(reinterpret_cast<const char*>(value), size);
}

using record_map = std::map<std::string, std::string>;

DKIM_CBSTAT look_up(DKIM* handle, DKIM_SIGINFO* signature, unsigned char* buffer, std::size_t size) {
    const auto* records = static_cast<const record_map*>(dkim_get_user_context(handle));
    const auto name =
        to_lower(text_of(dkim_sig_getselector(signature)) + "._domainkey." + text_of(dkim_sig_getdomain(signature)));
    const auto found = records->find(name);
    if (found == records->end()) return DKIM_CBSTAT_NOTFOUND;
    if (found->second.size() >= size) return DKIM_CBSTAT_ERROR;
    std::memcpy(buffer, found->second.c_str(), found->second.size() + 1);
    return DKIM_CBSTAT_CONTINUE;
}

/// Cuts a CRLF message into its raw fields and its body.
std::string_view split_message(std::string_view message, std::vector<std::string_view>& fields) {
    while (!message.empty()) {
        if (message.starts_with("\r\n")) return message.substr(2);
        auto end = message.find("\r\n");
        while (end != std::string_view::npos && end + 2 < message.size() &&
               (message[end + 2] == ' ' || message[end + 2] == '\t'))
            end = message.find("\r\n", end + 2);
        fields.push_back(message.substr(0, end));
        if (end == std::string_view::npos) return {};
        message.remove_prefix(end + 2);
    }
    return {};
}

verification describe(DKIM_SIGINFO* signature) {
    verification out;
    out.domain = text_of(dkim_sig_getdomain(signature));
    out.selector = text_of(dkim_sig_getselector(signature));
    const auto error = dkim_sig_geterror(signature);
    if (error != DKIM_SIGERROR_MISSING_A && error != DKIM_SIGERROR_INVALID_A)
        out.algorithm_name = text_of(dkim_sig_getalgorithm(signature));
    const bool passed = (dkim_sig_getflags(signature) & DKIM_SIGFLAG_PASSED) != 0;
    const bool body = dkim_sig_getbh(signature) == DKIM_SIGBH_MATCH;
    out.valid = passed && body && error == DKIM_SIGERROR_OK;
    if (out.valid) return out;
    const char* why = dkim_sig_geterrorstr(error);
    out.why = passed && !body ? "body hash mismatch" : why != nullptr ? why : "unknown error";
    return out;
}

} // namespace

result<std::vector<std::string>> sign_with_libopendkim(const config::dkim_settings& settings,
                                                       std::span<const signing_key> keys,
                                                       std::span<const std::string_view> fields,
                                                       std::string_view crlf_body, instant now) {
    bool from = false;
    for (const auto field : fields)
        from = from || iequals(field_name(field), "From");
    if (!from) return failure{errc::malformed, "a message without From: cannot be signed"};
    thread_local signing_library library;
    DKIM_LIB* const lib = library.get(names_to_sign(settings, fields), settings.expire, now);
    std::vector<std::string> out;
    for (const auto kind : {algorithm::rsa_sha256, algorithm::ed25519_sha256})
        for (const auto& key : keys) {
            if (key.kind != kind) continue;
            auto field = sign_one(lib, key, fields, crlf_body);
            if (!field) return field.error();
            out.push_back(std::move(*field));
        }
    return out;
}

result<std::vector<verification>> verify(std::string_view crlf_message,
                                         const std::map<std::string, std::string>& records) {
    std::vector<std::string_view> fields;
    const auto body = split_message(crlf_message, fields);
    const lib_ptr lib{dkim_init(nullptr, nullptr)};
    if (!lib || dkim_set_key_lookup(lib.get(), look_up) != DKIM_STAT_OK) throw std::bad_alloc{};
    DKIM_STAT status = DKIM_STAT_OK;
    const handle_ptr handle{dkim_verify(lib.get(), bytes("-"), nullptr, &status)};
    if (!handle) return library_failure(nullptr, status, "libopendkim does not begin to verify");
    if (dkim_set_user_context(handle.get(), const_cast<record_map*>(&records)) != DKIM_STAT_OK) throw std::bad_alloc{};
    std::vector<verification> out;
    for (const auto field : fields) {
        status = feed_field(handle.get(), field);
        if (status == DKIM_STAT_SYNTAX && iequals(field_name(field), DKIM_SIGNHEADER))
            out.push_back({{}, {}, {}, false, library_failure(handle.get(), status, "malformed signature").detail});
        else if (status != DKIM_STAT_OK)
            return library_failure(handle.get(), status, "libopendkim does not take a header field");
    }
    status = dkim_eoh(handle.get());
    if (status == DKIM_STAT_SYNTAX || status == DKIM_STAT_NORESOURCE || status == DKIM_STAT_INTERNAL)
        return library_failure(handle.get(), status, "libopendkim does not take the header");
    feed_body(handle.get(), body);
    dkim_eom(handle.get(), nullptr); // what it says is said again by each signature
    DKIM_SIGINFO** signatures = nullptr;
    int count = 0;
    if (dkim_getsiglist(handle.get(), &signatures, &count) != DKIM_STAT_OK) return out;
    for (int i = 0; i < count; ++i)
        out.push_back(describe(signatures[i]));
    return out;
}

result<void> self_check(const config::dkim_settings& settings, const signing_key& key) {
    const auto from = "From: postmaster@" + key.domain;
    const std::vector<std::string_view> fields = {from, "Subject: self-check"};
    constexpr std::string_view body = "A key  is good \r\nwhen another implementation says so.\r\n\r\n";
    const auto now = std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
    body_hash hash;
    hash.update(body);
    const std::span one{&key, 1};
    const auto signatures = settings.signer == config::dkim_signer::own
                                ? sign(settings, one, fields, hash.finish(), now)
                                : sign_with_libopendkim(settings, one, fields, body, now);
    if (!signatures) return signatures.error();
    const auto message = signatures->front() + "\r\n" + from + "\r\nSubject: self-check\r\n\r\n" + std::string{body};
    const auto checked = verify(message, {{to_lower(key.selector + "._domainkey." + key.domain), dns_record(key)}});
    if (!checked) return checked.error();
    if (checked->size() != 1) return failure{errc::internal, "its own signature is not found by libopendkim"};
    if (!checked->front().valid)
        return failure{errc::internal, "libopendkim does not verify its signature: " + checked->front().why};
    return {};
}

} // namespace postsluice::auth
