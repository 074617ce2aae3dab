// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/mime/fields.hpp"

#include "shared/core/text.hpp"

#include <gmime/gmime.h>

#include <algorithm>
#include <memory>
#include <mutex>

namespace postsluice::contentfilter::mime {

namespace {

// GMime looks each parameter up in a list of those before it and descends into groups: 16 KiB bound the square and the
// stack.
constexpr std::size_t max_parsed_field = 16384;
constexpr std::ptrdiff_t max_colons_in_addresses = 256;

struct object_deleter {
    void operator()(void* object) const noexcept { g_object_unref(object); }
};
template <class Object>
using object_ptr = std::unique_ptr<Object, object_deleter>;
struct text_deleter {
    void operator()(char* text) const noexcept { g_free(text); }
};
using text_ptr = std::unique_ptr<char, text_deleter>;

void initialise() {
    static std::once_flag once;
    std::call_once(once, [] { g_mime_init(); });
}

/// Made once and never freed: the options are constant, and GMime reads them from many threads.
GMimeParserOptions* options() {
    static GMimeParserOptions* const shared = [] {
        initialise();
        auto* made = g_mime_parser_options_new();
        g_mime_parser_options_set_address_compliance_mode(made, GMIME_RFC_COMPLIANCE_LOOSE);
        g_mime_parser_options_set_parameter_compliance_mode(made, GMIME_RFC_COMPLIANCE_LOOSE);
        g_mime_parser_options_set_rfc2047_compliance_mode(made, GMIME_RFC_COMPLIANCE_LOOSE);
        return made;
    }();
    return shared;
}

/// One line for C functions: a NUL would hide what follows it.
std::string c_text(std::string_view value) {
    header_field field;
    field.raw = ":";
    field.raw += value;
    auto text = field.unfolded();
    std::replace(text.begin(), text.end(), '\0', ' ');
    return text;
}

void add_name(std::vector<std::string>& names, std::string name) {
    if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) return;
    names.push_back(std::move(name));
}

/// The name as a reader would take it that knows no quoting and no encoding: what stands between "name=" and the next
/// semicolon.
void add_crude_names(std::vector<std::string>& names, std::string_view value) {
    const auto lower = to_lower(value);
    for (std::size_t at = lower.find("name="); at != std::string::npos; at = lower.find("name=", at)) {
        at += 5;
        auto name = trim(value.substr(at, value.find(';', at) - at));
        if (name.size() > 1 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
        if (name.starts_with('"'))
            continue; // a quoted name with a semicolon inside: only the real parser's view makes sense
        if (name.find('\\') == std::string_view::npos && name.find("=?") == std::string_view::npos)
            add_name(names, std::string{name});
    }
}

void add_parameter_names(std::vector<std::string>& names, GMimeParamList* parameters, std::string_view wanted) {
    const int count = g_mime_param_list_length(parameters);
    for (int i = 0; i < count; ++i) {
        auto* parameter = g_mime_param_list_get_parameter_at(parameters, i);
        const char* value = g_mime_param_get_value(parameter);
        if (!value || !iequals(g_mime_param_get_name(parameter), wanted)) continue;
        add_name(names, value);
        if (std::string_view{value}.find("=?") != std::string_view::npos) add_name(names, decode_text(value));
    }
}

void read_type(content_fields& found, const std::string& value, bool first) {
    const object_ptr<GMimeContentType> type{g_mime_content_type_parse(options(), value.c_str())};
    if (!type) return;
    add_parameter_names(found.names, g_mime_content_type_get_parameters(type.get()), "name");
    add_parameter_names(found.names, g_mime_content_type_get_parameters(type.get()), "filename");
    // Readers take the first; the names of all count. What is no type at all leaves the default (RFC 2045 section 5.2).
    if (!first || value.find('/') == std::string::npos) return;
    const char* media = g_mime_content_type_get_media_type(type.get());
    const char* sub = g_mime_content_type_get_media_subtype(type.get());
    if (media && *media && sub && *sub) found.type = to_lower(std::string{media} + "/" + sub);
    if (const char* charset = g_mime_content_type_get_parameter(type.get(), "charset")) found.charset = charset;
    if (const char* boundary = g_mime_content_type_get_parameter(type.get(), "boundary")) {
        found.boundary = boundary;
        while (found.boundary.ends_with(' ')) // RFC 2046: it does not end with white space; readers trim it
            found.boundary.pop_back();
    }
}

void read_disposition(content_fields& found, const std::string& value, bool first) {
    const object_ptr<GMimeContentDisposition> disposition{g_mime_content_disposition_parse(options(), value.c_str())};
    if (!disposition) return;
    add_parameter_names(found.names, g_mime_content_disposition_get_parameters(disposition.get()), "filename");
    add_parameter_names(found.names, g_mime_content_disposition_get_parameters(disposition.get()), "name");
    const char* word = g_mime_content_disposition_get_disposition(disposition.get());
    if (first && word) found.disposition = to_lower(word);
}

transfer_encoding read_encoding(std::string_view value) {
    switch (g_mime_content_encoding_from_string(c_text(value).c_str())) {
    case GMIME_CONTENT_ENCODING_BASE64:
        return transfer_encoding::base64;
    case GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE:
        return transfer_encoding::quoted_printable;
    case GMIME_CONTENT_ENCODING_UUENCODE:
        return transfer_encoding::uuencode;
    default:
        return transfer_encoding::identity;
    }
}

void add_mailboxes(std::vector<mailbox>& found, InternetAddressList* list) {
    const int count = internet_address_list_length(list);
    for (int i = 0; i < count; ++i) {
        auto* address = internet_address_list_get_address(list, i);
        if (INTERNET_ADDRESS_IS_GROUP(address)) {
            add_mailboxes(found, internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)));
            continue;
        }
        const char* display = internet_address_get_name(address);
        const char* text = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address));
        if (text && *text) found.push_back({display ? display : "", text});
    }
}

} // namespace

result<content_fields> read_content_fields(std::span<const header_field> header, std::string_view default_type) {
    initialise();
    content_fields found;
    found.type = default_type;
    bool type_seen = false, disposition_seen = false, encoding_seen = false;
    for (const auto& field : header) {
        const auto name = field.name();
        const bool type = iequals(name, "Content-Type"), disposition = iequals(name, "Content-Disposition");
        if (!type && !disposition) {
            if (iequals(name, "Content-Transfer-Encoding") && !std::exchange(encoding_seen, true))
                found.encoding = read_encoding(field.value());
            continue;
        }
        if (field.raw.size() > max_parsed_field) return failure{errc::too_large, std::string{name} + " field"};
        const auto value = c_text(field.value());
        if (type)
            read_type(found, value, !std::exchange(type_seen, true));
        else
            read_disposition(found, value, !std::exchange(disposition_seen, true));
        add_crude_names(found.names, field.unfolded());
    }
    return found;
}

std::string decode_text(std::string_view raw) {
    const auto text = c_text(raw);
    const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) > 0; });
    if (plain && text.find("=?") == std::string::npos) return text;
    const text_ptr decoded{g_mime_utils_header_decode_text(options(), text.c_str())};
    return decoded ? std::string{decoded.get()} : text;
}

std::optional<std::chrono::system_clock::time_point> parse_date(std::string_view value) {
    initialise();
    struct date_deleter {
        void operator()(GDateTime* date) const noexcept { g_date_time_unref(date); }
    };
    const std::unique_ptr<GDateTime, date_deleter> date{
        g_mime_utils_header_decode_date(c_text(value.substr(0, 256)).c_str())};
    if (!date) return std::nullopt;
    return std::chrono::system_clock::from_time_t(g_date_time_to_unix(date.get()));
}

result<std::vector<mailbox>> parse_mailboxes(std::string_view value) {
    const auto text = c_text(value);
    std::vector<mailbox> found;
    if (text.empty()) return found;
    if (text.size() > max_parsed_field * 4 || std::count(text.begin(), text.end(), ':') > max_colons_in_addresses)
        return failure{errc::too_large, "address list"};
    if (const object_ptr<InternetAddressList> list{internet_address_list_parse(options(), text.c_str())})
        add_mailboxes(found, list.get());
    if (found.empty()) return failure{errc::malformed, "no address in the list"};
    return found;
}

} // namespace postsluice::contentfilter::mime
