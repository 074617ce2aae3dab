// SPDX-License-Identifier: Apache-2.0
// Appends what was answered to the file policyd.record, for `postsluice simulate` (the lines: record_format.hpp). Only
// requests that decide or count something: RCPT, DATA and END-OF-MESSAGE with an instance, and connections that Postfix
// closed. The lines hold logins and addresses, personal data: the file is 0600, and bounded: at policyd.record_size it
// is renamed to NAME.1 (which replaces an older one) and begun anew.
//
// Never blocks mail: the event loop's thread puts lines into a bounded buffer, a thread of its own writes them, at the
// latest after a second. A disk that is too slow costs lines, which are counted and logged once; one that fails stops
// the recording until the next reload, logged once. At the end what is buffered is written, for as long as that takes
// the disk. To be made after privileges were dropped; all functions are for the event loop's thread.
#pragma once

#include "policyd/record_format.hpp"
#include "shared/config/settings.hpp"

#include <memory>

namespace postsluice::policyd {

class recorder {
public:
    static constexpr std::size_t buffer_most = 8U << 20U; ///< octets that wait for the disk; further lines are lost

    explicit recorder(const config::policyd_settings& settings);
    ~recorder();
    recorder(const recorder&) = delete;
    recorder& operator=(const recorder&) = delete;

    /// After a reload: another file, or the same again after trouble.
    void use(const config::policyd_settings& settings);

    void answered(const request& what, std::uint64_t connection, instant at, const decision& said);
    void closed(std::uint64_t connection, instant at);
    /// Waits until what was recorded so far is in the file, or recording has stopped (tests).
    void flush();
    [[nodiscard]] bool recording() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

} // namespace postsluice::policyd
