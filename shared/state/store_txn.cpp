// SPDX-License-Identifier: Apache-2.0
// Transactions: reading, writing, and what LMDB's return codes mean.
#include "shared/log/log.hpp"
#include "shared/state/store_lmdb.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace postsluice::state {
namespace {

constexpr std::size_t max_key = 511;
constexpr std::size_t max_idle_readers = 64;

MDB_val to_val(std::string_view text) noexcept {
    return {text.size(), const_cast<char*>(text.data())};
}
std::string_view to_view(const MDB_val& v) noexcept {
    return {static_cast<const char*>(v.mv_data), v.mv_size};
}

MDB_val key_val(std::string_view key) {
    if (key.empty() || key.size() > max_key) broken("a key has 1 to 511 octets");
    return to_val(key);
}

} // namespace

void broken(std::string_view invariant) {
    log::error("broken invariant").kv("what", invariant);
    std::abort();
}

bool means_corrupt(int rc) noexcept {
    return rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH;
}

failure to_failure(int rc, std::string_view doing, const std::filesystem::path& directory) {
    errc code = errc::unavailable;
    if (means_corrupt(rc)) code = errc::corrupt;
    switch (rc) {
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EIO: // how LMDB reports a short write, that is, a full disk
        code = errc::disk_full;
        break;
    case EACCES:
    case EPERM:
    case EROFS:
        code = errc::denied;
        break;
    case MDB_TXN_FULL:
    case EINVAL:
    case MDB_BAD_TXN:
        code = errc::internal;
        break;
    default:
        break;
    }
    return {code, directory.string() + ": " + std::string{doing} + ": " + ::mdb_strerror(rc)};
}

failure environment::note(int rc, std::string_view doing) {
    if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND) corrupt = true;
    if (rc == MDB_PANIC) unusable = true;
    return to_failure(rc, doing, directory);
}

std::size_t environment::free_pages(MDB_txn* txn) const {
    MDB_cursor* cursor = nullptr;
    constexpr MDB_dbi free_list = 0;
    if (::mdb_cursor_open(txn, free_list, &cursor) != 0) return 0;
    std::size_t sum = 0;
    MDB_val key{}, value{};
    while (::mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) { // each value is a counted list of pages
        std::size_t count = 0;
        if (value.mv_size >= sizeof count) std::memcpy(&count, value.mv_data, sizeof count);
        sum += count;
    }
    ::mdb_cursor_close(cursor);
    return sum;
}

lmdb_transaction::~lmdb_transaction() {
    if (txn == nullptr) return;
    if (writes) {
        ::mdb_txn_abort(txn);
        return;
    }
    ::mdb_txn_reset(txn);
    const std::lock_guard hold{where->pool_mutex};
    if (where->idle.size() < max_idle_readers && !where->unusable && !where->corrupt) {
        where->idle.push_back(txn);
    } else {
        ::mdb_txn_abort(txn);
    }
}

std::optional<std::string_view> lmdb_transaction::get(std::string_view key) {
    MDB_val k = key_val(key), v{};
    const int rc = ::mdb_get(txn, where->table, &k, &v);
    if (rc == 0) return to_view(v);
    if (rc != MDB_NOTFOUND) {
        met_damage = true;
        (void)where->note(rc, "read");
    }
    return std::nullopt;
}

void lmdb_transaction::scan(std::string_view prefix, std::string_view from,
                            const std::function<bool(std::string_view, std::string_view)>& visit) {
    MDB_cursor* cursor = nullptr;
    int rc = ::mdb_cursor_open(txn, where->table, &cursor);
    if (rc == 0) {
        const struct closer {
            MDB_cursor* c;
            ~closer() { ::mdb_cursor_close(c); }
        } close_at_end{cursor};
        const std::string_view start = std::max(prefix, from);
        MDB_val key = to_val(start), value{};
        rc = ::mdb_cursor_get(cursor, &key, &value, start.empty() ? MDB_FIRST : MDB_SET_RANGE);
        for (; rc == 0; rc = ::mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
            const auto name = to_view(key);
            if (!name.starts_with(prefix)) return;
            if (name.front() == '\0') continue; // the store's own records
            if (!visit(name, to_view(value))) return;
        }
    }
    if (rc != MDB_NOTFOUND) {
        met_damage = true;
        (void)where->note(rc, "scan");
    }
}

result<void> lmdb_transaction::put(std::string_view key, std::string_view value) {
    if (erase_only) return where->note(MDB_MAP_FULL, "write");
    MDB_val k = key_val(key), v = to_val(value);
    if (const int rc = ::mdb_put(txn, where->table, &k, &v, 0); rc != 0) return where->note(rc, "write");
    return {};
}

result<void> lmdb_transaction::erase(std::string_view key) {
    MDB_val k = key_val(key);
    const int rc = ::mdb_del(txn, where->table, &k, nullptr);
    if (rc != 0 && rc != MDB_NOTFOUND) return where->note(rc, "erase");
    return {};
}

result<void> lmdb_transaction::commit() {
    if (met_damage) return failure{errc::corrupt, where->directory.string()};
    if (const int rc = ::mdb_txn_commit(std::exchange(txn, nullptr)); rc != 0) return where->note(rc, "commit");
    return {};
}

result<std::unique_ptr<transaction>> lmdb_transaction::nested() {
    auto within = std::make_unique<lmdb_transaction>();
    within->where = where;
    within->writes = within->inner = true;
    within->erase_only = erase_only;
    if (const int rc = ::mdb_txn_begin(where->env, txn, 0, &within->txn); rc != 0) {
        within->txn = nullptr;
        return where->note(rc, "begin");
    }
    return std::unique_ptr<transaction>{std::move(within)};
}

bool read_txn::damaged() const noexcept {
    return transaction_ && transaction_->damaged();
}

std::optional<std::string_view> read_txn::get(std::string_view key) const {
    if (!transaction_) broken("a transaction that has ended is not read");
    return transaction_->get(key);
}

void read_txn::scan(std::string_view prefix, std::string_view from,
                    const std::function<bool(std::string_view, std::string_view)>& visit) const {
    if (!transaction_) broken("a transaction that has ended is not read");
    transaction_->scan(prefix, from, visit);
}

result<void> write_txn::put(std::string_view key, std::string_view value) {
    if (!transaction_) broken("a transaction that has ended is not written");
    return transaction_->put(key, value);
}

result<void> write_txn::erase(std::string_view key) {
    if (!transaction_) broken("a transaction that has ended is not written");
    return transaction_->erase(key);
}

result<void> write_txn::commit() {
    if (!transaction_) broken("a transaction ends once");
    const auto ended = std::move(transaction_);
    return ended->commit();
}

result<write_txn> write_txn::nested() {
    if (!transaction_) broken("a transaction that has ended is not written");
    auto within = transaction_->nested();
    if (!within) return within.error();
    return write_txn{std::move(*within)};
}

void write_txn::use_reserve() noexcept {
    transaction_->use_reserve();
}

store::~store() = default;

} // namespace postsluice::state
