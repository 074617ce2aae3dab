// SPDX-License-Identifier: Apache-2.0
#include "policyd/decision.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <ostream>

namespace postsluice::policyd {

namespace {

// Together under 400 octets with the words between.
constexpr std::size_t max_text = 250, max_contact = 110, max_reference = 16;

std::string_view code_of(refusal_code code) noexcept {
    switch (code) {
    case refusal_code::defer_policy:
        return "450 4.7.1 ";
    case refusal_code::reject_policy:
        return "550 5.7.1 ";
    case refusal_code::recipient_domain:
        return "550 5.1.2 ";
    case refusal_code::recipient_syntax:
        return "550 5.1.3 ";
    case refusal_code::recipient_null_mx:
        return "556 5.1.10 ";
    case refusal_code::sender_domain:
        return "550 5.1.8 ";
    case refusal_code::sender_null_mx:
        return "550 5.7.27 ";
    case refusal_code::sender_spf:
        return "550 5.7.23 ";
    case refusal_code::defer_trouble:
        break;
    }
    return "451 4.3.0 ";
}

std::string one_line(std::string_view text, std::size_t most) {
    const std::string clean = printable(text, most);
    return std::string{trim(clean)};
}

// RFC 5322 section 3.6.8, and short.
bool is_header_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= 64 &&
           std::ranges::all_of(name, [](char c) { return c > ' ' && c < 127 && c != ':'; });
}

std::string prepend_form(const decision& d) {
    const std::string value = one_line(d.text, max_prepended + 1);
    if (!is_header_name(d.header) || value.empty() || value.size() > max_prepended) {
        return std::string{dunno_on_wire};
    }
    return "action=PREPEND " + d.header + ": " + value + "\n\n";
}

} // namespace

std::string_view to_string(decision_kind kind) noexcept {
    switch (kind) {
    case decision_kind::dunno:
        return "dunno";
    case decision_kind::reject:
        return "reject";
    case decision_kind::prepend:
        return "prepend";
    case decision_kind::hold:
        return "hold";
    case decision_kind::warn:
        break;
    }
    return "warn";
}

std::ostream& operator<<(std::ostream& out, decision_kind kind) {
    return out << to_string(kind);
}

std::ostream& operator<<(std::ostream& out, const decision& d) {
    return out << d.kind << ' ' << d.why << " \"" << to_wire(d) << '"';
}

decision refuse(refusal_code code, reason why, std::string subject, std::string text) {
    decision d;
    d.kind = decision_kind::reject;
    d.code = code;
    d.why = why;
    d.subject = std::move(subject);
    d.text = std::move(text);
    return d;
}

std::string public_text(const decision& d) {
    std::string out = one_line(d.text, max_text);
    if (out.empty()) {
        out = "refused by policy";
    }
    if (const auto contact = one_line(d.contact, max_contact); !contact.empty()) {
        out += "; see " + contact;
    }
    if (const auto reference = one_line(d.reference, max_reference); !reference.empty()) {
        out += " ref " + reference;
    }
    return out;
}

std::string to_wire(const decision& d) {
    switch (d.kind) {
    case decision_kind::reject:
        return std::string{"action="}.append(code_of(d.code)).append(public_text(d)).append("\n\n");
    case decision_kind::prepend:
        return prepend_form(d);
    case decision_kind::hold:
        return "action=HOLD " + public_text(d) + "\n\n";
    case decision_kind::warn:
        return "action=WARN " + public_text(d) + "\n\n";
    case decision_kind::dunno:
        break;
    }
    return std::string{dunno_on_wire};
}

} // namespace postsluice::policyd
