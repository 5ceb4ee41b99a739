#include "tools/task_token.h"

#include <cstdlib>
#include <vector>

#include "base/clock.h"
#include "credential/x509/certificate_fields.h"
#include "device/pkcs11/mechanism_map.h"
#include "device/pkcs11/token_objects.h"
#include "device/pkcs11/token_search.h"
#include "tools/broker/own_library.h"
#include "tools/failure.h"
#include "tools/key_choice.h"
#include "tools/token_key.h"
#include "tools/vendor_interface.h"

namespace mayfly::tools {
namespace {

/// The path of libmayfly.so, which will be a client of the worker behind the door.
std::string client_library(const std::filesystem::path& door) {
  std::string library = broker::own_library();
  // Of a task in the process itself: they would contradict the socket.
  unsetenv("MAYFLY_TASK");
  unsetenv("MAYFLY_TTL");
  if (setenv("MAYFLY_SOCKET", door.c_str(), 1) != 0) throw Failure(kSystem, "no memory");
  return library;
}

class TaskSigner : public Signer {
 public:
  TaskSigner(const pkcs11::VendorModule& module, CK_SLOT_ID slot, const TokenSession& session,
             TaskToken::Key key)
      : module_(module), slot_(slot), session_(session), key_(std::move(key)) {}

  [[nodiscard]] const PublicKey& public_key() const noexcept override { return key_.public_key; }

  [[nodiscard]] Bytes sign(const SignatureScheme& scheme, ByteView message) override {
    return sign_on_token(module_, slot_, session_, key_.handle, key_.public_key.spec(), scheme,
                         message);
  }

 private:
  const pkcs11::VendorModule& module_;
  CK_SLOT_ID slot_;
  const TokenSession& session_;
  TaskToken::Key key_;
};

CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, Bytes& value) {
  return {type, value.data(), value.size()};
}

}  // namespace

TaskToken::TaskToken(const std::filesystem::path& door, std::optional<SecretBuffer> pin)
    : module_(client_library(door)) {
  module_.initialize();
  try {
    vendor_ = vendor_interface(module_.path());
    const pkcs11::Token token = pkcs11::find_token(module_, kTaskTokens);
    slot_ = token.slot;
    session_ = std::make_unique<TokenSession>(module_, slot_, CKF_RW_SESSION);
    if ((token.info.flags & CKF_LOGIN_REQUIRED) != 0) {
      if (!pin) {
        throw Failure(kWrongPin, "the task wants a login, but login.pin-source is not configured");
      }
      session_->log_in(CKU_USER, *pin);
    }
  } catch (...) {
    session_.reset();
    module_.close();
    throw;
  }
}

TaskToken::~TaskToken() {
  session_.reset();
  module_.close();
}

MAYFLY_TASK_INFO TaskToken::info() const {
  MAYFLY_TASK_INFO info{};
  pkcs11::check(vendor_->MAYFLY_TaskInfo(slot_, &info), "asking for the task");
  return info;
}

std::optional<std::uint64_t> TaskToken::deadline_unix_s() const {
  // Both are in whole seconds: the clock's is rounded down, what is left is rounded up. The clock
  // is read first, so that the time which the question takes makes the answer earlier, never later.
  const std::uint64_t now = unix_now_s();
  const MAYFLY_TASK_INFO task = info();
  const bool over = task.state != MAYFLY_TASK_OPEN && task.state != MAYFLY_TASK_ACTIVE;
  if (over || task.seconds_left == 0) return std::nullopt;
  return now + task.seconds_left - 1;
}

std::vector<TaskToken::Key> TaskToken::keys() const {
  CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
  CK_BBOOL on_token = CK_TRUE;
  const auto found = pkcs11::find_objects(
      module_.functions(), session_->handle(),
      {{CKA_CLASS, &object_class, sizeof object_class}, {CKA_TOKEN, &on_token, sizeof on_token}});
  std::vector<Key> keys;
  for (const CK_OBJECT_HANDLE object : found) {
    const auto read = [&](CK_ATTRIBUTE_TYPE type) {
      return read_attribute(module_, *session_, object, type);
    };
    keys.push_back({object, PublicKey::from_subject_public_key_info(read(CKA_PUBLIC_KEY_INFO)),
                    std::string(as_text(read(CKA_LABEL))), read(CKA_ID)});
  }
  return keys;
}

TaskToken::Key TaskToken::find_key(const std::string& wanted) const {
  std::vector<Key> found = keys();
  std::vector<KeyName> names;
  for (const Key& key : found) names.push_back({key.label, key.id});
  return std::move(found[choose_key(names, wanted)]);
}

bool TaskToken::can_sign(const SignatureScheme& scheme) const {
  return pkcs11::MechanismMap(module_.functions(), slot_).plan(scheme.scheme, scheme.hash).input !=
         SignInput::unsupported;
}

std::unique_ptr<Signer> TaskToken::signer(const Key& key) const {
  return std::make_unique<TaskSigner>(module_, slot_, *session_, key);
}

std::optional<std::string> TaskToken::attest(const Key& key, ByteView nonce) const {
  Bytes evidence(MAYFLY_EVIDENCE_MAX);
  CK_ULONG size = evidence.size();
  const CK_RV rv =
      vendor_->MAYFLY_Attest(slot_, key.handle, nonce.data(), nonce.size(), evidence.data(), &size);
  if (rv == CKR_FUNCTION_NOT_SUPPORTED) return std::nullopt;
  pkcs11::check(rv, "asking the device for evidence of the key");
  return std::string(
      as_text(ByteView(evidence).first(std::min<std::size_t>(size, evidence.size()))));
}

void TaskToken::put_certificate(const Key& key, ByteView der) {
  const x509::CertificateFields fields = x509::fields_of(der);
  CK_OBJECT_CLASS object_class = CKO_CERTIFICATE;
  CK_CERTIFICATE_TYPE type = CKC_X_509;
  CK_BBOOL on_token = CK_TRUE;
  CK_BBOOL is_private = CK_FALSE;
  Bytes label = to_bytes(as_bytes(key.label));
  Bytes id = key.id;
  Bytes subject = fields.subject;
  Bytes issuer = fields.issuer;
  Bytes serial = fields.serial;
  Bytes value = to_bytes(der);
  const auto older = pkcs11::find_objects(module_.functions(), session_->handle(),
                                          {{CKA_CLASS, &object_class, sizeof object_class},
                                           attribute(CKA_ID, id),
                                           attribute(CKA_ISSUER, issuer)});
  std::vector<CK_ATTRIBUTE> wanted = {{CKA_CLASS, &object_class, sizeof object_class},
                                      {CKA_CERTIFICATE_TYPE, &type, sizeof type},
                                      {CKA_TOKEN, &on_token, sizeof on_token},
                                      {CKA_PRIVATE, &is_private, sizeof is_private},
                                      attribute(CKA_LABEL, label),
                                      attribute(CKA_ID, id),
                                      attribute(CKA_SUBJECT, subject),
                                      attribute(CKA_ISSUER, issuer),
                                      attribute(CKA_SERIAL_NUMBER, serial),
                                      attribute(CKA_VALUE, value)};
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  pkcs11::check(
      module_.functions()->C_CreateObject(session_->handle(), wanted.data(), wanted.size(), &made),
      "putting the certificate on the task's token");
  for (const CK_OBJECT_HANDLE object : older) {
    pkcs11::check(module_.functions()->C_DestroyObject(session_->handle(), object),
                  "taking an older certificate from the task's token");
  }
}

}  // namespace mayfly::tools
