#include "credential/ssh/certificate.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/base64.h"
#include "base/error.h"
#include "base/random.h"
#include "base/utf8.h"
#include "credential/checked_signature.h"
#include "credential/ssh/wire.h"

namespace mayfly::ssh {
namespace {

constexpr std::uint32_t kUser = 1;  // SSH_CERT_TYPE_USER
constexpr std::size_t kNonceSize = 32;
constexpr std::size_t kSerialDigits = 16;
constexpr std::size_t kMaxText = 255;
constexpr std::size_t kMaxPrincipals = 256;  // what OpenSSH takes

constexpr std::string_view kCriticalOptions[] = {"force-command", "source-address",
                                                 "verify-required"};
constexpr std::string_view kExtensions[] = {"no-touch-required",
                                            "permit-X11-forwarding",
                                            "permit-agent-forwarding",
                                            "permit-port-forwarding",
                                            "permit-pty",
                                            "permit-user-rc"};

[[noreturn]] void refuse(const std::string& why) { throw Error(CKR_ARGUMENTS_BAD, why); }

void check_text(const std::string& text, const char* what) {
  if (text.empty() || text.size() > kMaxText || !is_printable_utf8(text)) {
    refuse(std::string(what) + " has 1 to 255 bytes without control characters");
  }
}

void check_principals(const std::vector<std::string>& principals) {
  if (principals.empty()) {
    refuse("the certificate names no user, so that it would be good for all; say which");
  }
  if (principals.size() > kMaxPrincipals) refuse("a certificate names 256 users at most");
  for (const std::string& principal : principals) check_text(principal, "a user of a certificate");
}

void check(const TaskCertificate& wanted) {
  check_text(wanted.task_id, "a task's ID");
  if (!is_hex(wanted.serial, kSerialDigits)) refuse("a serial has 16 hexadecimal digits");
  check_principals(wanted.principals);
  if (wanted.valid_before_unix_s <= wanted.valid_after_unix_s) {
    refuse("the certificate would never be valid");
  }
  for (const auto& [name, value] : wanted.critical_options) {
    if (std::ranges::find(kCriticalOptions, name) == std::end(kCriticalOptions)) {
      refuse("there is no critical option \"" + printable_utf8(name) + "\"");
    }
    if (name == "verify-required" ? !value.empty() : value.empty()) {
      refuse("the critical option " + name + (value.empty() ? " wants a value" : " has no value"));
    }
    if (!is_printable_utf8(value)) refuse("a critical option holds control characters");
  }
  for (const std::string& name : wanted.extensions) {
    if (std::ranges::find(kExtensions, name) == std::end(kExtensions)) {
      refuse("there is no extension \"" + printable_utf8(name) + "\"");
    }
  }
}

std::string certificate_type(const KeySpec& spec) {
  return key_type(spec) + "-cert-v01@openssh.com";
}

void write_options(Writer& writer, const TaskCertificate& wanted) {
  Writer critical;  // a map: in the order of their names, as it must be
  for (const auto& [name, value] : wanted.critical_options) {
    Writer data;
    if (!value.empty()) data.string(value);
    critical.string(name);
    critical.string(data.bytes());
  }
  writer.string(critical.bytes());
  Writer extensions;
  for (const std::string& name :
       std::set<std::string>(wanted.extensions.begin(), wanted.extensions.end())) {
    extensions.string(name);
    extensions.string("");
  }
  writer.string(extensions.bytes());
}

Bytes to_be_signed(const TaskCertificate& wanted, const PublicKey& key, const PublicKey& issuer) {
  Writer writer;
  writer.string(certificate_type(key.spec()));
  std::array<std::uint8_t, kNonceSize> nonce{};
  fill_random(nonce, "a certificate's nonce");
  writer.string(nonce);
  write_key(writer, key);
  writer.long_number(parse_hex_number(wanted.serial).value_or(0));
  writer.number(kUser);
  writer.string(wanted.task_id + " (" + wanted.serial + ")");
  writer.list(wanted.principals);
  writer.long_number(wanted.valid_after_unix_s);
  writer.long_number(wanted.valid_before_unix_s);
  write_options(writer, wanted);
  writer.string("");  // reserved
  writer.string(key_blob(issuer));
  return writer.bytes();
}

}  // namespace

std::string make_certificate(const TaskCertificate& wanted, const PublicKey& key, Signer& issuer) {
  check(wanted);
  const PublicKey& issuer_key = issuer.public_key();
  const Bytes body = to_be_signed(wanted, key, issuer_key);
  const Bytes signature = credential::checked_signature(issuer, scheme_of(issuer_key.spec()), body);
  Writer certificate;
  certificate.raw(body);
  certificate.string(signature_blob(issuer_key.spec(), signature));
  return certificate_type(key.spec()) + " " + to_base64(certificate.bytes());
}

std::string public_key_line(const PublicKey& key) {
  return key_type(key.spec()) + " " + to_base64(key_blob(key));
}

}  // namespace mayfly::ssh
