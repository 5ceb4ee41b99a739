// Mechanisms and their parameters, in process and as a broker's connection gets them, where a
// pointer in a parameter is the attacker's number. What the standard allows must work to the end,
// and nothing else may begin.
#include <array>
#include <cstring>

#include "api/connection_frontend.h"
#include "base/mechanism.h"
#include "compose/library.h"
#include "fuzz/api_functions.h"
#include "fuzz/finding.h"
#include "fuzz/fuzzed_device.h"
#include "fuzz/input.h"
#include "support/raw_module.h"

namespace mayfly::test {
namespace {

struct Kind {
  CK_MECHANISM_TYPE generator;
  CK_KEY_TYPE type;
  CK_ATTRIBUTE_TYPE attribute;
  Bytes value;
};

const std::array<Kind, 3>& kinds() {
  static const std::array<Kind, 3> kKinds = {{
      {CKM_EC_KEY_PAIR_GEN, CKK_EC, CKA_EC_PARAMS, to_bytes(ec_params({CKK_EC, 256}))},
      {CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS, CKA_EC_PARAMS,
       to_bytes(ec_params({CKK_EC_EDWARDS, 255}))},
      {CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, CKA_MODULUS_BITS, {0, 8, 0, 0, 0, 0, 0, 0}},
  }};
  return kKinds;
}

struct Pair {
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
};

CK_RV generate(CK_SESSION_HANDLE session, CK_MECHANISM& mechanism, const Kind& kind, Pair& pair) {
  CK_ATTRIBUTE wanted{kind.attribute, const_cast<std::uint8_t*>(kind.value.data()),
                      kind.value.size()};
  return p11().C_GenerateKeyPair(session, &mechanism, &wanted, 1, nullptr, 0, &pair.public_key,
                                 &pair.private_key);
}

/// One front door: a session on a task, and a key pair of each kind.
struct Door {
  /// @param edwards  Whether Ed25519 keys are shown there.
  Door(api::Frontend& frontend, CK_SLOT_ID slot, bool edwards) {
    const api::BoundFrontend bound(frontend);
    expect_ok(p11().C_Initialize(nullptr), "C_Initialize");
    expect_ok(p11().C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session),
              "C_OpenSession");
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (kinds()[i].type == CKK_EC_EDWARDS && !edwards) continue;
      CK_MECHANISM mechanism{kinds()[i].generator, nullptr, 0};
      expect_ok(generate(session, mechanism, kinds()[i], pairs[i]), "C_GenerateKeyPair");
    }
  }

  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  std::array<Pair, 3> pairs;
};

/// A connection, but with parameters that are taken for this process's own.
class LocalFrontend final : public api::Frontend {
 public:
  explicit LocalFrontend(TaskTable& tasks) : connection_(tasks, 4) {}
  void initialize(const api::InitializeArguments& arguments) override {
    connection_.initialize(arguments);
  }
  void finalize() override { connection_.finalize(); }
  Application& enter(std::size_t& token) override { return connection_.enter(token); }
  void leave(std::size_t token) noexcept override { connection_.leave(token); }
  [[nodiscard]] bool is_remote() const noexcept override { return false; }

 private:
  api::ConnectionFrontend connection_;
};

struct World {
  const FuzzedDevice device;
  Library library{Config::load(device.write_config(false))};
  CK_SLOT_ID slot = library.tasks().open({"fuzzed", std::chrono::seconds(36'000)})->slot().value;
  LocalFrontend local{library.tasks()};
  api::ConnectionFrontend remote{library.tasks(), 4, ShownKeys::all_but(CKK_EC_EDWARDS)};
  Door local_door{local, slot, true};
  Door remote_door{remote, slot, false};
};

/// A mechanism as an input makes it, with a parameter in memory of exactly its size.
struct Choice {
  explicit Choice(Input& input);

  [[nodiscard]] bool has_no_parameter() const { return mechanism.ulParameterLen == 0; }

  CK_MECHANISM mechanism{};
  Bytes parameter;
};

constexpr CK_MECHANISM_TYPE kTypes[] = {CKM_ECDSA,
                                        CKM_ECDSA_SHA224,
                                        CKM_ECDSA_SHA256,
                                        CKM_ECDSA_SHA384,
                                        CKM_ECDSA_SHA512,
                                        CKM_EDDSA,
                                        CKM_RSA_PKCS,
                                        CKM_SHA224_RSA_PKCS,
                                        CKM_SHA256_RSA_PKCS,
                                        CKM_SHA384_RSA_PKCS,
                                        CKM_SHA512_RSA_PKCS,
                                        CKM_RSA_PKCS_PSS,
                                        CKM_SHA224_RSA_PKCS_PSS,
                                        CKM_SHA256_RSA_PKCS_PSS,
                                        CKM_SHA384_RSA_PKCS_PSS,
                                        CKM_SHA512_RSA_PKCS_PSS,
                                        CKM_SHA224,
                                        CKM_SHA256,
                                        CKM_SHA384,
                                        CKM_SHA512,
                                        CKM_EC_KEY_PAIR_GEN,
                                        CKM_EC_EDWARDS_KEY_PAIR_GEN,
                                        CKM_RSA_PKCS_KEY_PAIR_GEN,
                                        CKM_ECDH1_DERIVE,
                                        CKM_SHA_1,
                                        CKM_ECDSA_SHA1,
                                        CKM_RSA_PKCS_OAEP,
                                        CKM_AES_GCM};

Choice::Choice(Input& input) {
  const std::uint8_t number = input.byte();
  mechanism.mechanism = number == 0xff ? input.number(8) : kTypes[number % std::size(kTypes)];
  const std::uint8_t form = input.byte() % 4;
  parameter = to_bytes(input.rest());
  if (form == 1) {  // a length without a pointer
    mechanism.ulParameterLen = parameter.size();
  } else if (form == 2) {  // a pointer without a length
    mechanism.pParameter = parameter.data();
  } else if (form == 3) {
    mechanism.pParameter = parameter.data();
    mechanism.ulParameterLen = parameter.size();
  }
}

bool is_good_pss(const Choice& choice, const Mechanism& row) {
  CK_RSA_PKCS_PSS_PARAMS params;
  if (choice.mechanism.pParameter == nullptr || choice.parameter.size() != sizeof params) {
    return false;
  }
  std::memcpy(&params, choice.parameter.data(), sizeof params);
  struct Hashing {
    CK_MECHANISM_TYPE hash;
    CK_ULONG mask;
    Hash known;
  };
  static constexpr Hashing kHashing[] = {{CKM_SHA224, CKG_MGF1_SHA224, Hash::sha224},
                                         {CKM_SHA256, CKG_MGF1_SHA256, Hash::sha256},
                                         {CKM_SHA384, CKG_MGF1_SHA384, Hash::sha384},
                                         {CKM_SHA512, CKG_MGF1_SHA512, Hash::sha512}};
  return std::ranges::any_of(kHashing, [&](const Hashing& hashing) {
    return params.hashAlg == hashing.hash && params.mgf == hashing.mask &&
           (row.hash == Hash::none || row.hash == hashing.known) &&
           params.sLen <= 2048 / 8 - 2 - digest_size(hashing.known);
  });
}

/// Whether the parameter is one that the mechanism takes (docs/pkcs11.md).
bool is_good_parameter(const Choice& choice, const Mechanism& row, bool remote) {
  if (row.scheme == Scheme::rsa_pss) return !choice.has_no_parameter() && is_good_pss(choice, row);
  if (choice.has_no_parameter()) return true;
  CK_EDDSA_PARAMS params;
  if (row.scheme != Scheme::eddsa || remote || choice.mechanism.pParameter == nullptr ||
      choice.parameter.size() != sizeof params) {
    return false;
  }
  std::memcpy(&params, choice.parameter.data(), sizeof params);
  return params.phFlag == CK_FALSE && params.ulContextDataLen == 0;
}

void require_refusal(CK_RV rv) {
  static constexpr CK_RV kRefusals[] = {CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID,
                                        CKR_KEY_TYPE_INCONSISTENT};
  if (std::ranges::count(kRefusals, rv) == 0) {
    report_finding("a bad mechanism is refused as one, and not with " + std::to_string(rv));
  }
}

/// What the mechanism signs: a digest where it is raw.
Bytes data_for(const Choice& choice, const Mechanism& row) {
  if (row.scheme != Scheme::rsa_pss || row.hash != Hash::none) return Bytes(32, 0x17);
  CK_RSA_PKCS_PSS_PARAMS params;
  std::memcpy(&params, choice.parameter.data(), sizeof params);
  return Bytes(digest_size(hash_of_mechanism(params.hashAlg).value()), 0x17);
}

void try_signing(const Door& door, const Pair& pair, Choice& choice, bool good, bool by_message) {
  CK_MECHANISM& mechanism = choice.mechanism;
  const CK_RV begun = by_message
                          ? p11().C_MessageSignInit(door.session, &mechanism, pair.private_key)
                          : p11().C_SignInit(door.session, &mechanism, pair.private_key);
  require((begun == CKR_OK) == good, "C_SignInit takes what is allowed, and nothing else");
  const CK_RV verifying = by_message
                              ? p11().C_MessageVerifyInit(door.session, &mechanism, pair.public_key)
                              : p11().C_VerifyInit(door.session, &mechanism, pair.public_key);
  require(begun == verifying, "C_VerifyInit judges as C_SignInit does");
  if (!good) {
    require_refusal(begun);
    return;
  }
  Bytes data = data_for(choice, *find_mechanism(mechanism.mechanism));
  Bytes signature(256);
  CK_ULONG size = signature.size();
  if (by_message) {
    expect_ok(p11().C_SignMessage(door.session, nullptr, 0, data.data(), data.size(),
                                  signature.data(), &size),
              "C_SignMessage");
    expect_ok(p11().C_VerifyMessage(door.session, nullptr, 0, data.data(), data.size(),
                                    signature.data(), size),
              "C_VerifyMessage");
    expect_ok(p11().C_MessageSignFinal(door.session), "C_MessageSignFinal");
    expect_ok(p11().C_MessageVerifyFinal(door.session), "C_MessageVerifyFinal");
  } else {
    expect_ok(p11().C_Sign(door.session, data.data(), data.size(), signature.data(), &size),
              "C_Sign");
    expect_ok(p11().C_Verify(door.session, data.data(), data.size(), signature.data(), size),
              "C_Verify");
  }
}

void try_digest(const Door& door, Choice& choice, const Mechanism* row) {
  const CK_RV rv = p11().C_DigestInit(door.session, &choice.mechanism);
  const bool good = row != nullptr && row->use == MechanismUse::digest && choice.has_no_parameter();
  require((rv == CKR_OK) == good, "C_DigestInit takes what is allowed, and nothing else");
  if (!good) {
    require_refusal(rv);
    return;
  }
  Bytes digest(64);
  CK_ULONG size = digest.size();
  expect_ok(p11().C_Digest(door.session, digest.data(), 0, digest.data(), &size), "C_Digest");
  require(size == digest_size(row->hash), "a digest has its hash's size");
}

void try_generation(const Door& door, Choice& choice, const Mechanism* row, const Kind& kind) {
  const bool generates = row != nullptr && row->use == MechanismUse::generate;
  // A key pair of RSA takes too long to be made each time.
  if (generates && kind.type == CKK_RSA && choice.has_no_parameter()) return;
  Pair pair;
  const CK_RV rv = generate(door.session, choice.mechanism, kind, pair);
  const bool good = generates && row->key_type == kind.type && choice.has_no_parameter();
  require((rv == CKR_OK) == good, "C_GenerateKeyPair takes what is allowed, and nothing else");
  if (!good) return;
  expect_ok(p11().C_DestroyObject(door.session, pair.private_key), "C_DestroyObject");
  expect_ok(p11().C_DestroyObject(door.session, pair.public_key), "C_DestroyObject");
}

void play(World& world, Input& input) {
  const bool remote = input.flag();
  const std::uint8_t function = input.byte() % 4;
  std::size_t which = input.byte() % kinds().size();
  if (remote && kinds()[which].type == CKK_EC_EDWARDS) which = 0;
  Choice choice(input);
  const Mechanism* row = find_mechanism(choice.mechanism.mechanism);
  api::Frontend* frontend = &world.local;
  if (remote) frontend = &world.remote;
  const api::BoundFrontend bound(*frontend);
  const Door& door = remote ? world.remote_door : world.local_door;
  if (function == 2) {
    try_digest(door, choice, row);
  } else if (function == 3) {
    try_generation(door, choice, row, kinds()[which]);
  } else {
    const bool good = row != nullptr && row->use == MechanismUse::sign &&
                      row->key_type == kinds()[which].type &&
                      is_good_parameter(choice, *row, remote);
    try_signing(door, door.pairs[which], choice, good, function == 1);
  }
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly;
  static test::World world;
  test::Input input(data, size);
  test::play(world, input);
  return 0;
}
