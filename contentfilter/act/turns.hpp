// SPDX-License-Identifier: Apache-2.0
// Whose turn it is with a thing, by the thing's name: who holds a turn works on it alone, the others wait. A turn may
// end on any thread, and after the owner of all turns has gone.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace postsluice::contentfilter::act {

class turns : public std::enable_shared_from_this<turns> {
public:
    class turn {
    public:
        turn(std::weak_ptr<turns> of, std::string name)
            : of_{std::move(of)}
            , name_{std::move(name)} {}
        turn(turn&&) = default;
        turn& operator=(turn&&) = delete;
        ~turn() {
            if (const auto all = of_.lock()) all->end(name_);
        }

    private:
        std::weak_ptr<turns> of_; // empty once moved from
        std::string name_;
    };

    /// Waits until nobody has the turn, on an executor of one thread. Throws boost::system::system_error once closed.
    static boost::asio::awaitable<turn> wait(std::shared_ptr<turns> all, std::string name);
    /// The turn, where nobody has it now.
    [[nodiscard]] std::unique_ptr<turn> take(const std::string& name);
    /// Nobody waits any more.
    void close();

private:
    using timer_ptr = std::shared_ptr<boost::asio::steady_timer>;
    void end(const std::string& name);
    static void wake(const std::list<timer_ptr>& waiting);
    std::mutex mutex_;
    bool closed_ = false;
    std::map<std::string, std::list<timer_ptr>> taken_; ///< name -> who waits
};

} // namespace postsluice::contentfilter::act
