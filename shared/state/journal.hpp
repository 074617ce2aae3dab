// SPDX-License-Identifier: Apache-2.0
// The journal of an environment's changes: a file that is written from its beginning, one frame a commit, in one write
// each. After a kill it tells what was committed since the changes last went to the environment. One process, one
// thread at a time.
//
// A frame: magic, octets of its body, the file's generation, a checksum, the body. A body: for each change the size of
// its key (16 bits), what follows (16 bits: 0 a value, 1 a patch), the size of that (32 bits; all ones: erased), key,
// value. A patch says of a value that was there before only what differs: the size it had and the size it has (32 bits
// each), then for each piece its place and size (32 bits each) and its octets. Most requests change a few octets of a
// record of a KiB, or add some at the end of a longer one: a transaction of 5,000 recipients would write its record
// 5,000 times. A patch says what the octets are, not what is added to them, so that it does no harm to a value that was
// already as later ones made it: one that is for another size is passed over, and from the first that is not, all that
// follow end where they ended before. Numbers are in the host's byte order, as LMDB's are. The file is written over
// with each generation and not cut, so that a synced frame costs no change of the file's size; frames of an older
// generation, and what a kill or a power cut left half written, end it.
#pragma once

#include "shared/core/result.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace postsluice::state {

/// The body of a frame under way.
class journal_frame {
public:
    journal_frame() { clear(); }
    void clear();
    /// nullopt: erased. `before`: the value that whoever reads the journal has for the key by then.
    void add(std::string_view key, std::optional<std::string_view> value,
             std::optional<std::string_view> before = std::nullopt);
    [[nodiscard]] std::size_t size() const noexcept { return octets_.size(); }

private:
    friend class journal_file;
    std::string octets_; // with room for the head in front
};

class journal_file {
public:
    /// Begins `generation` (not 0) in the file, which is made where it is not there. errc::denied, disk_full,
    /// unavailable.
    [[nodiscard]] static result<std::shared_ptr<journal_file>> begin(const std::filesystem::path& file,
                                                                     std::uint64_t generation);
    ~journal_file();
    journal_file(const journal_file&) = delete;
    journal_file& operator=(const journal_file&) = delete;

    /// One write. After a failure nothing of the frame counts.
    [[nodiscard]] result<void> append(journal_frame& frame);
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
    /// Brings what was appended to the disk. Any thread.
    [[nodiscard]] result<void> sync();
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// Gives the file system back what lies behind the last frame.
    void cut() noexcept;

private:
    journal_file() = default;
    std::filesystem::path name_;
    int fd_ = -1;
    std::uint64_t generation_ = 0;
    std::size_t size_ = 0;
};

/// Cuts a file that is not written now to at most `size` octets, where it is there.
void bound_journal(const std::filesystem::path& file, std::size_t size) noexcept;
/// Generation of the file's first frame; 0: there is none.
[[nodiscard]] std::uint64_t journal_generation(const std::filesystem::path& file);
struct journal_change {
    enum class kind : std::uint8_t { value, patch, erased };
    kind what = kind::value;
    std::string_view key, octets;
};
/// Calls `visit` for each change of the file's whole frames, in order.
using journal_visitor = std::function<void(const journal_change&)>;
void replay_journal(const std::filesystem::path& file, const journal_visitor& visit);
/// `value` with the patch applied; nullopt: it is none of this value (which a later change of the journal replaces).
[[nodiscard]] std::optional<std::string> patched(std::string_view value, std::string_view patch);

} // namespace postsluice::state
