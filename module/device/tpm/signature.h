// Signatures as PKCS#11 wants them.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "base/bytes.h"
#include "base/public_key.h"
#include "device/device.h"

namespace mayfly::tpm {

/// Writes a signature of the TPM's: r‖s of fixed width, or that of RSA.
/// @return the bytes written
/// @throws Error CKR_DEVICE_ERROR when it is not what was asked for, CKR_BUFFER_TOO_SMALL.
std::size_t write_signature(const PublicKey& key, const SignRequest& request,
                            const TPMT_SIGNATURE& signature, ByteSpan out);

}  // namespace mayfly::tpm
