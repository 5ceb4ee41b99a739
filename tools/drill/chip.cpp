// What can be tried with a TPM itself, past mayfly.
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "device/tpm/tpm.h"
#include "tools/drill/owner.h"

namespace mayfly::drill {
namespace {

constexpr char kThief[] = "access to the TPM as the broker has it, while the task lives and after";

/// Saves a context of each signing key that is loaded, whosever it is.
std::vector<Bytes> steal_contexts(tpm::Tpm& thief) {
  std::vector<Bytes> stolen;
  for (const TPM2_HANDLE handle : thief.handles(TPM2_HR_TRANSIENT)) {
    const TPMA_OBJECT attributes =
        thief.read_public(handle).public_area.publicArea.objectAttributes;
    const bool signs = (attributes & TPMA_OBJECT_SIGN_ENCRYPT) != 0;
    if (signs && (attributes & TPMA_OBJECT_RESTRICTED) == 0) {
      stolen.push_back(thief.context_save(handle));
    }
  }
  return stolen;
}

/// Loads a context and signs with it, for whoever knows no authorisation value.
/// @throws Error what the TPM says.
void sign_with(tpm::Tpm& thief, ByteView context, const Kind& kind) {
  const TPM2_HANDLE key = thief.context_load(context);
  const TPMI_SH_POLICY session = thief.start_policy_session();
  const auto tidy_up = [&] {
    thief.flush_context(key);
    thief.flush_context(session);
  };
  TPMT_SIG_SCHEME scheme{};
  scheme.scheme = kind.spec.type == CKK_RSA ? TPM2_ALG_RSASSA : TPM2_ALG_ECDSA;
  scheme.details.any.hashAlg = TPM2_ALG_SHA256;
  try {
    thief.policy_password(session);
    static_cast<void>(
        thief.sign(key, {session, {}}, digest(Hash::sha256, as_bytes("drill")), scheme));
  } catch (...) {
    tidy_up();
    throw;
  }
  tidy_up();
}

Outcome use_stolen_context(const Ground& ground) {
  if (ground.config().device.type != DeviceType::tpm) throw NotTried("the device is no TPM");
  const Owner owner(ground);
  tpm::Tpm thief({ground.config().tpm.tcti, std::chrono::seconds(30)});
  const std::vector<Bytes> stolen = steal_contexts(thief);
  if (stolen.empty()) {
    throw NotTried("a resource manager keeps what is loaded from other processes");
  }
  owner.close_task();
  std::string refusal;
  for (const Bytes& context : stolen) {
    try {
      sign_with(thief, context, owner.session.kind());
      return {Result::broken, "the TPM signed with a context that was stolen"};
    } catch (const Error& error) {
      refusal = error.what();
    }
  }
  return {Result::held, refusal};
}

}  // namespace

std::vector<Scenario> chip_scenarios() {
  using enum Safeguard;
  return {
      {"use-a-stolen-context",
       kThief,
       "saves a context of the loaded key, and loads and uses it when the task has ended",
       "the TPM refuses it",
       {chip_deadline, chip_secret},
       use_stolen_context},
  };
}

}  // namespace mayfly::drill
