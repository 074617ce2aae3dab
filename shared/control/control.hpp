// SPDX-License-Identifier: Apache-2.0
// The control protocol: one JSON object a line, over a unix socket (0660, group postsluice-admin; SO_PEERCRED names the actor).
// Request {"verb": "account lock", ...arguments}; answer {"ok": true, ...} or {"ok": false, "error": "sentence",
// "code": "not-found"}. Requests up to 1 MiB, 30 s each; a verb that is unknown answers errc::unsupported.
// The operator's command, the pipe client and later a web panel are its clients; none of them writes LMDB.
#pragma once

#include "shared/core/result.hpp"
#include "shared/net/endpoint.hpp"

#include <boost/asio/awaitable.hpp>
#include <nlohmann/json_fwd.hpp>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace postsluice::control {

struct request_context {
    std::string actor; ///< login name of the peer's uid, or "uid 1000"
};
/// A handler gets the request object and returns the answer's members ("ok" is added) or a failure.
using handler = std::function<boost::asio::awaitable<result<nlohmann::json>>(request_context, std::shared_ptr<const nlohmann::json>)>;

class server {
public:
    /// Binds `socket` (group and mode set). Throws std::runtime_error where it cannot.
    server(boost::asio::any_io_executor executor, std::filesystem::path socket, std::string group);
    ~server();
    void on(std::string verb, handler what);
    void start();
    void stop();

private:
    struct impl;
    std::shared_ptr<impl> impl_;
};

/// One blocking call, for the command line: errc::unavailable where nobody listens ("is postsluice-policyd running?").
[[nodiscard]] result<nlohmann::json> call(const std::filesystem::path& socket, const nlohmann::json& request, std::chrono::seconds timeout);

} // namespace postsluice::control
