// SPDX-License-Identifier: Apache-2.0
#include "admin/table.hpp"

#include "shared/core/text.hpp"

#include <boost/assert.hpp>

#include <algorithm>
#include <ostream>

namespace postsluice::admin {
namespace {

constexpr std::size_t max_cell = 400;
constexpr std::size_t gap = 2;

void pad(std::ostream& out, std::size_t count) {
    out << std::string(count, ' ');
}

} // namespace

std::size_t display_width(std::string_view text) noexcept {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

table::table(std::vector<std::string> headers)
    : headers_{std::move(headers)} {
    for (auto& header : headers_) {
        right_.push_back(!header.empty() && header.front() == '>');
        if (right_.back()) header.erase(0, 1);
    }
}

void table::row(std::vector<std::string> cells) {
    BOOST_ASSERT(cells.size() <= headers_.size());
    cells.resize(headers_.size());
    for (auto& cell : cells)
        cell = printable(cell, max_cell);
    rows_.push_back(std::move(cells));
}

void table::print(std::ostream& out, std::string_view when_empty, std::size_t indent) const {
    if (rows_.empty()) {
        pad(out, indent);
        out << when_empty << '\n';
        return;
    }
    std::vector<std::size_t> widths(headers_.size());
    for (std::size_t i = 0; i < headers_.size(); ++i) {
        widths[i] = display_width(headers_[i]);
        for (const auto& row : rows_)
            widths[i] = std::max(widths[i], display_width(row[i]));
    }
    const auto line = [&](const std::vector<std::string>& cells) {
        // Blanks are written before the next visible text only, so no line ends in blanks.
        std::size_t owed = indent;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const std::size_t room = widths[i] - display_width(cells[i]);
            if (right_[i]) owed += room;
            if (!cells[i].empty()) {
                pad(out, owed);
                out << cells[i];
                owed = 0;
            }
            owed += (right_[i] ? 0 : room) + gap;
        }
        out << '\n';
    };
    line(headers_);
    for (const auto& row : rows_)
        line(row);
}

void fact_list::add(std::string label, std::string value) {
    if (!value.empty()) facts_.emplace_back(std::move(label), printable(value, max_cell));
}

std::size_t fact_list::label_width() const {
    std::size_t width = 0;
    for (const auto& [label, value] : facts_)
        width = std::max(width, display_width(label));
    return width;
}

void fact_list::print(std::ostream& out, std::size_t indent) const {
    const auto width = label_width();
    for (const auto& [label, value] : facts_) {
        pad(out, indent);
        out << label;
        pad(out, width - display_width(label) + gap);
        out << value << '\n';
    }
}

void fact_list::print_wrapped(std::ostream& out, std::size_t indent) const {
    const auto width = label_width();
    const std::string rest(indent + width + gap, ' ');
    for (const auto& [label, value] : facts_)
        admin::print_wrapped(
            out, value, std::string(indent, ' ') + label + std::string(width - display_width(label) + gap, ' '), rest);
}

void print_wrapped(std::ostream& out, std::string_view text, std::string_view first, std::string_view rest) {
    std::string line{first};
    bool begun = false;
    for (const auto word : split(text, ' ')) {
        if (begun && display_width(line) + 1 + display_width(word) > terminal_width) {
            out << line << '\n';
            line = rest;
            begun = false;
        }
        line.append(begun ? " " : "").append(word);
        begun = true;
    }
    out << line << '\n';
}

} // namespace postsluice::admin
