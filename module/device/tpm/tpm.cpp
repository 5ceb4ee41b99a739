#include "device/tpm/tpm.h"

#include <array>
#include <tss2/tss2_mu.h>

#include "base/random.h"
#include "base/secret.h"
#include "device/tpm/salted_session.h"
#include "device/tpm/sapi.h"

namespace mayfly::tpm {
namespace {

constexpr std::size_t kSessionNonce = 16;

}  // namespace

Tpm::Tpm(const ConnectionOptions& options) : tcti_(open_transport(options.tcti), options.limit) {
  const std::size_t size = Tss2_Sys_GetContextSize(0);
  sys_memory_.resize((size + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t));
  sys_ = reinterpret_cast<TSS2_SYS_CONTEXT*>(sys_memory_.data());
  TSS2_ABI_VERSION version = TSS2_ABI_VERSION_CURRENT;
  check(Tss2_Sys_Initialize(sys_, size, tcti_.context(), &version), "Tss2_Sys_Initialize");
}

Tpm::~Tpm() {
  Tss2_Sys_Finalize(sys_);
  zeroise({reinterpret_cast<std::uint8_t*>(sys_memory_.data()),
           sys_memory_.size() * sizeof(std::uint64_t)});
}

void Tpm::run(TSS2_RC rc, const char* command) {
  if (rc == TSS2_RC_SUCCESS) return;
  if (!is_from_tpm(rc)) tcti_.give_up();
  throw TpmError(rc, command);
}

TPMS_TIME_INFO Tpm::read_clock() {
  TPMS_TIME_INFO time{};
  run(Tss2_Sys_ReadClock(sys_, nullptr, &time, nullptr), "TPM2_ReadClock");
  return time;
}

Tpm::Capability Tpm::get_capability(TPM2_CAP capability, std::uint32_t property,
                                    std::uint32_t count) {
  TPMI_YES_NO more = TPM2_NO;
  TPMS_CAPABILITY_DATA data{};
  run(Tss2_Sys_GetCapability(sys_, nullptr, capability, property, count, &more, &data, nullptr),
      "TPM2_GetCapability");
  if (data.capability != capability) run(TSS2_SYS_RC_MALFORMED_RESPONSE, "TPM2_GetCapability");
  return {data.data, more == TPM2_YES};
}

std::uint32_t Tpm::property(TPM2_PT wanted) {
  const TPML_TAGGED_TPM_PROPERTY found =
      get_capability(TPM2_CAP_TPM_PROPERTIES, wanted, 1).data.tpmProperties;
  if (found.count == 0 || found.tpmProperty[0].property != wanted) return 0;
  return found.tpmProperty[0].value;
}

std::vector<TPM2_HANDLE> Tpm::handles(TPM2_HANDLE first) {
  std::vector<TPM2_HANDLE> found;
  const TPM2_HANDLE kind = first & TPM2_HR_RANGE_MASK;
  // Sessions: those that are saved are told with the type of handle that they had.
  const bool sessions = kind == TPM2_HR_HMAC_SESSION || kind == TPM2_HR_POLICY_SESSION;
  while (true) {
    const Capability answer = get_capability(TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES);
    const TPML_HANDLE& some = answer.data.handles;
    for (UINT32 i = 0; i < some.count; ++i) {
      const TPM2_HANDLE handle = some.handle[i];
      if (!sessions && (handle & TPM2_HR_RANGE_MASK) != kind) return found;
      found.push_back(handle);
    }
    if (!answer.more || some.count == 0) return found;
    const TPM2_HANDLE next = kind | ((some.handle[some.count - 1] + 1) & TPM2_HR_HANDLE_MASK);
    if (next <= first) run(TSS2_SYS_RC_MALFORMED_RESPONSE, "TPM2_GetCapability");
    first = next;
  }
}

bool Tpm::test_parms(const TPMT_PUBLIC_PARMS& parameters) {
  const TSS2_RC rc = Tss2_Sys_TestParms(sys_, nullptr, &parameters, nullptr);
  if (rc == TSS2_RC_SUCCESS) return true;
  if (!is_from_tpm(rc)) run(rc, "TPM2_TestParms");
  return false;
}

Tpm::Created Tpm::create_primary(TPMI_RH_HIERARCHY hierarchy, const TPM2B_PUBLIC& public_area) {
  CommandAuthorisation authorisation({});
  const TPM2B_SENSITIVE_CREATE sensitive{};
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION registers{};
  Created made;
  TPM2B_CREATION_DATA data{};
  TPM2B_DIGEST hash{};
  TPMT_TK_CREATION ticket{};
  run(Tss2_Sys_CreatePrimary(sys_, hierarchy, authorisation.command(), &sensitive, &public_area,
                             &outside, &registers, &made.handle, &made.public_area, &data, &hash,
                             &ticket, &made.name, authorisation.response()),
      "TPM2_CreatePrimary");
  return made;
}

/// Gives a command that was prepared.
void Tpm::execute(const TSS2L_SYS_AUTH_COMMAND& authorisations, const char* command) {
  run(Tss2_Sys_SetCmdAuths(sys_, &authorisations), "Tss2_Sys_SetCmdAuths");
  run(Tss2_Sys_Execute(sys_), command);
  // Nothing to compare with, but an answer that was cut short has none.
  TSS2L_SYS_AUTH_RESPONSE answer{};
  run(Tss2_Sys_GetRspAuths(sys_, &answer), command);
}

Tpm::Created Tpm::create_loaded(TPM2_HANDLE parent, ByteView parent_name,
                                const TPMT_PUBLIC& public_area, ByteView secret,
                                SaltedSession* protection) {
  static constexpr const char* kCommand = "TPM2_CreateLoaded";
  TPM2B_TEMPLATE wanted{};
  std::size_t size = 0;
  run(Tss2_MU_TPMT_PUBLIC_Marshal(&public_area, wanted.buffer, sizeof wanted.buffer, &size),
      "Tss2_MU_TPMT_PUBLIC_Marshal");
  wanted.size = static_cast<UINT16>(size);
  TPM2B_SENSITIVE_CREATE sensitive{};
  assign(sensitive.sensitive.userAuth, secret);
  const TSS2_RC rc = Tss2_Sys_CreateLoaded_Prepare(sys_, parent, &sensitive, &wanted);
  zeroise({sensitive.sensitive.userAuth.buffer, sensitive.sensitive.userAuth.size});
  run(rc, kCommand);
  if (protection != nullptr) {
    protection->protect({TPM2_CC_CreateLoaded, kCommand, parent_name, {}});
  } else {
    execute(*CommandAuthorisation({}).command(), kCommand);
  }
  Created made;
  TPM2B_PRIVATE wrapped{};
  const TSS2_RC result =
      Tss2_Sys_CreateLoaded_Complete(sys_, &made.handle, &wrapped, &made.public_area, &made.name);
  zeroise({wrapped.buffer, sizeof wrapped.buffer});
  run(result, kCommand);
  return made;
}

Tpm::PublicArea Tpm::read_public(TPM2_HANDLE handle) {
  PublicArea found;
  run(Tss2_Sys_ReadPublic(sys_, handle, nullptr, &found.public_area, &found.name,
                          &found.qualified_name, nullptr),
      "TPM2_ReadPublic");
  return found;
}

Bytes Tpm::context_save(TPM2_HANDLE handle) {
  TPMS_CONTEXT context{};
  run(Tss2_Sys_ContextSave(sys_, handle, &context), "TPM2_ContextSave");
  Bytes saved(sizeof context);
  std::size_t size = 0;
  run(Tss2_MU_TPMS_CONTEXT_Marshal(&context, saved.data(), saved.size(), &size),
      "Tss2_MU_TPMS_CONTEXT_Marshal");
  saved.resize(size);
  saved.shrink_to_fit();
  return saved;
}

TPM2_HANDLE Tpm::context_load(ByteView context) {
  TPMS_CONTEXT saved{};
  std::size_t offset = 0;
  check(Tss2_MU_TPMS_CONTEXT_Unmarshal(context.data(), context.size(), &offset, &saved),
        "Tss2_MU_TPMS_CONTEXT_Unmarshal");
  TPM2_HANDLE handle = 0;
  run(Tss2_Sys_ContextLoad(sys_, &saved, &handle), "TPM2_ContextLoad");
  return handle;
}

void Tpm::flush_context(TPM2_HANDLE handle) {
  run(Tss2_Sys_FlushContext(sys_, handle), "TPM2_FlushContext");
}

TPMI_SH_POLICY Tpm::start_policy_session() {
  std::array<std::uint8_t, kSessionNonce> random{};
  fill_random(random, "a nonce for the TPM");
  const auto nonce = sized<TPM2B_NONCE>(random);
  const TPM2B_ENCRYPTED_SECRET no_salt{};
  TPMT_SYM_DEF no_encryption{};
  no_encryption.algorithm = TPM2_ALG_NULL;
  TPMI_SH_POLICY session = 0;
  TPM2B_NONCE answer{};
  run(Tss2_Sys_StartAuthSession(sys_, TPM2_RH_NULL, TPM2_RH_NULL, nullptr, &nonce, &no_salt,
                                TPM2_SE_POLICY, &no_encryption, TPM2_ALG_SHA256, &session, &answer,
                                nullptr),
      "TPM2_StartAuthSession");
  return session;
}

void Tpm::policy_counter_timer(TPMI_SH_POLICY session, ByteView operand, std::uint16_t offset,
                               TPM2_EO operation) {
  const auto value = sized<TPM2B_OPERAND>(operand);
  run(Tss2_Sys_PolicyCounterTimer(sys_, session, nullptr, &value, offset, operation, nullptr),
      "TPM2_PolicyCounterTimer");
}

void Tpm::policy_password(TPMI_SH_POLICY session) {
  run(Tss2_Sys_PolicyPassword(sys_, session, nullptr, nullptr), "TPM2_PolicyPassword");
}

void Tpm::nv_define_space(const TPMS_NV_PUBLIC& area) {
  CommandAuthorisation owner({});
  const TPM2B_AUTH no_value{};
  TPM2B_NV_PUBLIC wanted{};
  wanted.nvPublic = area;
  run(Tss2_Sys_NV_DefineSpace(sys_, TPM2_RH_OWNER, owner.command(), &no_value, &wanted,
                              owner.response()),
      "TPM2_NV_DefineSpace");
}

void Tpm::nv_undefine_space(TPMI_RH_NV_INDEX index) {
  CommandAuthorisation owner({});
  run(Tss2_Sys_NV_UndefineSpace(sys_, TPM2_RH_OWNER, index, owner.command(), owner.response()),
      "TPM2_NV_UndefineSpace");
}

void Tpm::nv_increment(TPMI_RH_NV_INDEX index) {
  CommandAuthorisation owner({});
  run(Tss2_Sys_NV_Increment(sys_, TPM2_RH_OWNER, index, owner.command(), owner.response()),
      "TPM2_NV_Increment");
}

Bytes Tpm::nv_read(TPMI_RH_NV_INDEX index, std::uint16_t size) {
  CommandAuthorisation owner({});
  TPM2B_MAX_NV_BUFFER data{};
  run(Tss2_Sys_NV_Read(sys_, TPM2_RH_OWNER, index, owner.command(), size, 0, &data,
                       owner.response()),
      "TPM2_NV_Read");
  if (data.size != size) run(TSS2_SYS_RC_MALFORMED_RESPONSE, "TPM2_NV_Read");
  return to_bytes(view(data));
}

Tpm::NvArea Tpm::nv_read_public(TPMI_RH_NV_INDEX index) {
  TPM2B_NV_PUBLIC area{};
  TPM2B_NAME name{};
  run(Tss2_Sys_NV_ReadPublic(sys_, index, nullptr, &area, &name, nullptr), "TPM2_NV_ReadPublic");
  return {area.nvPublic, to_bytes(view(name))};
}

void Tpm::policy_nv(TPMI_SH_POLICY session, TPMI_RH_NV_INDEX index, ByteView operand,
                    TPM2_EO operation) {
  CommandAuthorisation owner({});
  const auto value = sized<TPM2B_OPERAND>(operand);
  run(Tss2_Sys_PolicyNV(sys_, TPM2_RH_OWNER, index, session, owner.command(), &value, 0, operation,
                        owner.response()),
      "TPM2_PolicyNV");
}

void Tpm::policy_auth_value(TPMI_SH_POLICY session) {
  run(Tss2_Sys_PolicyAuthValue(sys_, session, nullptr, nullptr), "TPM2_PolicyAuthValue");
}

TPMT_SIGNATURE Tpm::sign(TPM2_HANDLE key, const Authorisation& authorisation, ByteView digest,
                         const TPMT_SIG_SCHEME& scheme) {
  static constexpr const char* kCommand = "TPM2_Sign";
  const auto value = sized<TPM2B_DIGEST>(digest);
  TPMT_TK_HASHCHECK no_ticket{};
  no_ticket.tag = TPM2_ST_HASHCHECK;
  no_ticket.hierarchy = TPM2_RH_NULL;
  run(Tss2_Sys_Sign_Prepare(sys_, key, &value, &scheme, &no_ticket), kCommand);
  if (authorisation.proof != nullptr) {
    authorisation.proof->authorise({TPM2_CC_Sign, kCommand, authorisation.name, {}},
                                   authorisation.secret);
  } else {
    execute(*CommandAuthorisation(authorisation).command(), kCommand);
  }
  TPMT_SIGNATURE signature{};
  run(Tss2_Sys_Sign_Complete(sys_, &signature), kCommand);
  return signature;
}

Tpm::Certified Tpm::certify(TPM2_HANDLE key, const Authorisation& authorisation, TPM2_HANDLE signer,
                            ByteView signer_name, ByteView challenge) {
  static constexpr const char* kCommand = "TPM2_Certify";
  const auto data = sized<TPM2B_DATA>(challenge);
  TPMT_SIG_SCHEME own_scheme{};
  own_scheme.scheme = TPM2_ALG_NULL;
  run(Tss2_Sys_Certify_Prepare(sys_, key, signer, &data, &own_scheme), kCommand);
  if (authorisation.proof != nullptr) {
    authorisation.proof->authorise({TPM2_CC_Certify, kCommand, authorisation.name, signer_name},
                                   authorisation.secret);
  } else {
    execute(*CommandAuthorisation(authorisation, {}).command(), kCommand);
  }
  Certified made;
  run(Tss2_Sys_Certify_Complete(sys_, &made.info, &made.signature), kCommand);
  return made;
}

}  // namespace mayfly::tpm
