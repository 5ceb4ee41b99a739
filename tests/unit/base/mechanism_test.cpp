#include "base/mechanism.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace mayfly {
namespace {

struct PssCase {
  const char* what;
  CK_MECHANISM_TYPE mechanism;
  std::optional<MechanismChoice::Pss> parameter;
  bool good;
};

TEST(Mechanism, PssParametersMustFitMechanismAndKey) {
  const PssCase cases[] = {
      {"SHA-256", CKM_RSA_PKCS_PSS, {{CKM_SHA256, CKG_MGF1_SHA256, 32}}, true},
      {"no salt", CKM_RSA_PKCS_PSS, {{CKM_SHA256, CKG_MGF1_SHA256, 0}}, true},
      {"longest salt", CKM_RSA_PKCS_PSS, {{CKM_SHA256, CKG_MGF1_SHA256, 222}}, true},
      {"salt too long", CKM_RSA_PKCS_PSS, {{CKM_SHA256, CKG_MGF1_SHA256, 223}}, false},
      {"absurd salt", CKM_RSA_PKCS_PSS, {{CKM_SHA256, CKG_MGF1_SHA256, ~0UL}}, false},
      {"other mask hash", CKM_RSA_PKCS_PSS, {{CKM_SHA256, CKG_MGF1_SHA384, 32}}, false},
      {"SHA-1", CKM_RSA_PKCS_PSS, {{CKM_SHA_1, CKG_MGF1_SHA1, 20}}, false},
      {"missing", CKM_RSA_PKCS_PSS, std::nullopt, false},
      {"fits", CKM_SHA384_RSA_PKCS_PSS, {{CKM_SHA384, CKG_MGF1_SHA384, 48}}, true},
      {"contradicts", CKM_SHA384_RSA_PKCS_PSS, {{CKM_SHA256, CKG_MGF1_SHA256, 32}}, false},
  };
  for (const PssCase& test : cases) {
    CK_RV rv = CKR_OK;
    try {
      static_cast<void>(signature_scheme(*find_mechanism(test.mechanism),
                                         {test.mechanism, test.parameter}, {CKK_RSA, 2048}));
    } catch (const Error& error) {
      rv = error.rv();
    }
    EXPECT_EQ(rv, test.good ? CKR_OK : CKR_MECHANISM_PARAM_INVALID) << test.what;
  }
}

}  // namespace
}  // namespace mayfly
