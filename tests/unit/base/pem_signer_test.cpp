#include "base/pem_signer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/jws_algorithm.h"

namespace mayfly::test {
namespace {

// openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256, and -pubout of it; of P-521
constexpr char kP256Key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkBRx2VQqxOBGoxa8\n"
    "MkAP6bht4zUJCi3R2Uzqz7K8O96hRANCAASCfygYTcEjFxTnRNTKr0piHRtTmamg\n"
    "aknFe9FBIWjLj5Y/JpD82qPJCYyznzXeNDFIglj+FASA57lFCLuyFZX9\n"
    "-----END PRIVATE KEY-----\n";
constexpr char kP256PublicKey[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEgn8oGE3BIxcU50TUyq9KYh0bU5mp\n"
    "oGpJxXvRQSFoy4+WPyaQ/NqjyQmMs5813jQxSIJY/hQEgOe5RQi7shWV/Q==\n"
    "-----END PUBLIC KEY-----\n";
constexpr char kP521Key[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIADPU1CMVyEB/i+DBR\n"
    "DFY27vQbeYOOQt72mScNhz6dSfTfx1y2D67dqEg29HNMwsHKQZxnuyGhSTc85piP\n"
    "h0h0B0ehgYkDgYYABAAq/3kOFI2elYknbJGadD9y7Hz4MghSF45a++GNioNEAvd3\n"
    "l/xjr1/yAu32HomZPvGpHOa0klsusLzNtyzoJ7t/PwF0X5+usmZLuB/E79HnQNmH\n"
    "DLjXFt2k9Aktg4dDBQvuQinivauQ+9FDj+ovG0g79cgqu4QE3PYfjNICNY7Z0riU\n"
    "Eg==\n"
    "-----END PRIVATE KEY-----\n";

TEST(PemSigner, SignsAsItsPublicHalfVerifies) {
  for (const char* pem : {kP256Key, kP521Key}) {
    const auto signer = signer_of_pem(as_bytes(pem));
    const JwsAlgorithm algorithm = jws_algorithm_of(signer->public_key().spec()).value();
    const Bytes signature = signer->sign(scheme_of(algorithm), as_bytes("text"));
    EXPECT_TRUE(is_signature(algorithm, signer->public_key(), as_bytes("text"), signature));
    EXPECT_FALSE(is_signature(algorithm, signer->public_key(), as_bytes("Text"), signature));
  }
}

TEST(PemSigner, ReadsNothingButPrivateKeysOfKnownKinds) {
  const auto refusal = [](const std::string& pem) {
    try {
      static_cast<void>(signer_of_pem(as_bytes(pem)));
      return CKR_OK;
    } catch (const Error& error) {
      return error.rv();
    }
  };
  EXPECT_EQ(refusal(std::string(kP256Key)), CKR_OK);
  EXPECT_EQ(refusal("# some words before\n" + std::string(kP256Key)), CKR_OK);
  EXPECT_EQ(refusal(kP256PublicKey), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refusal(""), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refusal(std::string(kP256Key).substr(0, 80)), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(refusal(kP521Key), CKR_OK);
  // A key of secp256k1.
  EXPECT_EQ(refusal("-----BEGIN PRIVATE KEY-----\n"
                    "MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgtbcrH834VJBIvFWJ7egD\n"
                    "x+rSggG0EZFifFBi3YyjDP+hRANCAASxSr1BhNph0NK2jVykw87IoRjzCuu61yh2\n"
                    "/D8I3kkN+OSrglD9xVzlMY6A6r2UVe6aWpqD2FNBqC+QYH8DhGgG\n"
                    "-----END PRIVATE KEY-----\n"),
            CKR_ATTRIBUTE_VALUE_INVALID);
  EXPECT_EQ(refusal("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                    "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjvQAvk4ubkYwICCAAw\n"
                    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEKPkVgntnzfKoNZeGvJ6kgIEQAn+\n"
                    "/eFVol7RE0BmPJJCE5zChwxLXYlKLKp1GnsNhoYKtCXCGvJHx3yRS5QnwGdP8Ftj\n"
                    "mF8lDeGpRMUBlnrG16A=\n"
                    "-----END ENCRYPTED PRIVATE KEY-----\n"),
            CKR_ARGUMENTS_BAD);
}

}  // namespace
}  // namespace mayfly::test
