// SPDX-License-Identifier: Apache-2.0
// The map readers. The first octet says which: 't' a texthash, 'r' a regexp, any other a socketmap's reply; the rest is
// what it reads. A file's lines, and their first words, are the keys that it is asked for.
//   texthash: each key that was not passed over with a warning is found, whatever its case, and never with nothing
//   regexp: an answer or an error, whatever the lines are
//   socketmap: a reply is the same however it is cut, and never larger than allowed
#include "shared/maps/socketmap.hpp"
#include "shared/maps/table.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <sys/mman.h>
#include <unistd.h>

using namespace postsluice;
using fuzz::require;

namespace {

/// A file in memory, with a path.
class memory_file {
public:
    explicit memory_file(std::string_view text)
        : fd_{::memfd_create("map", MFD_CLOEXEC)} {
        require(fd_ >= 0 && ::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()), "a file");
    }
    memory_file(const memory_file&) = delete;
    memory_file& operator=(const memory_file&) = delete;
    ~memory_file() { ::close(fd_); }
    [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

private:
    int fd_;
};

std::string upper(std::string text) {
    for (char& c : text)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return text;
}

std::string first_word(const std::string& line) {
    return line.substr(0,
                       static_cast<std::size_t>(std::find_if(line.begin(), line.end(), maps::is_space) - line.begin()));
}

void read_texthash(std::string_view text) {
    const memory_file file{text};
    const auto table = maps::open_texthash(file.path());
    require(bool(table), "a file that can be read is a map");
    std::vector<std::string> warnings;
    const auto lines = maps::logical_lines(text, warnings);
    for (const auto& line : lines) {
        const auto got = (*table)->get(line.text);
        require(bool(got), "a texthash has no trouble");
        const auto key = first_word(line.text);
        const auto value = (*table)->get(key);
        require(!*value || !(*value)->empty(), "no key has an empty value");
        require(*value == *(*table)->get(upper(key)), "case does not matter");
        const bool plain = key.size() < line.text.size() && key.find_first_of("\"\\") == std::string::npos;
        require(!plain || *value, "a key that stands there is found");
    }
    require((*table)->warnings.size() >= warnings.size(), "what is passed over is told");
}

// regcomp(3) and regexec(3) take a time and a memory that grow exponentially with nested bounds and back references.
// The file is the operator's, and Postfix reads it with the same functions; here such lines are no test of ours.
bool is_costly(std::string_view text) {
    return text.size() > 4096 || text.find('{') != std::string_view::npos ||
           text.find('\\') != std::string_view::npos || std::count(text.begin(), text.end(), '(') > 200;
}

void read_regexp(std::string_view text) {
    if (is_costly(text)) return;
    const memory_file file{text};
    const auto table = maps::open_regexp(file.path());
    require(bool(table), "a file that can be read is a map");
    std::vector<std::string> warnings;
    const auto lines = maps::logical_lines(text, warnings);
    for (std::size_t i = 0; i < std::min<std::size_t>(lines.size(), 20); ++i)
        (void)(*table)->get(std::string_view{lines[i].text}.substr(0, 64));
    for (const auto* key : {"", "alice@example.org", "@example.org"})
        (void)(*table)->get(key);
    for (const auto& warning : (*table)->warnings)
        require(!warning.empty(), "a warning says what is wrong");
}

void read_reply(std::string_view text) {
    constexpr std::size_t most = 1000;
    maps::netstring_reader whole{most};
    const auto at_once = whole.feed(text);
    maps::netstring_reader piecewise{most};
    result<bool> last = false;
    for (std::size_t i = 0; i < text.size() && last; ++i)
        last = piecewise.feed(text.substr(i, 1));
    require(bool(at_once) == bool(last) && (!at_once || *at_once == *last), "a cut changes nothing");
    require(whole.text().size() <= most, "no reply is larger than allowed");
    if (!at_once || !*at_once) return;
    require(whole.text() == piecewise.text(), "a cut changes nothing in the text");
    require(text == maps::to_netstring(whole.text()) || text.front() == '0', "a whole reply is a netstring");
    const auto got = maps::read_socketmap_reply(whole.text());
    require(!got || !*got || whole.text() == "OK" || whole.text() == "OK " + **got, "a value is what was sent");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = fuzz::text_of(data, size);
    if (input.empty()) return 0;
    if (input.front() == 't')
        read_texthash(input.substr(1));
    else if (input.front() == 'r')
        read_regexp(input.substr(1));
    else
        read_reply(input.substr(1));
    return 0;
}
