// SPDX-License-Identifier: Apache-2.0
#include "contentfilter/worker/confine.hpp"

#include "contentfilter/worker/protocol.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <seccomp.h>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

namespace postsluice::contentfilter::worker {

namespace {

void limit(int resource, rlim_t value) {
    const rlimit bound{value, value};
    if (::setrlimit(static_cast<__rlimit_resource_t>(resource), &bound) != 0)
        throw std::runtime_error{std::string{"setrlimit: "} + std::strerror(errno)};
}

void check(int outcome) {
    if (outcome < 0) throw std::runtime_error{std::string{"seccomp: "} + std::strerror(-outcome)};
}

struct filter_deleter {
    void operator()(void* filter) const noexcept { seccomp_release(filter); }
};

} // namespace

void confine(std::chrono::seconds cpu, [[maybe_unused]] std::uint64_t memory) {
#ifndef __SANITIZE_ADDRESS__ // its shadow memory is larger than any limit
    limit(RLIMIT_AS, memory);
#endif
    limit(RLIMIT_CPU, static_cast<rlim_t>(cpu.count()));
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NOFILE, channel + 1);
    limit(RLIMIT_NPROC, 0);

    const std::unique_ptr<void, filter_deleter> filter{seccomp_init(SCMP_ACT_KILL_PROCESS)};
    if (!filter) throw std::runtime_error{"seccomp: no memory"};
    const auto allow = [&](int call) { check(seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0)); };
    const auto allow_on = [&](int call, int fd) {
        check(seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 1,
                               SCMP_A0(SCMP_CMP_EQ, static_cast<scmp_datum_t>(fd))));
    };
    const auto allow_no_code = [&](int call) { // memory that can be executed is what an attacker would want next
        check(seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)));
    };
    allow_on(SCMP_SYS(read), channel);
    allow_on(SCMP_SYS(write), channel);
    allow_on(SCMP_SYS(write), STDERR_FILENO);
    allow_no_code(SCMP_SYS(mmap));
    allow_no_code(SCMP_SYS(mprotect));
    for (const int call : {SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap),
                           SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(rt_sigreturn),
                           SCMP_SYS(restart_syscall), SCMP_SYS(getrandom)})
        allow(call);
    for (const int call : {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat), SCMP_SYS(newfstatat)})
        check(seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EACCES), call, 0));
#ifdef __SANITIZE_ADDRESS__
    for (const int call : {SCMP_SYS(sched_yield), SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(sigaltstack)})
        allow(call);
#endif
    check(seccomp_load(filter.get())); // sets no_new_privs as well
}

} // namespace postsluice::contentfilter::worker
