// SPDX-License-Identifier: Apache-2.0
// postsluice-scan-worker [octets of memory]: names the type of files that strangers sent and looks into archives and
// documents, in a process that can do nothing else (contentfilter starts it and talks to it over descriptor 3, see
// protocol.hpp). It ends at the end of the channel, and after a share of CPU time, so that memory that a library might
// lose comes back.
#include "contentfilter/worker/archive_inspection.hpp"
#include "contentfilter/worker/archive_reader.hpp"
#include "contentfilter/worker/confine.hpp"
#include "contentfilter/worker/document_inspection.hpp"
#include "contentfilter/worker/file_magic.hpp"
#include "contentfilter/worker/protocol.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <string>
#include <unistd.h>

namespace {

using namespace postsluice::contentfilter::worker;

constexpr std::chrono::seconds cpu_share{600};
constexpr std::chrono::seconds cpu_hard_limit{660};
constexpr std::uint64_t usual_memory = std::uint64_t{512} << 20U;
constexpr std::size_t max_description = 4000;

bool read_all(char* to, std::size_t size) {
    while (size > 0) {
        const auto got = ::read(channel, to, size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        to += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

bool write_message(std::string_view text) {
    std::string message(sizeof(std::uint32_t), '\0');
    const auto size = static_cast<std::uint32_t>(text.size());
    std::memcpy(message.data(), &size, sizeof size);
    message += text;
    for (std::size_t done = 0; done < message.size();) {
        const auto written = ::write(channel, message.data() + done, message.size() - done);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        done += static_cast<std::size_t>(written);
    }
    return true;
}

bool share_is_used_up() {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec >= cpu_share.count();
}

std::string answer_to(const request_head& head, std::string_view octets, const file_magic& magic) {
    const auto name_type = [&](std::string_view beginning) {
        const auto answer = magic.identify(beginning);
        return answer.substr(0, answer.find('\0'));
    };
    switch (head.kind) {
    case request_kind::type:
        return magic.identify(octets).substr(0, max_description);
    case request_kind::archive:
        return inspect_archive(octets, head.bounds, name_type).encode();
    case request_kind::document:
        return inspect_document(octets, head.bounds).encode();
    }
    return {};
}

int serve(const file_magic& magic) {
    for (;;) {
        std::uint32_t size = 0;
        if (!read_all(reinterpret_cast<char*>(&size), sizeof size)) return 0; // the filter is gone
        request_head head;
        if (size < sizeof head) return 1;
        if (!read_all(reinterpret_cast<char*>(&head), sizeof head)) return 0;
        std::string octets(size - sizeof head,
                           '\0'); // gone again before the next one: a large file may never come back
        if (!read_all(octets.data(), octets.size())) return 0;
        const auto answer = answer_to(head, octets, magic);
        if (answer.empty() || answer.size() >= max_answer) return 1;
        const bool last = share_is_used_up();
        if (!write_message(std::string(1, last ? flag_last : '\0') + answer)) return 0;
        if (last) return 0;
    }
}

} // namespace

int main(int argc, char** argv) {
    int status = 1;
    // A service manager that stops the daemon signals us as well: the filter still has messages to finish, and its end
    // is ours.
    std::signal(SIGTERM, SIG_IGN);
    std::signal(SIGINT, SIG_IGN);
    try {
        const file_magic magic;
        archive_reader::warm_up();
        confine(cpu_hard_limit, argc > 1 ? std::strtoull(argv[1], nullptr, 10) : usual_memory);
        if (write_message(ready_word)) status = serve(magic);
        ::_exit(status); // destructors and exit handlers need system calls that are gone
    } catch (const std::exception& e) {
        std::fprintf(stderr, "postsluice-scan-worker: %s\n", e.what());
    }
    ::_exit(status);
}
