// SPDX-License-Identifier: Apache-2.0
#include "shared/account/ticket.hpp"

#include "shared/core/random.hpp"
#include "shared/core/text.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace postsluice::account {

namespace {

constexpr std::string_view version_tag = "v1 ";
constexpr std::size_t nonce_size = 12, tag_size = 16, secret_size = 32;
constexpr std::size_t max_texts = 600;  // so that the whole value stays under 900 octets
constexpr std::size_t max_value = 1024; // what unseal() looks at
constexpr std::size_t max_keys = 1000;

struct cipher_delete {
    void operator()(EVP_CIPHER_CTX* p) const noexcept { EVP_CIPHER_CTX_free(p); }
};
using cipher_ptr = std::unique_ptr<EVP_CIPHER_CTX, cipher_delete>;

unsigned char* out_bytes(std::string& text, std::size_t at = 0) {
    return reinterpret_cast<unsigned char*>(text.data() + at);
}
const unsigned char* bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

void put_number(std::string& out, std::uint64_t value, unsigned octets) {
    for (unsigned i = octets; i-- > 0;)
        out.push_back(static_cast<char>((value >> (8 * i)) & 0xFF));
}
void put_text(std::string& out, std::string_view text) {
    put_number(out, text.size(), 2);
    out += text;
}

std::optional<std::uint64_t> take_number(std::string_view& in, unsigned octets) {
    if (in.size() < octets) return std::nullopt;
    std::uint64_t value = 0;
    for (unsigned i = 0; i < octets; ++i)
        value = (value << 8) | static_cast<unsigned char>(in[i]);
    in.remove_prefix(octets);
    return value;
}
bool take_text(std::string_view& in, std::string& out) {
    const auto size = take_number(in, 2);
    if (!size || in.size() < *size) return false;
    out = in.substr(0, *size);
    in.remove_prefix(*size);
    return true;
}

/// The login of most accounts is the account: it is written once then, and read back as the same.
std::string encode(const ticket& t) {
    std::string out;
    put_text(out, t.account);
    put_text(out, t.client);
    put_text(out, t.instance);
    put_text(out, t.queue_id);
    put_number(out, t.login == t.account ? 1 : 0, 1);
    put_text(out, t.login == t.account ? std::string_view{} : t.login);
    put_number(out, t.recipients, 4);
    put_number(out, static_cast<std::uint64_t>(t.issued.time_since_epoch().count()), 8);
    if (t.server.empty()) return out;
    put_text(out, t.server);
    if (t.new_recipients) put_number(out, *t.new_recipients, 4);
    return out;
}

std::optional<ticket> decode(std::string_view in) {
    ticket t;
    if (!take_text(in, t.account) || !take_text(in, t.client) || !take_text(in, t.instance) ||
        !take_text(in, t.queue_id))
        return std::nullopt;
    const auto same = take_number(in, 1);
    if (!same || !take_text(in, t.login)) return std::nullopt;
    const auto recipients = take_number(in, 4);
    const auto issued = take_number(in, 8);
    if (!recipients || !issued) return std::nullopt;
    if (!in.empty() && (!take_text(in, t.server) || t.server.empty())) return std::nullopt;
    if (!in.empty()) {
        const auto fresh = take_number(in, 4);
        if (!fresh || !in.empty()) return std::nullopt;
        t.new_recipients = static_cast<std::uint32_t>(*fresh);
    }
    if (*same == 1) t.login = t.account;
    t.recipients = static_cast<std::uint32_t>(*recipients);
    t.issued = instant{milliseconds{static_cast<std::int64_t>(*issued)}};
    return t;
}

/// nonce | ciphertext | tag, by a context that has its key.
result<std::string> encrypt(EVP_CIPHER_CTX* ctx, std::string_view nonce, std::string_view associated,
                            std::string_view plain) {
    std::string out{nonce};
    out.resize(nonce_size + plain.size() + tag_size);
    int size = 0, last = 0;
    if (ctx == nullptr || EVP_EncryptInit_ex(ctx, nullptr, nullptr, nullptr, bytes(out)) != 1 ||
        EVP_EncryptUpdate(ctx, nullptr, &size, bytes(associated), static_cast<int>(associated.size())) != 1 ||
        EVP_EncryptUpdate(ctx, out_bytes(out, nonce_size), &size, bytes(plain), static_cast<int>(plain.size())) != 1 ||
        EVP_EncryptFinal_ex(ctx, out_bytes(out, nonce_size + static_cast<std::size_t>(size)), &last) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, tag_size, out_bytes(out, nonce_size + plain.size())) != 1)
        return failure{errc::internal, "a ticket could not be sealed"};
    return out;
}

std::optional<std::string> decrypt(std::string_view secret, std::string_view associated, std::string_view blob) {
    const cipher_ptr ctx{EVP_CIPHER_CTX_new()};
    const auto sealed = blob.substr(nonce_size, blob.size() - nonce_size - tag_size);
    std::string tag{blob.substr(blob.size() - tag_size)};
    std::string plain(sealed.size() + 1, '\0'); // never empty, so that it has an address
    int size = 0, last = 0;
    if (!ctx || EVP_DecryptInit_ex(ctx.get(), EVP_aes_256_gcm(), nullptr, bytes(secret), bytes(blob)) != 1 ||
        EVP_DecryptUpdate(ctx.get(), nullptr, &size, bytes(associated), static_cast<int>(associated.size())) != 1 ||
        EVP_DecryptUpdate(ctx.get(), out_bytes(plain), &size, bytes(sealed), static_cast<int>(sealed.size())) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx.get(), EVP_CTRL_GCM_SET_TAG, tag_size, tag.data()) != 1 ||
        EVP_DecryptFinal_ex(ctx.get(), out_bytes(plain, static_cast<std::size_t>(size)), &last) != 1)
        return std::nullopt;
    plain.resize(sealed.size());
    return plain;
}

bool is_key_id(std::string_view id) {
    return id.size() == 8 &&
           std::all_of(id.begin(), id.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); });
}

} // namespace

struct ticket_ring::sealer {
    static constexpr std::size_t nonces_at_once = 64;
    explicit sealer(const key& k)
        : associated{std::string{version_tag} + k.id}
        , ctx{EVP_CIPHER_CTX_new()} {
        if (ctx && EVP_EncryptInit_ex(ctx.get(), EVP_aes_256_gcm(), nullptr, bytes(k.secret), nullptr) != 1)
            ctx.reset();
    }
    /// Random: with a new key a day that is safe far beyond 2^32 tickets a key. Each is used once.
    std::string_view next_nonce() {
        if (nonces.size() < used + nonce_size) {
            nonces = random_bytes(nonces_at_once * nonce_size);
            used = 0;
        }
        return std::string_view{nonces}.substr(std::exchange(used, used + nonce_size), nonce_size);
    }
    std::string associated; ///< version and key id, in front of the sealed part and sealed with it
    cipher_ptr ctx;
    std::string nonces;
    std::size_t used = 0;
};

ticket_ring::ticket_ring(std::filesystem::path file)
    : file_{std::move(file)} {}
ticket_ring::~ticket_ring() = default;

result<std::unique_ptr<ticket_ring>> ticket_ring::open(std::filesystem::path file) {
    std::unique_ptr<ticket_ring> out{new ticket_ring{std::move(file)}};
    auto keys = read(out->file_, out->seen_);
    if (!keys) return keys.error();
    out->keys_ = std::move(*keys);
    return out;
}

const ticket_ring::key* ticket_ring::find(std::string_view id) const {
    const auto found = std::find_if(keys_.begin(), keys_.end(), [id](const key& k) { return k.id == id; });
    return found == keys_.end() ? nullptr : &*found;
}

// A file that has not changed since it was read cannot hold the key now, so forged key ids cost one stat(2) each and
// never keep a new key out. Only a read that failed is worth repeating as it stands, and that once a second.
result<void> ticket_ring::reread() {
    const auto now = std::chrono::steady_clock::now();
    if (failed_ != std::chrono::steady_clock::time_point{} && now - failed_ < seconds{1})
        return failure{errc::unavailable, file_.string() + ": could not be read a moment ago"};
    if (failed_ == std::chrono::steady_clock::time_point{} && version_of(file_) == seen_) return {};
    auto keys = read(file_, seen_);
    if (!keys) {
        failed_ = now;
        return keys.error();
    }
    failed_ = {};
    keys_ = std::move(*keys);
    sealer_.reset();
    return {};
}

result<bool> ticket_ring::rotate(instant now, seconds rotation, seconds retention) {
    const std::lock_guard lock{mutex_};
    auto keys = keys_;
    // A newest key from the future by more than a rotation was made while the clock was wrong: it would never age.
    const bool due = keys.empty() || now - keys.front().created >= rotation || keys.front().created - now > rotation;
    if (due)
        keys.insert(keys.begin(), key{new_reference(), random_bytes(secret_size), std::chrono::floor<seconds>(now)});
    for (std::size_t i = 1; i < keys.size(); ++i)
        if (now - keys[i - 1].created > retention || i >= max_keys) {
            keys.resize(i);
            break;
        }
    if (keys.size() == keys_.size() && !due && version_of(file_) != version{}) return false;
    if (auto written = write(keys); !written) return written.error();
    keys_ = std::move(keys);
    sealer_.reset();
    seen_ = version_of(file_);
    return true;
}

result<std::string> ticket_ring::seal(const ticket& t) const {
    const auto login = t.login == t.account ? 0 : t.login.size();
    if (t.account.size() + t.client.size() + t.instance.size() + t.queue_id.size() + t.server.size() + login >
        max_texts)
        return failure{errc::too_large, "a ticket of account " + printable(t.account, 60) + " is too long"};
    const std::lock_guard lock{mutex_};
    if (keys_.empty()) return failure{errc::unavailable, "there is no ticket key yet"};
    if (!sealer_) sealer_ = std::make_unique<sealer>(keys_.front());
    const auto blob = encrypt(sealer_->ctx.get(), sealer_->next_nonce(), sealer_->associated, encode(t));
    if (!blob) return blob.error();
    return sealer_->associated + " " + base64url_encode(*blob);
}

result<ticket> ticket_ring::unseal(std::string_view header_value) {
    const auto value = trim(header_value);
    const failure no_ticket{errc::malformed, "is no ticket: " + printable(value, 40)};
    if (value.size() > max_value || !value.starts_with(version_tag)) return no_ticket;
    const auto blank = value.find(' ', version_tag.size());
    if (blank == std::string_view::npos) return no_ticket;
    const auto id = value.substr(version_tag.size(), blank - version_tag.size());
    std::string blob;
    if (!is_key_id(id) || !base64url_decode(value.substr(blank + 1), blob) || blob.size() < nonce_size + tag_size)
        return no_ticket;
    std::string secret;
    {
        const std::lock_guard lock{mutex_};
        const key* found = find(id);
        std::string why;
        if (found == nullptr) {
            if (const auto again = reread(); !again) why = "; " + again.error().message();
            found = find(id);
        }
        if (found == nullptr)
            return failure{errc::not_found, "the ticket key " + std::string{id} + " is unknown" + why};
        secret = found->secret;
    }
    const auto plain = decrypt(secret, value.substr(0, blank), blob);
    if (!plain) return failure{errc::denied, "the seal of a ticket is broken (key " + std::string{id} + ")"};
    const auto out = decode(*plain);
    if (!out) return failure{errc::malformed, "a sealed ticket has fields that this version does not know"};
    return *out;
}

} // namespace postsluice::account
