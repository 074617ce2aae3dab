// SPDX-License-Identifier: Apache-2.0
// Changes to an environment that are kept in memory above it: the newest value of each key that was written, or that it
// was erased. A turn's changes can be taken back. One layer is written by one thread at a time; journaled_store.hpp
// says who may read it meanwhile.
//
// Keys and values lie in blocks that are used again after clear(); a value that is written again with no more octets
// than before stays in its place. What a longer one leaves behind is lost until clear(): octets() counts it, and a
// layer that has grown to its bound is soon to be cleared. Entries are found by hash; the order that scans need is made
// when one asks for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace postsluice::state {

/// Memory that is taken piece by piece and given back at once.
class octet_arena {
public:
    [[nodiscard]] char* take(std::size_t size);
    void clear() noexcept;
    [[nodiscard]] std::size_t taken() const noexcept { return taken_; }

private:
    static constexpr std::size_t block_size = 64U << 10U;
    std::vector<std::unique_ptr<char[]>> blocks_, large_;
    char* current_ = nullptr;
    std::size_t used_ = 0, at_ = block_size, taken_ = 0; // blocks in use; place in the last of them
};

class change_layer {
public:
    enum class kind : std::uint8_t {
        none,   ///< taken back: what lies below holds
        put,    ///< value() holds
        erased, ///< there is no such key
    };
    class change {
    public:
        [[nodiscard]] std::string_view key() const noexcept { return {key_, key_size_}; }
        [[nodiscard]] std::string_view value() const noexcept { return {value_, value_size_}; }
        [[nodiscard]] kind what() const noexcept { return what_; }

    private:
        friend class change_layer;
        const char* key_ = nullptr;
        char* value_ = nullptr;
        std::uint32_t key_size_ = 0, value_size_ = 0, room_ = 0;
        std::uint32_t next_ = none_, turn_ = 0;
        kind what_ = kind::none;
    };

    change_layer();
    /// nullptr: the layer says nothing about the key.
    [[nodiscard]] const change* find(std::string_view key) const noexcept;
    /// nullopt: erases. `value` may not lie in this layer. `below`: the value that holds where the layer says nothing,
    /// where the caller has it at hand.
    void set(std::string_view key, std::optional<std::string_view> value,
             std::optional<std::string_view> below = std::nullopt);

    /// What the turn under way has changed, as it is now, and the value before the turn, where it is known; in the
    /// order of the first changes.
    template <class Visit>
    void each_of_turn(Visit&& visit) const {
        for (const auto& u : undo_)
            visit(changes_[u.index],
                  u.has_value ? std::optional{std::string_view{old_values_}.substr(u.at, u.size)} : std::nullopt);
    }
    [[nodiscard]] bool turn_is_empty() const noexcept { return undo_.empty(); }
    void keep_turn() noexcept;
    void take_back_turn();

    /// Indices of the changes whose keys begin with `prefix` and are not less than `from`, by key; valid until the next
    /// set().
    [[nodiscard]] std::span<const std::uint32_t> range(std::string_view prefix, std::string_view from);
    [[nodiscard]] const change& at(std::uint32_t index) const noexcept { return changes_[index]; }
    [[nodiscard]] std::size_t size() const noexcept { return changes_.size(); }
    /// Memory for what it holds.
    [[nodiscard]] std::size_t octets() const noexcept { return arena_.taken() + changes_.size() * sizeof(change); }
    void clear() noexcept;

private:
    static constexpr std::uint32_t none_ = ~std::uint32_t{0};
    struct undo {
        std::uint32_t index = 0;
        kind what = kind::none;
        bool has_value = false;       ///< the value before is known, the layer's own or that below it
        std::size_t at = 0, size = 0; ///< where in old_values_
    };
    [[nodiscard]] std::size_t bucket_of(std::string_view key) const noexcept;
    change& entry_of(std::string_view key);
    void remember(std::uint32_t index, std::optional<std::string_view> below);
    void store(change& c, std::string_view value);
    void grow();
    void sort();

    std::vector<change> changes_;
    std::vector<std::uint32_t> buckets_; // first change of each, a power of two
    std::vector<std::uint32_t> sorted_;  // the first sorted_.size() changes, by key
    octet_arena arena_;
    std::vector<undo> undo_;
    std::string old_values_;
    std::uint32_t turn_ = 1;
};

} // namespace postsluice::state
