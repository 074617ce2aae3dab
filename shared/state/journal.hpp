// SPDX-License-Identifier: Apache-2.0
// The journal of an environment's changes: a file that is written from its beginning, one frame a commit, in one write
// each. After a kill it tells what was committed since the changes last went to the environment. One process, one
// thread at a time.
//
// A frame: magic, octets of its body, the file's generation, a checksum, the body. A body: for each change the size of
// its key (16 bits), the size of its value (32 bits; all ones: erased), key, value. Numbers are in the host's byte
// order, as LMDB's are. The file is written over with each generation and not cut, so that a synced frame costs no
// change of the file's size; frames of an older generation, and what a kill or a power cut left half written, end it.
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
    /// nullopt: erased.
    void add(std::string_view key, std::optional<std::string_view> value);
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
/// Calls `visit` for each change of the file's whole frames, in order; nullopt: erased.
using journal_visitor = std::function<void(std::string_view key, std::optional<std::string_view> value)>;
void replay_journal(const std::filesystem::path& file, const journal_visitor& visit);

} // namespace postsluice::state
