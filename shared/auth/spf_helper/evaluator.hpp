// SPDX-License-Identifier: Apache-2.0
// check_host() of RFC 7208 by libspf2 1.2 (the only file that knows it is evaluator.cpp), with what that library lacks:
//   - limits on terms and void lookups of the whole evaluation (section 4.6.4); libspf2 counts per record;
//   - what is no domain is "none", before anything is asked (section 4.3);
//   - a record of over max_record octets, of which libspf2 would silently lose the end, is a permerror;
//   - PTR: ten names are looked at, and a failing lookup is no match (section 5.5).
// Explanations (exp=, section 6.2) are not fetched: they are a stranger's text. Blocking; DNS through a function.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

struct SPF_server_struct; // libspf2's

namespace postsluice::auth::spf_helper {

struct dns_answer {
    enum class kind : std::uint8_t { records, no_such_name, no_such_type, trouble };
    kind what = kind::trouble;
    std::vector<std::string> rdata;
};
using ask_dns = std::function<dns_answer(const std::string& name, std::uint16_t type)>;

struct evaluation {
    std::string ip, helo, sender;
    int max_terms = 10, max_voids = 2;
};
struct verdict {
    std::uint8_t result = 0; ///< spf_result
    std::string explanation;
};

class evaluator {
public:
    static constexpr std::size_t max_record = 1000;

    /// Everything of libspf2 that wants system calls happens here. Throws std::runtime_error without memory.
    explicit evaluator(ask_dns ask);
    ~evaluator();
    evaluator(const evaluator&) = delete;
    evaluator& operator=(const evaluator&) = delete;
    [[nodiscard]] verdict check(const evaluation& what);

private:
    struct layer;
    std::unique_ptr<layer> layer_;
    SPF_server_struct* server_ = nullptr;
};

} // namespace postsluice::auth::spf_helper
