// SPDX-License-Identifier: Apache-2.0
// One LMDB environment, with LMDB's quirks hidden once: store*.cpp are the only files of the project that include
// <lmdb.h>.
//
// Map size fixed at the configured maximum; maxreaders 512; MDB_NOTLS; never MDB_WRITEMAP (SIGBUS on a full disk);
// mode 0660 with umask 007 set before the open. Hidden: MDB_MAP_RESIZED (size taken over, retried), MDB_READERS_FULL
// (stale readers cleared, retried), stale readers of killed processes (cleared at open and by tend()), a full disk that
// shows as EIO at commit (errc::disk_full), MDB_PANIC (environment reopened), MDB_MAP_FULL (errc::disk_full). A corrupt
// environment is moved aside (NAME.corrupt-TIME), started from its copy or empty, and logged as an alarm. A schema
// newer than ours: errc::newer_schema, and what to do; an older one: errc::unsupported. A full map keeps room in
// reserve, so that erase() goes on working. An environment that was replaced on disk (by the peer that moved it aside)
// is noticed by tend() and reopened. A process that opens one environment twice is a broken invariant. Keys are 1..511
// octets (asserted); values begin with a version octet by convention of the repositories. One write transaction at a
// time in the whole machine; the writer mutex has no time-out, therefore keep write transactions short, without I/O or
// logging. Views that get() returns are valid until the next write or the end. Source: lmdb.h (0.9.24).
#pragma once

#include "shared/core/clock.hpp"
#include "shared/core/result.hpp"
#include "shared/core/units.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace postsluice::state {

enum class durability : std::uint8_t {
    synced,     ///< fsync on commit: what was acknowledged survives power loss
    background, ///< no fsync per commit: survives any kill; sync() every second; a copy for a machine crash
};

struct store_options {
    std::filesystem::path
        directory; ///< the environment's own directory, e.g. /var/lib/postsluice/counters; made if missing
    byte_count map_size{std::uint64_t{4} << 30};
    durability how = durability::synced;
    std::uint32_t schema = 1;        ///< our schema number of this environment
    std::filesystem::path copy = {}; ///< what takes the place of a corrupt environment; empty, or not there: nothing
};

/// Tells whether anything was committed since: equal versions, equal contents.
struct store_version {
    std::uint64_t opening = 0; ///< another one after each opening of an environment
    std::uint64_t commits = 0; ///< of all processes
    bool operator==(const store_version&) const = default;
};

/// What stands behind a transaction: LMDB's own (store_lmdb.hpp), or changes in memory above it (journaled_store.hpp).
/// Destroyed without commit() it is rolled back.
class transaction {
public:
    virtual ~transaction() = default;
    [[nodiscard]] virtual bool damaged() const noexcept = 0;
    [[nodiscard]] virtual std::optional<std::string_view> get(std::string_view key) = 0;
    virtual void scan(std::string_view prefix, std::string_view from,
                      const std::function<bool(std::string_view, std::string_view)>& visit) = 0;
    [[nodiscard]] virtual result<void> put(std::string_view key, std::string_view value) = 0;
    [[nodiscard]] virtual result<void> erase(std::string_view key) = 0;
    [[nodiscard]] virtual result<void> commit() = 0;
    [[nodiscard]] virtual result<std::unique_ptr<transaction>> nested() = 0;
    virtual void use_reserve() noexcept = 0;
};

class read_txn {
public:
    explicit read_txn(std::unique_ptr<transaction> t)
        : transaction_{std::move(t)} {}
    read_txn(read_txn&&) noexcept = default;
    read_txn& operator=(read_txn&&) = delete;
    ~read_txn() = default;
    /// nullopt: not there (or damaged(): the store then recovers by itself, and says so in the log).
    [[nodiscard]] std::optional<std::string_view> get(std::string_view key) const;
    /// Has a read of this transaction met damaged pages?
    [[nodiscard]] bool damaged() const noexcept;
    /// Calls `visit(key, value)` for keys >= from that begin with `prefix`, in order, until it returns false.
    /// `visit` must not write to this transaction.
    void scan(std::string_view prefix, std::string_view from,
              const std::function<bool(std::string_view, std::string_view)>& visit) const;

protected:
    std::unique_ptr<transaction> transaction_; ///< null: it has ended
};

class write_txn : public read_txn {
public:
    using read_txn::read_txn;
    write_txn(write_txn&&) noexcept = default;
    /// Aborts what was not committed.
    ~write_txn() = default;
    [[nodiscard]] result<void> put(std::string_view key, std::string_view value);
    /// No error where the key is not there.
    [[nodiscard]] result<void> erase(std::string_view key);
    /// Ends the transaction either way.
    [[nodiscard]] result<void> commit();
    /// A transaction inside this one, rolled back alone. This one rests until it has ended.
    [[nodiscard]] result<write_txn> nested();
    /// Lets put() use the room that is kept for clearing up, once the map is full.
    void use_reserve() noexcept;
};

class store {
public:
    /// Throws nothing; errc::newer_schema, errc::denied, errc::disk_full, errc::unavailable.
    [[nodiscard]] static result<std::unique_ptr<store>> open(const store_options& options);
    virtual ~store();
    [[nodiscard]] virtual result<read_txn> read() = 0;
    [[nodiscard]] virtual result<write_txn> write() = 0;
    /// Flushes what background durability left unsynced. Blocking: call it off the event loop.
    [[nodiscard]] virtual result<void> sync() = 0;
    /// A compact copy: aside, fsync, rename. Blocking.
    [[nodiscard]] virtual result<void> copy_to(const std::filesystem::path& target) = 0;
    /// Clears stale readers; call it every 30 s.
    virtual void tend() = 0;
    /// Part of the map in use, 0..1.
    [[nodiscard]] virtual double fill() = 0;
    /// Costs no transaction.
    [[nodiscard]] virtual result<store_version> version() = 0;
    /// Is a commit as durable as the options want when it returns?
    [[nodiscard]] virtual bool commits_are_durable() const noexcept = 0;
    /// Where it is not: calls `done`, on any thread, once everything that was committed until now is.
    virtual void when_durable(std::function<void(result<void>)> done) = 0;
};

/// A keyed, fixed-size key: tag octet, then 16 octets of SipHash over `parts` with a per-state-directory secret,
/// so that no input (the null sender, 10 KiB of address) makes an empty or over-long key and no sender can aim at a
/// collision.
[[nodiscard]] std::string hashed_key(char tag, std::string_view secret, std::initializer_list<std::string_view> parts);
/// The same octets, without memory of their own.
using key_octets = std::array<char, 17>;
[[nodiscard]] key_octets hash_key(char tag, std::string_view secret, std::initializer_list<std::string_view> parts);
/// The secret of a state directory (<state>/hash.key, 0660, made with O_EXCL where missing).
[[nodiscard]] result<std::string> state_secret(const std::filesystem::path& state_directory);

} // namespace postsluice::state
