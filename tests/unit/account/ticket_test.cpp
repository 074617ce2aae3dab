// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_DYN_LINK
#include "shared/account/ticket.hpp"

#include "shared/core/text.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

namespace postsluice::account {

std::ostream& operator<<(std::ostream& out, const ticket& t) {
    return out << t.account << '|' << t.client << '|' << t.instance << '|' << t.queue_id << '|' << t.recipients << '|'
               << t.issued.time_since_epoch().count() << '|' << t.login;
}

BOOST_AUTO_TEST_SUITE(ticket_ring_suite)

namespace {

namespace fs = std::filesystem;
using std::chrono::hours;

constexpr seconds day{86400}, retention{14 * 86400};

struct fixture {
    fixture() {
        std::string name = (fs::temp_directory_path() / "postsluice-ticket-XXXXXX").string();
        BOOST_TEST_REQUIRE(::mkdtemp(name.data()) != nullptr);
        directory = name;
        file = directory / "ticket.keys";
    }
    ~fixture() {
        std::error_code ignored;
        fs::remove_all(directory, ignored);
    }
    fixture(const fixture&) = delete;

    [[nodiscard]] std::unique_ptr<ticket_ring> ring() const { return ticket_ring::open(file).value(); }
    void put(std::string_view text) const { std::ofstream{file, std::ios::binary | std::ios::trunc} << text; }
    [[nodiscard]] std::string text() const {
        std::ostringstream out;
        out << std::ifstream{file}.rdbuf();
        return out.str();
    }

    fs::path directory, file;
    manual_clock clock;
};

ticket sample() {
    return {"alice@example.org",
            "2001:db8::7",
            "1a2b.65f0c3b1.4d5e.0",
            "4XyZ0q1Tz9z1",
            3,
            instant{milliseconds{1767225600123}},
            "alice@example.org"};
}

errc error_of(const result<ticket>& r) {
    return r.has_error() ? r.error().code : errc::internal;
}

} // namespace

BOOST_FIXTURE_TEST_CASE(what_was_sealed_comes_back, fixture) {
    const auto ring_ = ring();
    BOOST_TEST(ring_->rotate(clock.now(), day, retention).value());
    ticket empty;
    ticket unknown{"-", "192.0.2.1", "x", "-", 0, {}, {}};
    auto other_login = sample();
    other_login.login = "someone else@example.org";
    auto before_queue = sample();
    before_queue.queue_id = "-";
    before_queue.server = "[2001:db8::25]:587";
    auto binary = sample();
    binary.account = std::string("\0\xFF \n", 4);
    binary.recipients = 0xFFFFFFFFU;
    binary.issued = instant{milliseconds{-1}};
    auto learned = before_queue;
    learned.new_recipients = 2;
    for (const auto& t : {sample(), empty, unknown, other_login, before_queue, learned, binary}) {
        const auto value = ring_->seal(t).value();
        BOOST_TEST(value.starts_with("v1 "));
        BOOST_TEST(value.find_first_of("\r\n") == std::string::npos);
        BOOST_TEST(ring_->unseal(value).value() == t);
        BOOST_TEST(ring_->unseal("  " + value + "\r\n").value() == t);
    }
    BOOST_TEST(ring_->seal(sample()).value() != ring_->seal(sample()).value());
}

BOOST_FIXTURE_TEST_CASE(a_login_cannot_be_read_in_a_ticket, fixture) {
    const auto ring_ = ring();
    BOOST_TEST(ring_->rotate(clock.now(), day, retention).value());
    const auto value = ring_->seal(sample()).value();
    std::string blob;
    BOOST_TEST_REQUIRE(base64url_decode(std::string_view{value}.substr(value.rfind(' ') + 1), blob));
    for (const auto& text : {value, blob})
        BOOST_TEST(text.find("alice") == std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(every_changed_octet_is_refused, fixture) {
    const auto ring_ = ring();
    BOOST_TEST(ring_->rotate(clock.now(), day, retention).value());
    const auto value = ring_->seal(sample()).value();
    for (std::size_t i = 0; i < value.size(); ++i)
        for (unsigned bit = 0; bit < 8; ++bit) {
            auto changed = value;
            changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ (1U << bit));
            BOOST_TEST(ring_->unseal(changed).has_error(), "octet " << i << " bit " << bit);
        }
    // The same inside: every octet of nonce, ciphertext and tag.
    const auto blank = value.rfind(' ');
    std::string blob;
    BOOST_TEST_REQUIRE(base64url_decode(std::string_view{value}.substr(blank + 1), blob));
    for (std::size_t i = 0; i < blob.size(); ++i) {
        auto changed = blob;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        BOOST_TEST(error_of(ring_->unseal(value.substr(0, blank + 1) + base64url_encode(changed))) == errc::denied,
                   "octet " << i);
    }
}

BOOST_FIXTURE_TEST_CASE(a_cut_or_lengthened_ticket_is_refused, fixture) {
    const auto ring_ = ring();
    BOOST_TEST(ring_->rotate(clock.now(), day, retention).value());
    const auto value = ring_->seal(sample()).value();
    for (std::size_t size = 0; size < value.size(); ++size)
        BOOST_TEST(ring_->unseal(value.substr(0, size)).has_error(), size);
    for (const std::string& text :
         {value + "A", value + "AAAA", value + " x", "v2" + value.substr(2), "v1  " + value.substr(3), std::string{"-"},
          std::string{"v1 "}, std::string{"v1  "}, std::string{"v1 ABCDEFGH "}, std::string(5000, 'v'),
          "v1 ABCDEFGH " + std::string(2000, 'A')})
        BOOST_TEST(ring_->unseal(text).has_error(), text.substr(0, 40));
    BOOST_TEST(error_of(ring_->unseal("Received: from x")) == errc::malformed);
    BOOST_TEST(error_of(ring_->unseal("v1 ABCDEFGH " + std::string(2000, 'A'))) == errc::malformed);
}

BOOST_FIXTURE_TEST_CASE(a_ticket_of_other_keys_is_not_found_and_one_under_a_stolen_id_is_denied, fixture) {
    const auto ours = ring();
    BOOST_TEST(ours->rotate(clock.now(), day, retention).value());
    const fixture elsewhere;
    const auto theirs = elsewhere.ring();
    BOOST_TEST(theirs->rotate(clock.now(), day, retention).value());
    const auto forged = theirs->seal(sample()).value();
    BOOST_TEST(error_of(ours->unseal(forged)) == errc::not_found);
    const auto our_id = ours->seal(sample()).value().substr(0, forged.rfind(' '));
    BOOST_TEST(error_of(ours->unseal(our_id + forged.substr(forged.rfind(' ')))) == errc::denied);
}

BOOST_FIXTURE_TEST_CASE(the_value_stays_under_900_octets_and_what_is_too_long_is_refused, fixture) {
    const auto ring_ = ring();
    BOOST_TEST(ring_->rotate(clock.now(), day, retention).value());
    ticket t;
    t.account = std::string(200, 'a');
    t.login = std::string(200, 'l');
    t.client = std::string(50, 'c');
    t.instance = std::string(100, 'i');
    t.queue_id = std::string(50, 'q');
    const auto value = ring_->seal(t).value();
    BOOST_TEST(value.size() < 900U);
    BOOST_TEST(ring_->unseal(value).value() == t);
    t.queue_id = std::string(10, 'q');
    t.server = std::string(40, 's');
    t.new_recipients = 7;
    const auto before_queue = ring_->seal(t).value();
    BOOST_TEST(before_queue.size() < 900U);
    BOOST_TEST(ring_->unseal(before_queue).value() == t);
    t.server += 's';
    BOOST_TEST((ring_->seal(t).error().code == errc::too_large));
}

BOOST_FIXTURE_TEST_CASE(without_a_key_nothing_is_sealed_and_no_file_is_fine, fixture) {
    const auto ring_ = ring();
    BOOST_TEST((ring_->seal(sample()).error().code == errc::unavailable));
    BOOST_TEST(error_of(ring_->unseal("v1 ABCDEFGH " + std::string(80, 'A'))) == errc::not_found);
    BOOST_TEST(!fs::exists(file));
}

BOOST_FIXTURE_TEST_CASE(a_key_is_replaced_when_it_is_old_and_dropped_a_retention_after_that, fixture) {
    const auto ring_ = ring();
    BOOST_TEST(ring_->rotate(clock.now(), day, retention).value());
    const auto first = ring_->seal(sample()).value();
    clock.advance(day - seconds{1});
    BOOST_TEST(!ring_->rotate(clock.now(), day, retention).value());
    clock.advance(seconds{1});
    BOOST_TEST(ring_->rotate(clock.now(), day, retention).value());
    const auto second = ring_->seal(sample()).value();
    BOOST_TEST(first.substr(0, 11) != second.substr(0, 11));
    BOOST_TEST(ring_->unseal(first).value() == sample());
    // The first key was in use until now: it stays for the whole retention from here.
    clock.advance(retention);
    BOOST_TEST(ring_->rotate(clock.now(), hours{24 * 365}, retention).has_value());
    BOOST_TEST(ring_->unseal(first).value() == sample());
    clock.advance(seconds{1});
    BOOST_TEST(ring_->rotate(clock.now(), hours{24 * 365}, retention).value());
    BOOST_TEST(error_of(ring_->unseal(first)) == errc::not_found);
    BOOST_TEST(ring_->unseal(second).value() == sample());
}

BOOST_FIXTURE_TEST_CASE(a_long_pause_does_not_drop_the_key_that_was_in_use, fixture) {
    const auto ring_ = ring();
    BOOST_TEST(ring_->rotate(clock.now(), day, retention).value());
    const auto queued = ring_->seal(sample()).value();
    clock.advance(10 * retention);
    BOOST_TEST(ring_->rotate(clock.now(), day, retention).value());
    BOOST_TEST(ring_->unseal(queued).value() == sample());
}

BOOST_FIXTURE_TEST_CASE(a_key_from_a_wrong_future_is_replaced, fixture) {
    const auto ring_ = ring();
    BOOST_TEST(ring_->rotate(clock.now() + hours{24 * 365}, day, retention).value());
    const auto early = ring_->seal(sample()).value();
    BOOST_TEST(ring_->rotate(clock.now(), day, retention).value());
    BOOST_TEST(ring_->seal(sample()).value().substr(0, 11) != early.substr(0, 11));
    BOOST_TEST(ring_->unseal(early).value() == sample());
}

BOOST_FIXTURE_TEST_CASE(the_file_has_its_mode_its_order_and_no_leftovers, fixture) {
    const auto old_mask = ::umask(0077);
    const auto ring_ = ring();
    put(""); // and an old attempt of a writer that died, as a trap
    fs::create_symlink("/dev/null", directory / "ticket.keys.new");
    BOOST_TEST(ring_->rotate(clock.now(), day, retention).value());
    clock.advance(day);
    BOOST_TEST(ring_->rotate(clock.now(), day, retention).value());
    ::umask(old_mask);
    struct stat info {};
    BOOST_TEST_REQUIRE(::lstat(file.c_str(), &info) == 0);
    BOOST_TEST((info.st_mode & 07777) == 0640U);
    BOOST_TEST(S_ISREG(info.st_mode));
    BOOST_TEST(!fs::exists(fs::symlink_status(directory / "ticket.keys.new")));
    const auto content = text();
    const auto lines = split(content, '\n');
    BOOST_TEST_REQUIRE(lines.size() == 3U);
    BOOST_TEST(split(lines[0], ' ').at(1) == "1767312000");
    BOOST_TEST(split(lines[1], ' ').at(1) == "1767225600");
    BOOST_TEST(ring_->seal(sample()).value().substr(3, 8) == lines[0].substr(0, 8));
}

BOOST_FIXTURE_TEST_CASE(a_reader_follows_the_writer_on_one_file, fixture) {
    const auto writer = ring();
    const auto reader = ring();
    BOOST_TEST(writer->rotate(clock.now(), day, retention).value());
    std::vector<std::string> values;
    for (int i = 0; i < 5; ++i) {
        values.push_back(writer->seal(sample()).value());
        // A forged id in between does not keep the reader from the next key.
        BOOST_TEST(error_of(reader->unseal("v1 ABCDEFGH " + std::string(80, 'A'))) == errc::not_found);
        clock.advance(day);
        BOOST_TEST(writer->rotate(clock.now(), day, retention).value());
        for (const auto& value : values)
            BOOST_TEST(reader->unseal(value).value() == sample());
    }
    const auto late = ring();
    for (const auto& value : values)
        BOOST_TEST(late->unseal(value).value() == sample());
}

BOOST_FIXTURE_TEST_CASE(a_deleted_file_is_written_again, fixture) {
    const auto writer = ring();
    BOOST_TEST(writer->rotate(clock.now(), day, retention).value());
    const auto value = writer->seal(sample()).value();
    fs::remove(file);
    BOOST_TEST(writer->rotate(clock.now(), day, retention).value());
    BOOST_TEST(ring()->unseal(value).value() == sample());
}

BOOST_FIXTURE_TEST_CASE(a_garbage_file_is_an_error_that_names_it, fixture) {
    const auto writer = ring();
    BOOST_TEST(writer->rotate(clock.now(), day, retention).value());
    const auto good = text();
    for (const std::string& garbage : {std::string{"garbage"}, good + "x\n", good.substr(0, good.size() / 2),
                                       good.substr(9), "ABCDEFGH -1 " + good.substr(good.rfind(' ') + 1),
                                       "ABCDEFGH 12x " + good.substr(good.rfind(' ') + 1), std::string(100, '\0')}) {
        put(garbage);
        const auto out = ticket_ring::open(file);
        BOOST_TEST_REQUIRE(out.has_error());
        BOOST_TEST((out.error().code == errc::corrupt));
        BOOST_TEST(out.error().detail.starts_with(file.string()), out.error().detail);
    }
    put(std::string(300U << 10U, '\n'));
    BOOST_TEST((ticket_ring::open(file).error().code == errc::too_large));
    put(good + "\n\n");
    BOOST_TEST(ticket_ring::open(file).has_value());
}

BOOST_FIXTURE_TEST_CASE(a_file_that_turns_to_garbage_keeps_the_keys_that_were_read, fixture) {
    const auto writer = ring();
    BOOST_TEST(writer->rotate(clock.now(), day, retention).value());
    const auto value = writer->seal(sample()).value();
    const auto reader = ring();
    put("garbage");
    const auto unknown = reader->unseal("v1 ABCDEFGH " + std::string(80, 'A'));
    BOOST_TEST(error_of(unknown) == errc::not_found);
    BOOST_TEST((unknown.error().detail.find("line 1") != std::string::npos), unknown.error().detail);
    BOOST_TEST(reader->unseal(value).value() == sample());
}

BOOST_FIXTURE_TEST_CASE(an_unreadable_file_or_directory_is_an_error, fixture) {
    fs::create_directory(file);
    BOOST_TEST((ticket_ring::open(file).error().code == errc::unavailable));
    fs::remove(file);
    const auto writer = ticket_ring::open(directory / "absent" / "ticket.keys").value();
    BOOST_TEST(writer->rotate(clock.now(), day, retention).has_error());
    BOOST_TEST((writer->seal(sample()).error().code == errc::unavailable));
    if (::geteuid() == 0) return; // root reads everything
    put("x");
    ::chmod(file.c_str(), 0);
    BOOST_TEST((ticket_ring::open(file).error().code == errc::denied));
}

BOOST_FIXTURE_TEST_CASE(threads_unseal_while_the_keys_turn, fixture) {
    const auto writer = ring();
    const auto reader = ring();
    BOOST_TEST(writer->rotate(clock.now(), day, retention).value());
    std::vector<std::string> values;
    for (int i = 0; i < 10; ++i) {
        clock.advance(day);
        BOOST_TEST(writer->rotate(clock.now(), day, retention).value());
        values.push_back(writer->seal(sample()).value());
    }
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (const auto& value : values)
                if (const auto out = reader->unseal(value); out && *out == sample()) ++good;
        });
    for (auto& thread : threads)
        thread.join();
    BOOST_TEST(good == 40);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace postsluice::account
