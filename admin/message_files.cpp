// SPDX-License-Identifier: Apache-2.0
#include "admin/message_files.hpp"

#include "admin/human.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>

namespace postsluice::admin {
namespace {

namespace fs = std::filesystem;

failure unreadable(const std::string& name) {
    return {errc::not_found, name + ": " + std::strerror(errno)}; // NOLINT(concurrency-mt-unsafe)
}

failure too_large(const std::string& name) {
    return {errc::too_large, name + ": larger than " + say_size(max_message)};
}

/// The stream of a name, which `file` holds where it is none of standard input.
std::istream* open(const std::string& name, std::ifstream& file) {
    if (name == "-") return &std::cin;
    file.open(name, std::ios::binary);
    return file ? &file : nullptr;
}

result<std::vector<std::string>> files_in(const fs::path& directory) {
    std::vector<std::string> out;
    std::error_code ec;
    for (fs::directory_iterator at{directory, ec}, end; !ec && at != end; at.increment(ec))
        if (at->is_regular_file() && !at->path().filename().native().starts_with('.')) out.push_back(at->path());
    if (ec) return failure{errc::not_found, directory.string() + ": " + ec.message()};
    std::sort(out.begin(), out.end());
    return out;
}

bool is_separator(std::string_view line) {
    return line.starts_with("From ");
}

/// mboxrd: what was "From " in the message bears one ">" more.
std::string_view unquoted(std::string_view line) {
    const auto quotes = line.find_first_not_of('>');
    const bool quoted = quotes != std::string_view::npos && quotes > 0 && line.substr(quotes).starts_with("From ");
    return quoted ? line.substr(1) : line;
}

/// One message at a time, so that an mbox of any size needs no more memory than its largest message.
class mbox_reader {
public:
    mbox_reader(std::string name, const message_visitor& visit)
        : name_{std::move(name)}
        , visit_{visit} {}

    /// False: no more is wanted.
    bool line(std::string_view text) {
        if (is_separator(text) && after_empty_) return end();
        after_empty_ = text.empty() || text == "\r";
        if (text_.size() <= max_message) text_.append(unquoted(text)).push_back('\n');
        return true;
    }
    bool end() {
        after_empty_ = false;
        auto text = std::exchange(text_, {});
        if (text.size() > max_message) return visit_(too_large(name_ + ", a message of it"));
        if (text.find_first_not_of("\r\n") == std::string::npos) return true;
        return visit_(std::move(text));
    }

private:
    std::string name_, text_;
    const message_visitor& visit_;
    bool after_empty_ = false;
};

} // namespace

result<std::string> read_message(const std::string& name) {
    std::ifstream file;
    std::istream* in = open(name, file);
    if (in == nullptr) return unreadable(name);
    std::string text;
    std::string chunk(65536, '\0');
    while (in->read(chunk.data(), static_cast<std::streamsize>(chunk.size())), in->gcount() > 0) {
        text.append(chunk, 0, static_cast<std::size_t>(in->gcount()));
        if (text.size() > max_message) return too_large(name);
    }
    // A directory opens and reads nothing.
    if (in->bad()) return failure{errc::not_found, name + ": cannot be read"};
    if (text.empty()) return failure{errc::malformed, name + ": holds no message"};
    return text;
}

std::string base64(const std::string& text) {
    std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
    const int size =
        EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

result<std::vector<std::string>> message_files(const std::vector<std::string>& names) {
    std::vector<std::string> out;
    for (const auto& name : names) {
        std::error_code ec;
        if (!fs::is_directory(name, ec)) {
            if (name != "-" && !fs::exists(name, ec)) return failure{errc::not_found, name + ": there is no such file"};
            out.push_back(name);
            continue;
        }
        const fs::path directory{name};
        std::vector<fs::path> folders{directory};
        if (fs::is_directory(directory / "cur", ec)) folders = {directory / "cur", directory / "new"};
        for (const auto& folder : folders) {
            if (!fs::is_directory(folder, ec)) continue;
            const auto found = files_in(folder);
            if (!found) return found.error();
            out.insert(out.end(), found->begin(), found->end());
        }
    }
    return out;
}

void for_each_message(std::istream& in, const std::string& name, const message_visitor& visit) {
    std::string line;
    if (!std::getline(in, line)) {
        visit(failure{in.bad() ? errc::not_found : errc::malformed,
                      name + (in.bad() ? ": cannot be read" : ": holds no message")});
        return;
    }
    if (is_separator(line)) {
        mbox_reader messages{name, visit};
        while (std::getline(in, line))
            if (!messages.line(line)) return;
        messages.end();
        return;
    }
    std::string text = line + "\n";
    std::string chunk(65536, '\0');
    while (text.size() <= max_message &&
           (in.read(chunk.data(), static_cast<std::streamsize>(chunk.size())), in.gcount() > 0))
        text.append(chunk, 0, static_cast<std::size_t>(in.gcount()));
    if (text.size() > max_message)
        visit(too_large(name));
    else
        visit(std::move(text));
}

void for_each_message(const std::string& file, const message_visitor& visit) {
    std::ifstream opened;
    std::istream* in = open(file, opened);
    if (in == nullptr)
        visit(unreadable(file));
    else
        for_each_message(*in, file, visit);
}

} // namespace postsluice::admin
