// SPDX-License-Identifier: Apache-2.0
// The steps of a rotation on disk, each of them also where a run before it ended in the middle.
#define BOOST_TEST_DYN_LINK
#include "admin/key_rotation.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <set>
#include <sys/stat.h>

using namespace postsluice;
using namespace postsluice::admin;
namespace fs = std::filesystem;

namespace {

const instant now{milliseconds{1767225600500}};

struct domain_directory {
    domain_directory() {
        std::string name = (fs::temp_directory_path() / "postsluice-XXXXXX").string();
        path = ::mkdtemp(name.data());
    }
    ~domain_directory() { fs::remove_all(path); }
    domain_directory(const domain_directory&) = delete;
    void write(const std::string& name, const std::string& text) const {
        fs::create_directories((path / name).parent_path());
        std::ofstream{path / name} << text;
    }
    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream in{path / name};
        return {std::istreambuf_iterator<char>{in}, {}};
    }
    [[nodiscard]] std::set<std::string> files() const {
        std::set<std::string> out;
        for (const auto& one : fs::recursive_directory_iterator{path})
            if (one.is_regular_file()) out.insert(fs::relative(one.path(), path).string());
        return out;
    }
    fs::path path;
};

const std::set<std::string> switched = {"new.pem", "old/old.pem"};

domain_directory& prepared(domain_directory& at) {
    at.write("old.pem", "OLD");
    at.write("next/new.pem", "NEW");
    return at;
}

} // namespace

BOOST_AUTO_TEST_SUITE(key_rotation)

BOOST_AUTO_TEST_CASE(the_next_key_signs_and_the_old_one_says_since_when_it_does_not) {
    domain_directory at;
    BOOST_TEST(switch_keys(prepared(at).path, "new", "old", now).has_value());
    BOOST_TEST(at.files() == switched, boost::test_tools::per_element());
    BOOST_TEST(at.read("new.pem") == "NEW");
    struct stat info {};
    BOOST_TEST_REQUIRE(::stat((at.path / "old/old.pem").c_str(), &info) == 0);
    BOOST_TEST(info.st_mtim.tv_sec == 1767225600);
    fs::permissions(at.path, fs::perms{0750});
    at.write("next/newer.pem", "NEWER");
    fs::remove_all(at.path / "old");
    BOOST_TEST(switch_keys(at.path, "newer", "new", now).has_value());
    BOOST_TEST(::stat((at.path / "old").c_str(), &info) == 0); // readable for whom the keys are
    BOOST_TEST((info.st_mode & 0777) == 0750U);
    at.write("old/old.pem", "OLD");
    BOOST_TEST(remove_retired(at.path, "old").has_value());
    BOOST_TEST((remove_retired(at.path, "old").error().code == errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_run_that_ended_in_the_middle_is_gone_on_with) {
    struct row {
        const char* name;
        std::function<void(const domain_directory&)> before;
    };
    const row rows[] = {
        {"linked", [](const auto& at) { fs::create_hard_link(at.path / "next/new.pem", at.path / "new.pem"); }},
        {"folder made",
         [](const auto& at) {
             fs::create_hard_link(at.path / "next/new.pem", at.path / "new.pem");
             fs::create_directory(at.path / "old");
         }},
        {"retired",
         [](const auto& at) {
             fs::create_hard_link(at.path / "next/new.pem", at.path / "new.pem");
             fs::create_directory(at.path / "old");
             fs::rename(at.path / "old.pem", at.path / "old/old.pem");
         }},
    };
    for (const auto& [name, before] : rows)
        BOOST_TEST_CONTEXT(name) {
            domain_directory at;
            before(prepared(at));
            BOOST_TEST(switch_keys(at.path, "new", "old", now).has_value());
            BOOST_TEST(at.files() == switched, boost::test_tools::per_element());
        }
}

BOOST_AUTO_TEST_CASE(nothing_is_overwritten_and_what_signed_goes_on_signing) {
    domain_directory taken;
    prepared(taken).write("new.pem", "ANOTHER");
    BOOST_TEST((switch_keys(taken.path, "new", "old", now).error().code == errc::exists));
    BOOST_TEST(taken.read("new.pem") == "ANOTHER");
    BOOST_TEST(taken.read("old.pem") == "OLD");
    domain_directory retired;
    prepared(retired).write("old/old.pem", "ANOTHER");
    BOOST_TEST((switch_keys(retired.path, "new", "old", now).error().code == errc::exists));
    BOOST_TEST(retired.read("old/old.pem") == "ANOTHER");
    BOOST_TEST(retired.read("old.pem") == "OLD");
    domain_directory gone;
    gone.write("old.pem", "OLD");
    BOOST_TEST((switch_keys(gone.path, "new", "old", now).error().code == errc::not_found));
    BOOST_TEST(gone.read("old.pem") == "OLD");
}

BOOST_AUTO_TEST_CASE(a_key_that_replaces_none_is_put_in_force) {
    domain_directory at;
    at.write("next/new.pem", "NEW");
    BOOST_TEST(switch_keys(at.path, "new", "", now).has_value());
    BOOST_TEST(at.files() == std::set<std::string>{"new.pem"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(only_one_rotation_of_a_domain_at_a_time) {
    const domain_directory at;
    {
        const auto first = rotation_lock::take(at.path);
        BOOST_TEST_REQUIRE(first.has_value());
        BOOST_TEST((rotation_lock::take(at.path).error().code == errc::exists));
    }
    BOOST_TEST(rotation_lock::take(at.path).has_value());
    BOOST_TEST((rotation_lock::take(at.path / "none").error().code == errc::not_found));
}

BOOST_AUTO_TEST_SUITE_END()
