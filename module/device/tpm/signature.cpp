#include "device/tpm/signature.h"

#include <algorithm>

#include "base/error.h"
#include "device/tpm/sapi.h"

namespace mayfly::tpm {
namespace {

[[noreturn]] void refuse() {
  throw Error(CKR_DEVICE_ERROR, "the TPM made another signature than it was asked for");
}

/// A number of a fixed width, big-endian.
void write_number(ByteView number, ByteSpan out) {
  if (number.size() > out.size()) refuse();
  const std::size_t zeros = out.size() - number.size();
  std::fill_n(out.begin(), zeros, std::uint8_t{0});
  std::copy(number.begin(), number.end(), out.begin() + static_cast<std::ptrdiff_t>(zeros));
}

TPM2_ALG_ID expected_algorithm(Scheme scheme) {
  switch (scheme) {
    case Scheme::ecdsa:
      return TPM2_ALG_ECDSA;
    case Scheme::rsa_pkcs1:
      return TPM2_ALG_RSASSA;
    case Scheme::rsa_pss:
      return TPM2_ALG_RSAPSS;
    case Scheme::eddsa:
      break;
  }
  refuse();
}

}  // namespace

std::size_t write_signature(const PublicKey& key, const SignRequest& request,
                            const TPMT_SIGNATURE& signature, ByteSpan out) {
  const std::size_t size = key.signature_size();
  if (out.size() < size) throw Error(CKR_BUFFER_TOO_SMALL, "the signature does not fit");
  if (signature.sigAlg != expected_algorithm(request.scheme.scheme)) refuse();
  const ByteSpan written = out.first(size);
  if (signature.sigAlg == TPM2_ALG_ECDSA) {
    write_number(view(signature.signature.ecdsa.signatureR), written.first(size / 2));
    write_number(view(signature.signature.ecdsa.signatureS), written.subspan(size / 2));
    return size;
  }
  const ByteView number = signature.sigAlg == TPM2_ALG_RSASSA
                              ? view(signature.signature.rsassa.sig)
                              : view(signature.signature.rsapss.sig);
  write_number(number, written);
  // Some TPMs use the longest salt that fits, whatever was asked for; it shows nowhere else.
  if (signature.sigAlg == TPM2_ALG_RSAPSS && !key.verify(request.scheme, request.input, written)) {
    throw Error(CKR_DEVICE_ERROR,
                "the TPM makes PSS with a salt of another length than the digest's, which nobody "
                "asked for; use PKCS#1 v1.5");
  }
  return size;
}

}  // namespace mayfly::tpm
