// SPDX-License-Identifier: Apache-2.0
#include "shared/config/document.hpp"

#include "shared/core/text.hpp"

#include <algorithm>
#include <stdexcept>

// toml++ has assertions that text can break ("[", a line end, a quote): an error of the file, not the daemon's end.
// They are not to become assumptions either, whatever the build says.
namespace postsluice::config {
struct toml_gave_up : std::runtime_error {
    using std::runtime_error::runtime_error;
};
[[noreturn]] inline void toml_give_up() {
    throw toml_gave_up{"it cannot be read"};
}
} // namespace postsluice::config
#undef NDEBUG
#define TOML_ASSERT(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) postsluice::config::toml_give_up();                                                          \
    } while (false)
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace postsluice::config {
namespace {

using file_name = std::shared_ptr<const std::string>;

node convert(const toml::node& from, const file_name& file, unsigned line) {
    node out;
    out.file = file;
    out.line = line;
    if (const auto* table = from.as_table()) {
        out.what = node::kind::table;
        for (const auto& [key, value] : *table)
            out.members.emplace(std::string{key.str()}, convert(value, file, key.source().begin.line));
    } else if (const auto* array = from.as_array()) {
        out.what = node::kind::array;
        for (const auto& value : *array)
            out.items.push_back(convert(value, file, value.source().begin.line));
    } else if (const auto* text = from.as_string()) {
        out.what = node::kind::string;
        out.text = text->get();
    } else if (const auto* integer = from.as_integer()) {
        out.what = node::kind::integer;
        out.integer = integer->get();
    } else if (const auto* real = from.as_floating_point()) {
        out.what = node::kind::real;
        out.real = real->get();
    } else if (const auto* boolean = from.as_boolean()) {
        out.what = node::kind::boolean;
        out.boolean = boolean->get();
    } else {
        out.what = node::kind::date;
    }
    return out;
}

bool all_tables(const node& array) {
    return array.is(node::kind::array) && !array.items.empty() &&
           std::all_of(array.items.begin(), array.items.end(), [](const node& n) { return n.is(node::kind::table); });
}

} // namespace

const node* node::find(std::string_view key) const {
    const auto found = members.find(key);
    return found == members.end() ? nullptr : &found->second;
}

std::string_view node::describe() const noexcept {
    switch (what) {
    case kind::string:
        return "a string";
    case kind::integer:
        return "a whole number";
    case kind::real:
        return "a number with a fraction";
    case kind::boolean:
        return "true or false";
    case kind::array:
        return "a list";
    case kind::table:
        return "a table";
    case kind::date:
        return "a date or time";
    }
    return "something else";
}

report report::at(std::string_view key) const {
    return {*into_, key_.empty() ? std::string{key} : key_ + "." + std::string{key}};
}

std::optional<node> parse_document(std::string_view text, const std::string& file, std::vector<config_error>& errors) {
    if (text.size() > max_file_size) {
        errors.push_back({file, 0, "", "the file is larger than 4 MiB; this cannot be meant as a configuration"});
        return std::nullopt;
    }
    try {
        const auto parsed = toml::parse(text, std::string_view{file});
        return convert(parsed, std::make_shared<const std::string>(file), 1);
    } catch (const toml::parse_error& e) {
        errors.push_back({file, static_cast<unsigned>(e.source().begin.line), "",
                          "this is not TOML: " + printable(e.description(), 300) +
                              "; mend this first, the rest of the file was not read"});
        return std::nullopt;
    } catch (const toml_gave_up&) {
        errors.push_back({file, 0, "",
                          "this is not TOML, and the parser cannot say in which line; check headers of sections and "
                          "quotes, the file was not read"});
        return std::nullopt;
    }
}

void merge(node& into, node&& from, const report& to) {
    for (auto& [key, value] : from.members) {
        const auto found = into.members.find(key);
        if (found == into.members.end()) {
            into.members.emplace(key, std::move(value));
        } else if (auto& old = found->second; old.is(node::kind::table) && value.is(node::kind::table)) {
            merge(old, std::move(value), to.at(key));
        } else if (all_tables(old) && all_tables(value)) {
            std::move(value.items.begin(), value.items.end(), std::back_inserter(old.items));
        } else {
            to.at(key).add(value,
                           "is set already in " + *old.file + ":" + std::to_string(old.line) + "; keep one of the two");
        }
    }
}

} // namespace postsluice::config
