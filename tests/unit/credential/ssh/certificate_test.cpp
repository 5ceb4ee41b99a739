// What OpenSSH makes of these certificates is tested with OpenSSH itself, in tests/clients.
#include "credential/ssh/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "credential/ssh/wire.h"
#include "support/failure_of.h"
#include "unit/credential/new_key.h"

namespace mayfly::ssh {
namespace {

Bytes integer(std::string_view hex) {
  Writer writer;
  writer.integer(*parse_hex(hex));
  return writer.bytes();
}

TEST(SshWire, WritesIntegersAsRfc4251Does) {
  EXPECT_EQ(to_hex(integer("")), "00000000");
  EXPECT_EQ(to_hex(integer("0000")), "00000000");
  EXPECT_EQ(to_hex(integer("09a378f9b2e332a7")), "0000000809a378f9b2e332a7");
  EXPECT_EQ(to_hex(integer("80")), "000000020080");
  EXPECT_EQ(to_hex(integer("00007f")), "000000017f");
}

TEST(SshWire, WritesStringsAndLists) {
  Writer writer;
  writer.string("testing");
  writer.list({"a", ""});
  writer.long_number(0x0102030405060708);
  EXPECT_EQ(to_hex(writer.bytes()),
            "0000000774657374696e67"
            "000000090000000161"
            "00000000"
            "0102030405060708");
}

TaskCertificate wanted() {
  TaskCertificate wanted;
  wanted.task_id = "invoice";
  wanted.serial = "0123456789abcdef";
  wanted.principals = {"deploy"};
  wanted.valid_after_unix_s = 100;
  wanted.valid_before_unix_s = 200;
  return wanted;
}

TEST(SshCertificates, AreMadeOfEveryKindOfKeyByEveryKindOfIssuer) {
  std::vector<std::unique_ptr<Signer>> keys;
  for (const KeySpec& spec : test::kKindsOfKeys) keys.push_back(test::new_key(spec));
  for (const auto& issuer : keys) {
    for (const auto& key : keys) {
      const std::string line = make_certificate(wanted(), key->public_key(), *issuer);
      EXPECT_TRUE(
          line.starts_with(key_type(key->public_key().spec()) + "-cert-v01@openssh.com AAAA"));
    }
  }
}

TEST(SshCertificates, ThatWouldBeTooMuchAreRefused) {
  const auto issuer = test::new_key({CKK_EC, 256});
  const auto refused = [&](const auto& spoil) {
    TaskCertificate bad = wanted();
    spoil(bad);
    return test::answer_of(
        [&] { static_cast<void>(make_certificate(bad, issuer->public_key(), *issuer)); });
  };
  EXPECT_EQ(refused([](TaskCertificate&) {}), CKR_OK);
  EXPECT_EQ(refused([](TaskCertificate& c) { c.principals.clear(); }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refused([](TaskCertificate& c) { c.principals = {""}; }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refused([](TaskCertificate& c) { c.principals = {"a\nb"}; }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refused([](TaskCertificate& c) { c.principals.assign(257, "a"); }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refused([](TaskCertificate& c) { c.task_id = ""; }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refused([](TaskCertificate& c) { c.serial = "1"; }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refused([](TaskCertificate& c) { c.valid_before_unix_s = 100; }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refused([](TaskCertificate& c) { c.extensions = {"permit-all"}; }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refused([](TaskCertificate& c) { c.critical_options["x"] = "y"; }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refused([](TaskCertificate& c) { c.critical_options["force-command"] = ""; }),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refused([](TaskCertificate& c) { c.critical_options["verify-required"] = "y"; }),
            CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refused([](TaskCertificate& c) { c.critical_options["source-address"] = "::1"; }),
            CKR_OK);
}

}  // namespace
}  // namespace mayfly::ssh
