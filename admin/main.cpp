// SPDX-License-Identifier: Apache-2.0
// postsluice: the operator's command. Everything it does is in command_line and commands/; it talks to the daemons by
// their control sockets and never opens the state itself.
#include "admin/command_line.hpp"

#include <exception>
#include <iostream>

namespace {

class wall_clock final : public postsluice::clock {
public:
    [[nodiscard]] postsluice::instant now() const noexcept override {
        return std::chrono::time_point_cast<postsluice::milliseconds>(std::chrono::system_clock::now());
    }
};

} // namespace

int main(int argc, char** argv) {
    try {
        const wall_clock time;
        return postsluice::admin::run_command_line(argc, argv, std::cout, std::cerr, time);
    } catch (const std::exception& e) {
        std::cerr << "postsluice: " << e.what() << '\n';
        return 1;
    }
}
