// SPDX-License-Identifier: Apache-2.0
// OpenDKIM's KeyTable and SigningTable (opendkim.conf(5), "DATA SETS"), read as they are: flat files, "file:" and
// "refile:" with '*'. Other kinds (csl:, db:, dsn:, lmdb:, ...) are refused. Immutable after parsing; any thread. Every
// mistake comes back as "file:line: what is wrong; what would be right"; a line in error is left out.
#pragma once

#include "shared/core/result.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::auth {

struct key_table_line {
    std::string domain; ///< lower case; "%": that of the From address
    std::string selector;
    std::string key;     ///< a file ('%' stands for the From domain), or the key itself
    bool inside = false; ///< the key itself: PEM or base64 of DER
    unsigned line = 0;
};

struct signing_table_line {
    std::string pattern;  ///< lower case
    std::string key_name; ///< in the KeyTable; "%": the From domain is the name
    std::string identity; ///< i=; may hold '%'
    unsigned line = 0;
};

struct opendkim_tables {
    std::filesystem::path key_file, signing_file;
    std::map<std::string, key_table_line, std::less<>> keys;
    std::vector<signing_table_line> signing; ///< in file order
    bool wildcards = false;                  ///< signing is a refile

    /// The lines for an author, in the order in which OpenDKIM finds them. "file:": user@host, host, user@.parent,
    /// .parent (nearest first), user@*, *. "refile:": in file order. Only the first unless `all` (MultipleSignatures).
    [[nodiscard]] std::vector<const signing_table_line*> match(std::string_view local, std::string_view domain,
                                                               bool all) const;
};

/// Reads both. A table that cannot be read at all is an error, and empty.
[[nodiscard]] opendkim_tables read_opendkim_tables(std::string_view key_table, std::string_view signing_table,
                                                   std::vector<std::string>& errors);
/// `text` with each '%' replaced.
[[nodiscard]] std::string fill_in(std::string_view text, std::string_view domain);

} // namespace postsluice::auth
