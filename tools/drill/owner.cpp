#include "tools/drill/owner.h"

#include "base/error.h"
#include "device/pkcs11/vendor_module.h"

namespace mayfly::drill {

Owner::Owner(const Ground& ground, const TaskWish& wish, bool on_token)
    : module(ground),
      slot(open_task(module, ground, wish)),
      session(module, ground, slot),
      keys(session.generate(on_token)) {
  expect_ok("signing while the task lives", session.sign(keys.private_key));
}

Owner::~Owner() { static_cast<void>(module->C_Finalize(nullptr)); }

void Owner::close_task() const {
  expect_ok("MAYFLY_CloseTask", module.vendor().MAYFLY_CloseTask(slot));
}

MAYFLY_TASK_INFO Owner::info() const {
  MAYFLY_TASK_INFO info{};
  expect_ok("MAYFLY_TaskInfo", module.vendor().MAYFLY_TaskInfo(slot, &info));
  return info;
}

Bytes OwnerSigner::sign(const SignatureScheme& scheme, ByteView message) {
  const Kind& kind = owner_.session.kind();
  CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, scheme.salt_size};
  CK_MECHANISM mechanism = {kind.sign, nullptr, 0};
  if (scheme.scheme == Scheme::rsa_pss) mechanism = {CKM_SHA256_RSA_PKCS_PSS, &pss, sizeof pss};
  pkcs11::check(
      owner_.module->C_SignInit(owner_.session.handle(), &mechanism, owner_.keys.private_key),
      "C_SignInit");
  Bytes signature(kMaxSignatureSize);
  CK_ULONG size = signature.size();
  pkcs11::check(owner_.module->C_Sign(owner_.session.handle(), const_cast<CK_BYTE*>(message.data()),
                                      message.size(), signature.data(), &size),
                "C_Sign");
  signature.resize(size);
  return signature;
}

}  // namespace mayfly::drill
