// SPDX-License-Identifier: Apache-2.0
// master.cf: services, and the "-o name=value" of each (master(5); "{ name = value }" for values with blanks, which
// `postconf -P` of Postfix 3.7 does not take). Edits touch the option and nothing else of the entry. Pure.
#pragma once

#include "admin/setup/logical_lines.hpp"

#include <optional>

namespace postsluice::admin::setup {

/// Columns of master.cf; the arguments come after them.
enum class column : std::size_t { name, type, is_private, unprivileged, chroot, wakeup, max_processes, program };

/// A service, as an edited copy of a piece.
class service {
public:
    /// nullopt: the piece is no entry, or has not all columns.
    [[nodiscard]] static std::optional<service> of(const piece& p);

    [[nodiscard]] std::string get(column which) const;
    void set(column which, std::string_view value);
    /// "submission/inet", as postconf -M calls it
    [[nodiscard]] std::string label() const { return get(column::name) + '/' + get(column::type); }
    /// Without a directory.
    [[nodiscard]] std::string program() const;

    struct option {
        std::string name, value;
        std::size_t begin = 0, end = 0; ///< in raw(), from "-o" on
    };
    /// All of them, in their order; of several with one name Postfix takes the last.
    [[nodiscard]] std::vector<option> options() const;
    [[nodiscard]] std::optional<std::string> find(std::string_view name) const;
    /// Changes the last one, or adds one.
    void set(std::string_view name, std::string_view value);
    /// All with this name.
    void erase(std::string_view name);

    [[nodiscard]] const std::string& raw() const noexcept { return raw_; }

private:
    explicit service(std::string raw)
        : raw_{std::move(raw)} {}
    struct word {
        std::size_t begin, end;
    };
    [[nodiscard]] std::vector<word> words() const;
    /// Where the last word ends that ends at or before `at`.
    [[nodiscard]] std::size_t word_before(std::size_t at) const;
    [[nodiscard]] std::string text(word w) const { return raw_.substr(w.begin, w.end - w.begin); }
    std::string raw_;
};

[[nodiscard]] std::optional<std::size_t> find_service(const logical_lines& master, std::string_view label);

} // namespace postsluice::admin::setup
