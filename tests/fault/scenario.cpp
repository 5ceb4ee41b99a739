#include "fault/scenario.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <unistd.h>

#include "conformance/answers.h"
#include "conformance/fixture.h"
#include "conformance/process.h"
#include "fault/truthful_answers.h"

namespace mayfly::test {
namespace {

const Bytes kMessage = to_bytes(as_bytes("a message to be signed"));
constexpr SignatureForm kEcdsa = {SignatureForm::Scheme::ecdsa, "SHA256"};
constexpr SignatureForm kRsa = {SignatureForm::Scheme::rsa_pkcs1, "SHA256"};

CK_BYTE* writable(const Bytes& bytes) { return const_cast<CK_BYTE*>(bytes.data()); }

}  // namespace

Scenario::Scenario(FaultDevice& device, Provider& provider, Findings& findings, Options options)
    : device_(device),
      provider_(provider),
      findings_(findings),
      options_(std::move(options)),
      p11_(provider.functions()) {}

void Scenario::run() {
  if (initialize()) {
    first_task();
    if (options_.halfway) options_.halfway();
    halfway_over_ = true;
    next_task("second");
    next_task("third");
  }
  finalize();
  check_log();
  if (!options_.looks_at_device) return;
  expect_no_keys("after C_Finalize");
  findings_.expect(options_.faults_go_on || device_.sessions_left() == 0,
                   "sessions on the device after C_Finalize");
}

// Judging ------------------------------------------------------------------------------------

bool Scenario::task_gone() const {
  if (!slot_) return false;
  MAYFLY_TASK_INFO info;
  // While another thread ends it, it is still in the table, and says so.
  return provider_.vendor().MAYFLY_TaskInfo(*slot_, &info) != CKR_OK ||
         (info.state != MAYFLY_TASK_OPEN && info.state != MAYFLY_TASK_ACTIVE);
}

bool Scenario::ok(const char* function, CK_RV rv) {
  if (rv == CKR_OK) return true;
  ++failures_;
  const std::string answer = std::string(function) + " answered " + answer_name(rv);
  findings_.expect(!well(), answer + " while the device was well");
  if (options_.mechanisms_lie && rv == CKR_MECHANISM_INVALID) return false;
  findings_.expect(is_truthful_failure(function, rv, task_gone()), answer + ", which it must not");
  return false;
}

void Scenario::check_log() {
  findings_.expect(failures_ == 0 || !device_.log_text().empty(),
                   "a failure that no log line explains");
}

void Scenario::expect_no_keys(const char* when) {
  const KeyCount found = device_.keys();
  findings_.expect(found.private_keys == 0, std::string("private keys on the device ") + when);
  findings_.expect(found.public_keys == 0, std::string("public keys on the device ") + when);
}

// The parts ------------------------------------------------------------------------------------

bool Scenario::initialize() {
  std::string reserved = provider_.reserved("first", "");
  InitializeArgs args;
  args.reserved = reserved.data();
  initialized_ = ok("C_Initialize", p11_.C_Initialize(&args));
  if (!initialized_ && !well()) {  // the device is well again: now it must work
    device_.script().heal();
    const CK_RV rv = p11_.C_Initialize(&args);
    findings_.expect(rv == CKR_OK, "C_Initialize failed again after the fault: " + answer_name(rv));
    initialized_ = rv == CKR_OK;
  }
  return initialized_;
}

void Scenario::look_around() {
  std::array<CK_SLOT_ID, 4> slots;
  CK_ULONG count = slots.size();
  if (ok("C_GetSlotList", p11_.C_GetSlotList(CK_TRUE, slots.data(), &count)) && count == 1) {
    slot_ = slots.front();
  }
  findings_.expect(slot_.has_value(), "the task has no slot");
  if (!slot_) return;
  std::array<CK_MECHANISM_TYPE, 64> mechanisms;
  count = mechanisms.size();
  ok("C_GetMechanismList", p11_.C_GetMechanismList(*slot_, mechanisms.data(), &count));
  CK_TOKEN_INFO info;
  ok("C_GetTokenInfo", p11_.C_GetTokenInfo(*slot_, &info));
}

void Scenario::first_task() {
  look_around();
  const Session session = open_session();
  const Session other = open_session();
  if (!session || !other) return close_task(true);
  auto key = generate(*session, false, false);
  const auto task_key = generate(*session, false, true);
  const auto rsa = options_.with_rsa ? generate(*other, true, false) : std::nullopt;
  if (key && task_key && !task_gone()) search(*session, options_.with_rsa ? 3 : 2);
  if (key) sign_in_all_ways(*session, *key);
  if (task_key) sign(&Scenario::sign_one_part, *other, *task_key);
  if (rsa) sign(&Scenario::sign_one_part, *other, *rsa);
  if (key) sign_while_busy(*session, *other, *key);
  if (key && !task_gone()) copy_and_drop(*session, *key);
  if (task_key && !task_gone()) destroy(*other, *task_key);
  if (const auto late = task_gone() ? std::nullopt : generate(*session, false, false)) {
    sign(&Scenario::sign_one_part, *session, *late);
  }
  for (const CK_SESSION_HANDLE each : {*session, *other}) {
    if (!ok("C_CloseSession", p11_.C_CloseSession(each))) owed_ = true;
  }
  if (!owed_ && !task_gone() && tidy()) {
    expect_no_keys("after their sessions were closed");
  }
  close_task(!owed_);
}

void Scenario::next_task(const char* name) {
  const unsigned struck_before = device_.script().struck();
  const MAYFLY_TASK_REQUEST request{name, 0, nullptr, nullptr, nullptr};
  CK_SLOT_ID slot = 0;
  slot_.reset();
  live_ = 0;
  if (!ok("MAYFLY_OpenTask", provider_.vendor().MAYFLY_OpenTask(&request, &slot))) return;
  slot_ = slot;
  const unsigned failures_before = failures_;
  if (const Session session = open_session()) {
    const auto key = generate(*session, false, false);
    const auto task_key = generate(*session, false, true);
    if (key) sign_in_all_ways(*session, *key);
    if (task_key) sign(&Scenario::sign_one_part, *session, *task_key);
    if (key && !task_gone()) destroy(*session, *key);
  }
  close_task(device_.script().struck() == struck_before);
  const bool meanwhile = device_.script().struck() != struck_before;
  if (meanwhile || options_.mechanisms_lie) return;
  findings_.expect(failures_ == failures_before, "a task opened after the fault did not work");
  owed_ = false;  // the device is well, so it was paid
}

void Scenario::close_task(bool nothing_owed) {
  if (!slot_ || task_gone()) return;
  const bool closed = ok("MAYFLY_CloseTask", provider_.vendor().MAYFLY_CloseTask(*slot_));
  if (closed && nothing_owed && tidy()) expect_no_keys("after their task was closed");
  findings_.expect(task_gone(), "a task that was closed is still there");
}

void Scenario::finalize() {
  if (initialized_) ok("C_Finalize", p11_.C_Finalize(nullptr));
  CK_INFO info;
  findings_.expect(p11_.C_GetInfo(&info) == CKR_CRYPTOKI_NOT_INITIALIZED,
                   "mayfly is initialised after C_Finalize");
}

// Sessions and keys ------------------------------------------------------------------------------

Scenario::Session Scenario::open_session() {
  if (!slot_) return std::nullopt;
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  const CK_RV rv =
      p11_.C_OpenSession(*slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session);
  return ok("C_OpenSession", rv) ? Session(session) : std::nullopt;
}

std::optional<Scenario::Key> Scenario::generate(CK_SESSION_HANDLE session, bool rsa, bool of_task) {
  if (task_gone()) return std::nullopt;
  auto key = try_generate(session, rsa, of_task);
  if (key) return key;
  if (tidy() && !task_gone()) {
    findings_.expect(owed_ || device_.keys().private_keys <= live_,
                     "C_GenerateKeyPair failed, but left a private key on the device");
  }
  return task_gone() ? std::nullopt : try_generate(session, rsa, of_task);
}

std::optional<Scenario::Key> Scenario::try_generate(CK_SESSION_HANDLE session, bool rsa,
                                                    bool of_task) {
  const KeyKind& kind = rsa ? kRsa2048 : kP256;
  Template public_template = kind.public_template();
  public_template.append({{CKA_TOKEN, of_task}});
  Template private_template = {{CKA_TOKEN, of_task}, {CKA_SIGN, true}};
  CK_MECHANISM mechanism{kind.generator, nullptr, 0};
  Key key;
  key.rsa = rsa;
  const CK_RV rv = p11_.C_GenerateKeyPair(
      session, &mechanism, public_template.data(), public_template.size(), private_template.data(),
      private_template.size(), &key.public_key, &key.private_key);
  if (!ok("C_GenerateKeyPair", rv) || !read_public_key(session, key)) return std::nullopt;
  ++live_;
  return key;
}

Bytes Scenario::get(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
  Bytes value(512);
  CK_ATTRIBUTE attribute{type, value.data(), value.size()};
  if (!ok("C_GetAttributeValue", p11_.C_GetAttributeValue(session, object, &attribute, 1))) {
    return {};
  }
  value.resize(attribute.ulValueLen);
  return value;
}

bool Scenario::read_public_key(CK_SESSION_HANDLE session, Key& key) {
  const auto value = [&](CK_ATTRIBUTE_TYPE type) { return get(session, key.public_key, type); };
  key.check = key.rsa ? rsa_public_key(value(CKA_MODULUS), value(CKA_PUBLIC_EXPONENT))
                      : ec_public_key(CKK_EC, value(CKA_EC_PARAMS), value(CKA_EC_POINT));
  findings_.expect(key.check != nullptr, "a new public key makes no sense");
  return key.check != nullptr;
}

void Scenario::search(CK_SESSION_HANDLE session, std::size_t private_keys) {
  Template wanted = {{CKA_CLASS, CK_ULONG{CKO_PRIVATE_KEY}}};
  if (!ok("C_FindObjectsInit", p11_.C_FindObjectsInit(session, wanted.data(), wanted.size()))) {
    return;
  }
  std::array<CK_OBJECT_HANDLE, 8> found;
  CK_ULONG count = 0;
  if (ok("C_FindObjects", p11_.C_FindObjects(session, found.data(), found.size(), &count))) {
    findings_.expect(!well() || count == private_keys, "C_FindObjects finds another number");
  }
  ok("C_FindObjectsFinal", p11_.C_FindObjectsFinal(session));
}

void Scenario::copy_and_drop(CK_SESSION_HANDLE session, const Key& key) {
  Key copy;
  Template changes = {{CKA_LABEL, "copy"}};
  const CK_RV rv = p11_.C_CopyObject(session, key.private_key, changes.data(), changes.size(),
                                     &copy.private_key);
  if (!ok("C_CopyObject", rv)) return;
  ok("C_DestroyObject", p11_.C_DestroyObject(session, copy.private_key));
  sign(&Scenario::sign_one_part, session, key);
}

bool Scenario::destroy(CK_SESSION_HANDLE session, const Key& key) {
  const CK_RV rv = p11_.C_DestroyObject(session, key.private_key);
  --live_;
  const bool destroyed = ok("C_DestroyObject", rv);
  if (destroyed) {
    if (tidy()) {
      findings_.expect(owed_ || task_gone() || device_.keys().private_keys <= live_,
                       "C_DestroyObject answered CKR_OK, but the key is still on the device");
    }
  } else {
    owed_ = true;
  }
  if (task_gone()) return destroyed;
  findings_.expect(p11_.C_DestroyObject(session, key.private_key) == CKR_OBJECT_HANDLE_INVALID,
                   "a key that was destroyed still has its handle");
  return destroyed;
}

// Signing
// ------------------------------------------------------------------------------------------

void Scenario::sign_in_all_ways(CK_SESSION_HANDLE session, const Key& key) {
  sign(&Scenario::sign_one_part, session, key);
  sign(&Scenario::sign_parts, session, key);
  sign(&Scenario::sign_message, session, key);
}

void Scenario::sign(SignOnce way, CK_SESSION_HANDLE session, const Key& key) {
  if (task_gone()) return;
  Bytes signature;
  const unsigned struck = device_.script().struck();
  CK_RV rv = (this->*way)(session, key, signature);
  if (rv != CKR_OK && !task_gone() && tidy()) {
    findings_.expect(rv != CKR_DEVICE_REMOVED, "a key is lost, but its task lives on");
    findings_.expect(struck != device_.script().struck(),
                     "signing fails though nothing was struck");
    rv = (this->*way)(session, key, signature);
    findings_.expect(rv == CKR_OK, "a failed signature cost more than itself: the next one fails");
  }
  if (rv != CKR_OK) return;
  findings_.expect(is_signature(key.check.get(), key.rsa ? kRsa : kEcdsa, kMessage, signature),
                   "a signature that was handed out does not verify");
}

CK_RV Scenario::sign_one_part(CK_SESSION_HANDLE session, const Key& key, Bytes& signature) {
  CK_MECHANISM mechanism{key.rsa ? CKM_SHA256_RSA_PKCS : CKM_ECDSA_SHA256, nullptr, 0};
  CK_RV rv = p11_.C_SignInit(session, &mechanism, key.private_key);
  if (!ok("C_SignInit", rv)) return rv;
  signature.resize(512);
  CK_ULONG size = signature.size();
  rv = p11_.C_Sign(session, writable(kMessage), kMessage.size(), signature.data(), &size);
  if (ok("C_Sign", rv)) signature.resize(size);
  return rv;
}

CK_RV Scenario::sign_parts(CK_SESSION_HANDLE session, const Key& key, Bytes& signature) {
  CK_MECHANISM mechanism{key.rsa ? CKM_SHA256_RSA_PKCS : CKM_ECDSA_SHA256, nullptr, 0};
  CK_RV rv = p11_.C_SignInit(session, &mechanism, key.private_key);
  if (!ok("C_SignInit", rv)) return rv;
  const std::size_t half = kMessage.size() / 2;
  rv = p11_.C_SignUpdate(session, writable(kMessage), half);
  if (!ok("C_SignUpdate", rv)) return rv;
  rv = p11_.C_SignUpdate(session, writable(kMessage) + half, kMessage.size() - half);
  if (!ok("C_SignUpdate", rv)) return rv;
  signature.resize(512);
  CK_ULONG size = signature.size();
  rv = p11_.C_SignFinal(session, signature.data(), &size);
  if (ok("C_SignFinal", rv)) signature.resize(size);
  return rv;
}

CK_RV Scenario::sign_message(CK_SESSION_HANDLE session, const Key& key, Bytes& signature) {
  CK_MECHANISM mechanism{key.rsa ? CKM_SHA256_RSA_PKCS : CKM_ECDSA_SHA256, nullptr, 0};
  CK_RV rv = p11_.C_MessageSignInit(session, &mechanism, key.private_key);
  if (!ok("C_MessageSignInit", rv)) return rv;
  signature.resize(512);
  CK_ULONG size = signature.size();
  rv = p11_.C_SignMessage(session, nullptr, 0, writable(kMessage), kMessage.size(),
                          signature.data(), &size);
  if (ok("C_SignMessage", rv)) signature.resize(size);
  // A message that failed ends itself, not the operation.
  if (!task_gone()) ok("C_MessageSignFinal", p11_.C_MessageSignFinal(session));
  return rv;
}

/// A thread signs and is held inside the device, so that the other signature needs a session of the
/// device of its own. If it can have none it waits for the first, which then is let go.
void Scenario::sign_while_busy(CK_SESSION_HANDLE session, CK_SESSION_HANDLE other, const Key& key) {
  if (task_gone()) return;
  FaultyModule& module = device_.module();
  module.most_held = 1;
  module.hold_signing = true;
  std::atomic<bool> first_over{false};
  CK_RV first = CKR_OK;
  Bytes signature(512);
  std::thread signer([&] {
    CK_MECHANISM mechanism{CKM_ECDSA_SHA256, nullptr, 0};
    CK_ULONG size = signature.size();
    first = p11_.C_SignInit(session, &mechanism, key.private_key);
    if (first == CKR_OK) {
      first = p11_.C_Sign(session, writable(kMessage), kMessage.size(), signature.data(), &size);
    }
    signature.resize(first == CKR_OK ? size : 0);
    first_over = true;
  });
  while (module.held == 0 && !first_over) std::this_thread::yield();
  if (first_over) module.hold_signing = false;  // it failed on its way
  std::atomic<bool> second_over{false};
  std::thread releaser([&, second = gettid()] {
    while (!second_over && !is_asleep(second)) usleep(50);
    module.hold_signing = false;
  });
  sign(&Scenario::sign_one_part, other, key);
  second_over = true;
  releaser.join();
  signer.join();
  if (!ok("C_Sign", first)) return;
  findings_.expect(is_signature(key.check.get(), kEcdsa, kMessage, signature),
                   "a signature that was handed out does not verify");
}

}  // namespace mayfly::test
