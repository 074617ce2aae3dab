// SPDX-License-Identifier: Apache-2.0
#include "shared/daemon/vital.hpp"

#include "shared/log/log.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdlib>

namespace postsluice::daemon {

void vital::operator()(std::exception_ptr error) const noexcept {
    if (!error) return;
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& e) {
        log::error("the daemon cannot go on").kv("what", what).kv("why", e.what());
    } catch (...) {
        log::error("the daemon cannot go on").kv("what", what);
    }
    std::abort();
}

void run_vital(boost::asio::io_context& context) noexcept {
    try {
        context.run();
    } catch (...) {
        vital{"event loop"}(std::current_exception());
    }
}

} // namespace postsluice::daemon
