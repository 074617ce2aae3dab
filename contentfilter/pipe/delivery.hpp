// SPDX-License-Identifier: Apache-2.0
// One message from standard input to the filter, by LMTP over its listen_pipe socket, and what came of it. Plain
// blocking sockets with one deadline for everything; the message is passed on as it is read and never held. Whatever
// throws (no memory) ends the program by its terminate handler.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace postsluice::contentfilter::pipe {

inline constexpr int exit_later = 75, exit_refused = 77;

/// pipe(8)'s macros.
struct request {
    std::string socket = "/var/spool/postfix/postsluice/pipe";
    std::string sender;                                            ///< empty: the null sender
    std::vector<std::string> recipients;                           ///< as RCPT wants them, without brackets
    std::vector<std::pair<std::string_view, std::string>> forward; ///< XFORWARD attributes; empty values are left out
    std::optional<std::uint64_t> size;                             ///< ${size}; absent: not looked at
    unsigned seconds = 900; ///< for everything; under pipe(8)'s time limit, over the filter's deadline
};
/// What is wrong with the arguments, or nothing.
[[nodiscard]] std::string read_arguments(int argc, char** argv, request& into);

struct outcome {
    int code = exit_later; ///< 0, exit_refused or exit_later
    std::string text;      ///< one line, printable ASCII; empty for 0
};
/// `parent`: who started us; another one at the end of the input is an input that broke off.
[[nodiscard]] outcome hand_over(const request& what, pid_t parent);

} // namespace postsluice::contentfilter::pipe
