// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

namespace postsluice::auth {

BOOST_AUTO_TEST_SUITE(dkim_key)

namespace {

config::dkim_settings settings_for(const test::temporary_directory& directory) {
    config::dkim_settings out;
    out.directory = directory.path();
    return out;
}

std::string encrypted_pem() {
    const pkey_ptr key{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")};
    const std::unique_ptr<BIO, openssl_delete<BIO_free_all>> out{BIO_new(BIO_s_mem())};
    char secret[] = "secret";
    BOOST_TEST_REQUIRE(
        PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(), secret, 6, nullptr, nullptr) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

std::string ec_pem() {
    const pkey_ptr key{EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")};
    const std::unique_ptr<BIO, openssl_delete<BIO_free_all>> out{BIO_new(BIO_s_mem())};
    BOOST_TEST_REQUIRE(PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const auto& line : lines)
        out += line + "\n";
    return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(keys_that_others_can_read_or_change_are_refused) {
    const test::temporary_directory directory;
    const auto pem = test::ed25519_pem();
    for (const unsigned mode : {0600U, 0400U, 0640U, 0440U})
        BOOST_TEST(load_key(directory.write("k.pem", pem, mode), "example.org", "s", 1024).has_value(), mode);
    for (const unsigned mode : {0644U, 0604U, 0660U, 0602U, 0444U, 0777U}) {
        const auto file = directory.write("k.pem", pem, mode);
        const auto key = load_key(file, "example.org", "s", 1024);
        BOOST_TEST_REQUIRE(key.has_error(), mode);
        BOOST_TEST((key.error().code == errc::denied));
        BOOST_TEST(key.error().detail.starts_with(file.string()));
        ::chmod(file.c_str(), 0600);
    }
}

BOOST_AUTO_TEST_CASE(what_is_no_usable_key_is_named_with_its_file) {
    const test::temporary_directory directory;
    struct row {
        std::string name, text;
        errc code;
    };
    const row rows[] = {
        {"empty.pem", "", errc::malformed},
        {"garbage.pem", "-----BEGIN PRIVATE KEY-----\n%%%\n-----END PRIVATE KEY-----\n", errc::malformed},
        {"public.pem",
         "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC "
         "KEY-----\n",
         errc::malformed},
        {"encrypted.pem", encrypted_pem(), errc::malformed},
        {"short.pem", test::rsa_pem(1024), errc::unsupported},
        {"curve.pem", ec_pem(), errc::unsupported},
        {"large.pem", std::string(100000, 'x'), errc::too_large},
    };
    for (const auto& [name, text, code] : rows)
        BOOST_TEST_CONTEXT(name) {
            const auto file = directory.write(name, text);
            const auto key = load_key(file, "example.org", "s", 2048);
            BOOST_TEST_REQUIRE(key.has_error());
            BOOST_TEST(key.error().code == code);
            BOOST_TEST(key.error().detail.starts_with(file.string()), key.error().detail);
        }
    BOOST_TEST((load_key(directory.path() / "absent.pem", "example.org", "s", 1024).error().code == errc::not_found));
    BOOST_TEST((load_key(directory.path(), "example.org", "s", 1024).error().code == errc::malformed));
}

BOOST_AUTO_TEST_CASE(text_around_the_key_is_no_trouble_for_either_signer) {
    const test::temporary_directory directory;
    const auto key =
        load_key(directory.write("k.pem", "Bag Attributes\n  a comment\n" + test::rsa_pem()), "Example.ORG", "s", 1024)
            .value();
    BOOST_TEST(key.domain == "example.org");
    BOOST_TEST(key.pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    BOOST_TEST(self_check({}, key).has_value());
    config::dkim_settings library;
    library.signer = config::dkim_signer::libopendkim;
    BOOST_TEST(self_check(library, key).has_value());
}

BOOST_AUTO_TEST_CASE(a_key_whose_halves_do_not_match_fails_its_self_check) {
    auto mixed = test::key_pair()[1];
    mixed.kind = algorithm::rsa_sha256; // says RSA and holds Ed25519
    BOOST_TEST(self_check({}, mixed).has_error());
}

BOOST_AUTO_TEST_CASE(a_directory_of_keys_is_loaded_rsa_first) {
    const test::temporary_directory directory;
    directory.write("Example.org/a-ed.pem", test::ed25519_pem());
    directory.write("Example.org/b-rsa.pem", test::rsa_pem(1024));
    directory.write("Example.org/b-rsa.txt", "the DNS record", 0644);
    directory.write("Example.org/.hidden", "x", 0644);
    directory.write("mail.example.net/s.pem", test::ed25519_pem(), 0440);
    const auto out = key_table::load(settings_for(directory));
    BOOST_TEST(joined(out.errors) == "");
    BOOST_TEST(out.table->all().size() == 3U);
    const auto keys = out.table->find("example.org");
    BOOST_TEST_REQUIRE(keys.size() == 2U);
    BOOST_TEST(keys[0].selector == "b-rsa");
    BOOST_TEST(keys[1].selector == "a-ed");
    BOOST_TEST(!out.table->broken("example.org"));
}

BOOST_AUTO_TEST_CASE(the_exact_domain_is_found_then_the_nearest_parent) {
    const test::temporary_directory directory;
    directory.write("example.org/top.pem", test::ed25519_pem());
    directory.write("lists.example.org/lists.pem", test::ed25519_pem());
    directory.write("org/never.pem", test::ed25519_pem());
    const auto table = key_table::load(settings_for(directory)).table;
    struct row {
        std::string_view domain, selector;
    };
    for (const auto& [domain, selector] :
         {row{"example.org", "top"}, row{"EXAMPLE.Org.", "top"}, row{"a.b.example.org", "top"},
          row{"lists.example.org", "lists"}, row{"x.lists.example.org", "lists"}, row{"org", "never"},
          row{"other.org", ""}, row{"badexample.org", ""}, row{"example.org.evil", ""}, row{"", ""}, row{".", ""},
          row{"..", ""}, row{"localhost", ""}}) {
        const auto keys = table->find(domain);
        BOOST_TEST((keys.empty() ? "" : keys[0].selector) == selector, domain);
        BOOST_TEST(!table->broken(domain));
    }
}

BOOST_AUTO_TEST_CASE(a_domain_without_a_usable_key_is_broken_and_each_error_names_its_file) {
    const test::temporary_directory directory;
    directory.write("good.example/a.pem", test::ed25519_pem());
    directory.write("good.example/b.pem", "no key");
    directory.write("bad.example/a.pem", test::ed25519_pem(), 0644);
    directory.write("named.example/key.private", test::ed25519_pem());
    directory.write("named.example/b d.pem", test::ed25519_pem());
    directory.write("loose.example", "a file where a directory belongs");
    directory.write("not a domain/a.pem", test::ed25519_pem());
    std::filesystem::create_directory(directory.path() / "empty.example");
    const auto out = key_table::load(settings_for(directory));
    const auto errors = joined(out.errors);
    for (const std::string_view part : {"good.example/b.pem", "bad.example/a.pem", "named.example/key.private",
                                        "named.example/b d.pem", "loose.example", "not a domain", "empty.example"})
        BOOST_TEST((errors.find(part) != std::string::npos), part << " in " << errors);
    BOOST_TEST(out.errors.size() == 7U, errors);
    BOOST_TEST(out.table->find("good.example").size() == 1U);
    struct row {
        std::string_view domain;
        bool broken;
    };
    for (const auto& [domain, broken] :
         {row{"good.example", false}, row{"bad.example", true}, row{"sub.bad.example", true},
          row{"named.example", true}, row{"loose.example", true}, row{"empty.example", false},
          row{"other.example", false}})
        BOOST_TEST(out.table->broken(domain) == broken, domain);
    BOOST_TEST(out.table->find("bad.example").empty());
}

BOOST_AUTO_TEST_CASE(a_broken_domain_does_not_sign_with_its_parent) {
    const test::temporary_directory directory;
    directory.write("example.org/a.pem", test::ed25519_pem());
    directory.write("mail.example.org/a.pem", "no key");
    const auto table = key_table::load(settings_for(directory)).table;
    BOOST_TEST(table->find("mail.example.org").empty());
    BOOST_TEST(table->broken("mail.example.org"));
    BOOST_TEST(!table->broken("www.example.org"));
}

BOOST_AUTO_TEST_CASE(no_directory_means_no_keys_and_an_unusable_one_breaks_every_domain) {
    const test::temporary_directory directory;
    auto settings = settings_for(directory);
    settings.directory /= "absent";
    const auto absent = key_table::load(settings);
    BOOST_TEST(absent.errors.empty());
    BOOST_TEST(!absent.table->broken("example.org"));
    settings.directory = directory.write("file", "x");
    const auto file = key_table::load(settings);
    BOOST_TEST(file.errors.size() == 1U);
    BOOST_TEST(file.table->broken("example.org"));
    settings.sign = false;
    const auto off = key_table::load(settings);
    BOOST_TEST(off.errors.empty());
    BOOST_TEST(!off.table->broken("example.org"));
    if (::geteuid() == 0) return; // root reads everything
    directory.write("locked/example.org/a.pem", test::ed25519_pem());
    settings.sign = true;
    settings.directory = directory.path() / "locked";
    ::chmod(settings.directory.c_str(), 0);
    const auto locked = key_table::load(settings);
    ::chmod(settings.directory.c_str(), 0700);
    BOOST_TEST(locked.errors.size() == 1U);
    BOOST_TEST(locked.table->broken("example.org"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::auth
