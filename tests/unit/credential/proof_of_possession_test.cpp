#include "credential/proof_of_possession.h"

#include <gtest/gtest.h>

#include "base/task_binding.h"
#include "credential/x509/signing.h"
#include "support/failure_of.h"
#include "unit/credential/new_key.h"

namespace mayfly::credential {
namespace {

/// Somebody who claims another's key, and keeps what it is asked to sign.
class Claimant : public Signer {
 public:
  Claimant(PublicKey claimed, Signer& own) : claimed_(std::move(claimed)), own_(own) {}
  [[nodiscard]] const PublicKey& public_key() const noexcept override { return claimed_; }
  [[nodiscard]] Bytes sign(const SignatureScheme& scheme, ByteView message) override {
    asked.push_back(to_bytes(message));
    return own_.sign(scheme, message);
  }

  std::vector<Bytes> asked;

 private:
  PublicKey claimed_;
  Signer& own_;
};

TEST(ProofOfPossession, IsGivenByTheKeyItselfOnly) {
  for (const KeySpec& spec : test::kKindsOfKeys) {
    const auto own = test::new_key(spec);
    const auto other = test::new_key(spec);
    const SignatureScheme scheme = x509::scheme_of(spec);
    Claimant honest(own->public_key(), *own);
    EXPECT_EQ(test::answer_of([&] { prove_possession(honest, scheme); }), CKR_OK);
    Claimant thief(other->public_key(), *own);
    EXPECT_EQ(test::answer_of([&] { prove_possession(thief, scheme); }), CKR_SIGNATURE_INVALID)
        << to_string(spec);
  }
}

TEST(ProofOfPossession, SignsAFreshTextThatNoOtherProtocolHas) {
  const auto key = test::new_key({CKK_EC, 256});
  Claimant holder(key->public_key(), *key);
  const SignatureScheme scheme = x509::scheme_of({CKK_EC, 256});
  prove_possession(holder, scheme);
  prove_possession(holder, scheme);
  ASSERT_EQ(holder.asked.size(), 2U);
  EXPECT_NE(holder.asked[0], holder.asked[1]);
  const std::string start("mayfly-credential-v1\0", 21);
  for (const Bytes& text : holder.asked) {
    ASSERT_EQ(text.size(), start.size() + 32 + 32);
    EXPECT_TRUE(std::equal(start.begin(), start.end(), text.begin()));
    EXPECT_EQ(Bytes(text.end() - 32, text.end()), thumbprint(key->public_key()));
  }
}

}  // namespace
}  // namespace mayfly::credential
