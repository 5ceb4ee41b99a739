// What code in a task's own process can try while the task lives: to get the key out.
#include <array>

#include "tools/drill/owner.h"
#include "tools/drill/task_run.h"

namespace mayfly::drill {
namespace {

constexpr char kAgent[] = "code in the agent's process, while the task lives";

/// An agent of a task that runs, with a key.
struct Agent {
  explicit Agent(const Ground& ground)
      : run(ground, "drill"),
        module(run.door()),
        session(module, ground, module.slot()),
        keys(session.generate()) {}

  const CK_FUNCTION_LIST_3_0* operator->() const noexcept { return &module.functions(); }
  [[nodiscard]] CK_SESSION_HANDLE handle() const noexcept { return session.handle(); }

  TaskRun run;
  Module module;
  Session session;
  KeyPair keys;
};

Outcome read_secrets(const Ground& ground) {
  const Agent agent(ground);
  for (const CK_ATTRIBUTE_TYPE type : {CKA_VALUE, CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2,
                                       CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT}) {
    if (const auto value = agent.session.get(agent.keys.private_key, type)) {
      return {Result::broken, "C_GetAttributeValue gave " + std::to_string(value->size()) +
                                  " bytes of attribute " + std::to_string(type)};
    }
  }
  CK_ATTRIBUTE wanted = {CKA_VALUE, nullptr, 0};
  const CK_RV rv = agent->C_GetAttributeValue(agent.handle(), agent.keys.private_key, &wanted, 1);
  return must_refuse("C_GetAttributeValue of CKA_VALUE", rv);
}

/// A key that has a usage beside signing, as far as the token lets it.
KeyPair key_with(const Agent& agent, CK_ATTRIBUTE_TYPE usage) {
  Template wanted;
  wanted.flag(CKA_TOKEN, false).flag(usage, true);
  KeyPair made;
  if (agent.session.try_generate(wanted, made) != CKR_OK) return agent.keys;  // usage = "strict"
  return made;
}

Outcome wrap(const Ground& ground) {
  const Agent agent(ground);
  std::array<CK_BYTE, 4096> wrapped{};
  CK_ULONG size = wrapped.size();
  CK_MECHANISM mechanism = {CKM_RSA_PKCS, nullptr, 0};
  return must_refuse("C_WrapKey",
                     agent->C_WrapKey(agent.handle(), &mechanism, agent.keys.public_key,
                                      agent.keys.private_key, wrapped.data(), &size));
}

/// Unwrapping under a template of one's own is how Tookan's attacks end: a copy that can be read.
Outcome unwrap(const Ground& ground) {
  const Agent agent(ground);
  Template wanted;
  wanted.number(CKA_CLASS, CKO_PRIVATE_KEY)
      .number(CKA_KEY_TYPE, CKK_EC)
      .flag(CKA_SENSITIVE, false)
      .flag(CKA_EXTRACTABLE, true);
  std::array<CK_BYTE, 256> wrapped{};
  CK_OBJECT_HANDLE made = 0;
  CK_MECHANISM mechanism = {CKM_RSA_PKCS, nullptr, 0};
  return must_refuse(
      "C_UnwrapKey",
      agent->C_UnwrapKey(agent.handle(), &mechanism, agent.keys.private_key, wrapped.data(),
                         wrapped.size(), wanted.data(), wanted.size(), &made));
}

Outcome derive(const Ground& ground) {
  const Agent agent(ground);
  const KeyPair keys = key_with(agent, CKA_DERIVE);
  const auto point = agent.session.get(keys.public_key, CKA_EC_POINT).value_or(Bytes(65));
  CK_ECDH1_DERIVE_PARAMS parameters{};
  parameters.kdf = CKD_NULL;
  parameters.ulPublicDataLen = point.size();
  parameters.pPublicData = const_cast<CK_BYTE*>(point.data());
  CK_MECHANISM mechanism = {CKM_ECDH1_DERIVE, &parameters, sizeof parameters};
  Template wanted;
  wanted.number(CKA_CLASS, CKO_SECRET_KEY)
      .number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
      .flag(CKA_SENSITIVE, false)
      .flag(CKA_EXTRACTABLE, true);
  CK_OBJECT_HANDLE made = 0;
  return must_refuse("C_DeriveKey", agent->C_DeriveKey(agent.handle(), &mechanism, keys.private_key,
                                                       wanted.data(), wanted.size(), &made));
}

/// A key that wraps and decrypts at once gives out what it wraps.
Outcome conflicting_usages(const Ground& ground) {
  const Agent agent(ground);
  Template wanted;
  wanted.flag(CKA_TOKEN, false)
      .flag(CKA_DECRYPT, true)
      .flag(CKA_UNWRAP, true)
      .flag(CKA_DERIVE, true);
  KeyPair made;
  const CK_RV rv = agent.session.try_generate(wanted, made);
  if (rv != CKR_OK) return must_refuse("C_GenerateKeyPair", rv);
  for (const CK_ATTRIBUTE_TYPE type : {CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE, CKA_SIGN_RECOVER}) {
    if (agent.session.is_true(made.private_key, type)) {
      return {Result::broken, "the key has the usage " + std::to_string(type)};
    }
  }
  return {Result::held, "the key was made and only signs"};
}

Outcome decrypt(const Ground& ground) {
  const Agent agent(ground);
  const KeyPair keys = key_with(agent, CKA_DECRYPT);
  CK_MECHANISM mechanism = {CKM_RSA_PKCS, nullptr, 0};
  return must_refuse("C_DecryptInit",
                     agent->C_DecryptInit(agent.handle(), &mechanism, keys.private_key));
}

Outcome generate_with(const Ground& ground, CK_ATTRIBUTE_TYPE type, bool value) {
  const Agent agent(ground);
  Template wanted;
  wanted.flag(CKA_TOKEN, false).flag(type, value);
  KeyPair made;
  return must_refuse("C_GenerateKeyPair", agent.session.try_generate(wanted, made));
}

Outcome make_extractable(const Ground& ground) {
  return generate_with(ground, CKA_EXTRACTABLE, true);
}

Outcome make_readable(const Ground& ground) { return generate_with(ground, CKA_SENSITIVE, false); }

Outcome set_looser(const Ground& ground) {
  const Agent agent(ground);
  for (const auto& [type, value] : {std::pair<CK_ATTRIBUTE_TYPE, bool>{CKA_EXTRACTABLE, true},
                                    {CKA_SENSITIVE, false},
                                    {CKA_DECRYPT, true}}) {
    Template wanted;
    wanted.flag(type, value);
    const CK_RV rv = agent->C_SetAttributeValue(agent.handle(), agent.keys.private_key,
                                                wanted.data(), wanted.size());
    if (rv == CKR_OK) return must_refuse("C_SetAttributeValue", rv);
  }
  return {Result::held, "C_SetAttributeValue refused CKA_EXTRACTABLE, CKA_SENSITIVE, CKA_DECRYPT"};
}

Outcome copy_looser(const Ground& ground) {
  const Agent agent(ground);
  for (const auto& [type, value] : {std::pair<CK_ATTRIBUTE_TYPE, bool>{CKA_EXTRACTABLE, true},
                                    {CKA_SENSITIVE, false},
                                    {CKA_DECRYPT, true}}) {
    Template wanted;
    wanted.flag(type, value);
    CK_OBJECT_HANDLE copy = 0;
    const CK_RV rv = agent->C_CopyObject(agent.handle(), agent.keys.private_key, wanted.data(),
                                         wanted.size(), &copy);
    if (rv == CKR_OK) return must_refuse("C_CopyObject", rv);
  }
  return {Result::held, "C_CopyObject refused CKA_EXTRACTABLE, CKA_SENSITIVE, CKA_DECRYPT"};
}

Outcome import_known(const Ground& ground) {
  const Owner owner(ground);
  Template wanted;
  wanted.number(CKA_CLASS, CKO_PRIVATE_KEY)
      .number(CKA_KEY_TYPE, CKK_EC)
      .flag(CKA_TOKEN, false)
      .flag(CKA_SIGN, true)
      .bytes(CKA_EC_PARAMS, ec_params({CKK_EC, 256}))
      .bytes(CKA_VALUE, Bytes(32, 1));
  CK_OBJECT_HANDLE made = 0;
  return must_refuse(
      "C_CreateObject",
      owner.module->C_CreateObject(owner.session.handle(), wanted.data(), wanted.size(), &made));
}

Outcome sign_against_usage(const Ground& ground) {
  const Agent agent(ground);
  expect_ok("signing with a key that may", agent.session.sign(agent.keys.private_key));
  Template wanted;
  wanted.flag(CKA_TOKEN, false).flag(CKA_SIGN, false);
  KeyPair made;
  expect_ok("C_GenerateKeyPair", agent.session.try_generate(wanted, made));
  return must_refuse("signing", agent.session.sign(made.private_key));
}

}  // namespace

std::vector<Scenario> agent_scenarios() {
  using enum Safeguard;
  return {
      {"read-secrets",
       kAgent,
       "reads CKA_VALUE, CKA_PRIVATE_EXPONENT and their like",
       "none of them is told",
       {secret_attributes},
       read_secrets},
      {"wrap-key",
       kAgent,
       "has the key wrapped by C_WrapKey",
       "C_WrapKey is refused",
       {calls_not_offered},
       wrap},
      {"unwrap-key",
       kAgent,
       "unwraps a blob into a readable private key, the last step of Tookan's attacks",
       "C_UnwrapKey is refused",
       {calls_not_offered},
       unwrap},
      {"derive-key",
       kAgent,
       "derives a readable secret from the key by C_DeriveKey",
       "C_DeriveKey is refused",
       {calls_not_offered},
       derive},
      {"decrypt",
       kAgent,
       "decrypts with the key, as in wrap-and-decrypt attacks",
       "C_DecryptInit is refused",
       {calls_not_offered},
       decrypt},
      {"conflicting-usages",
       kAgent,
       "has a key made that unwraps, decrypts and derives as well",
       "the key is refused, or only signs",
       {usages},
       conflicting_usages},
      {"make-extractable-key",
       kAgent,
       "has a key made with CKA_EXTRACTABLE true",
       "the template is refused",
       {key_templates},
       make_extractable},
      {"make-readable-key",
       kAgent,
       "has a key made with CKA_SENSITIVE false",
       "the template is refused",
       {key_templates},
       make_readable},
      {"loosen-by-setting",
       kAgent,
       "loosens the key's attributes by C_SetAttributeValue",
       "none of them changes",
       {attribute_changes},
       set_looser},
      {"loosen-by-copying",
       kAgent,
       "copies the key with looser attributes by C_CopyObject",
       "there is no such copy",
       {attribute_changes},
       copy_looser},
      {"import-known-key",
       kAgent,
       "brings a private key that he knows by C_CreateObject",
       "the key is refused",
       {no_imports},
       import_known},
      {"sign-against-usage",
       kAgent,
       "signs with a key that was made with CKA_SIGN false",
       "the signature is refused",
       {key_usage},
       sign_against_usage},
  };
}

}  // namespace mayfly::drill
