#include "races/race_task.h"

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "conformance/answers.h"
#include "conformance/key_kinds.h"
#include "support/raw_module.h"

namespace mayfly::test {
namespace {

constexpr std::size_t kMaxSignature = 64;

CK_UTF8CHAR* as_utf8(const std::string& text) {
  return reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(text.data()));
}

Bytes random_bytes(std::mt19937& random, std::size_t size) {
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

}  // namespace

/// A session, closed at the end if nobody else has closed it.
class RaceTask::Session {
 public:
  explicit Session(RaceTask& task) : p11_(task.library_.p11) {
    const CK_RV rv = p11_.C_OpenSession(task.slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                                        nullptr, &handle_);
    if (rv != CKR_OK) {
      handle_ = CK_INVALID_HANDLE;
      task.refused(rv, "C_OpenSession");
    }
  }
  ~Session() {
    if (handle_ != CK_INVALID_HANDLE) p11_.C_CloseSession(handle_);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] CK_SESSION_HANDLE handle() const noexcept { return handle_; }

 private:
  const CK_FUNCTION_LIST_3_0& p11_;
  CK_SESSION_HANDLE handle_ = CK_INVALID_HANDLE;
};

RaceTask::RaceTask(const RaceLibrary& library, RaceReport& report, const std::string& id,
                   CK_ULONG ttl_seconds)
    : library_(library), report_(report), id_(id) {
  const MAYFLY_TASK_REQUEST request{id_.c_str(), ttl_seconds, nullptr, nullptr, nullptr};
  CK_RV rv = library_.vendor.MAYFLY_OpenTask(&request, &slot_);
  if (ttl_seconds != 0) deadline_ = BootClock::now() + std::chrono::seconds(ttl_seconds);
  if (rv == CKR_OK) {
    rv = library_.p11.C_OpenSession(slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr,
                                    &owner_);
  }
  if (rv == CKR_OK) rv = log_in(owner_);
  if (rv != CKR_OK) {
    if (rv != CKR_CRYPTOKI_NOT_INITIALIZED) report_.broken(id_ + ": " + answer_name(rv));
    return;
  }
  if (const auto key = make_key(owner_, true)) {
    shared_ = *key;
    open_ = true;
    ++report_.tasks;
  }
}

CK_RV RaceTask::log_in(CK_SESSION_HANDLE session) {
  return library_.p11.C_Login(session, CKU_USER, as_utf8(library_.login_pin),
                              library_.login_pin.size());
}

/// What may be answered to a call that the end, a logout or another thread came before.
void RaceTask::refused(CK_RV rv, const char* call) {
  static const std::set<CK_RV> kProper = {
      CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED,         CKR_DEVICE_REMOVED,
      CKR_TOKEN_NOT_PRESENT,      CKR_SLOT_ID_INVALID,        CKR_KEY_HANDLE_INVALID,
      CKR_OBJECT_HANDLE_INVALID,  CKR_USER_NOT_LOGGED_IN,     CKR_OPERATION_NOT_INITIALIZED,
      CKR_OPERATION_ACTIVE,       CKR_USER_ALREADY_LOGGED_IN, CKR_CRYPTOKI_NOT_INITIALIZED};
  ++report_.refusals;
  if (!kProper.contains(rv)) report_.broken(id_ + ": " + call + " answered " + answer_name(rv));
}

std::optional<RaceTask::Key> RaceTask::make_key(CK_SESSION_HANDLE session, bool for_task) {
  const bool was_over = has_ended() || is_past_deadline();
  CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  Template public_template = kP256.public_template();
  public_template.append({{CKA_TOKEN, for_task}});
  Template private_template({{CKA_TOKEN, for_task}, {CKA_SIGN, true}});
  Key key;
  CK_RV rv = library_.p11.C_GenerateKeyPair(
      session, &mechanism, public_template.data(), public_template.size(), private_template.data(),
      private_template.size(), &key.public_key, &key.private_key);
  if (rv == CKR_OK && was_over) report_.broken(id_ + " made a key after its end");
  Bytes point(100);
  CK_ATTRIBUTE wanted{CKA_EC_POINT, point.data(), point.size()};
  if (rv == CKR_OK) rv = library_.p11.C_GetAttributeValue(session, key.public_key, &wanted, 1);
  if (rv != CKR_OK) {
    refused(rv, "C_GenerateKeyPair");
    return std::nullopt;
  }
  point.resize(wanted.ulValueLen);
  key.check = ec_public_key(CKK_EC, kP256.curve(), point);
  ++report_.keys;
  const std::scoped_lock lock(mutex_);
  points_.push_back(std::move(point));
  return key;
}

CK_RV RaceTask::ask_for_signature(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, bool in_parts,
                                  const Bytes& data, Bytes& signature) {
  const CK_FUNCTION_LIST_3_0& p11 = library_.p11;
  auto* const input = const_cast<CK_BYTE*>(data.data());
  CK_MECHANISM mechanism{CKM_ECDSA_SHA256, nullptr, 0};
  signature.resize(kMaxSignature);
  CK_ULONG size = signature.size();
  CK_RV rv = p11.C_SignInit(session, &mechanism, key);
  if (rv != CKR_OK) return rv;
  if (!in_parts) return p11.C_Sign(session, input, data.size(), signature.data(), &size);
  rv = p11.C_SignUpdate(session, input, data.size());
  return rv == CKR_OK ? p11.C_SignFinal(session, signature.data(), &size) : rv;
}

void RaceTask::sign(CK_SESSION_HANDLE session, const Key& key, std::mt19937& random) {
  const Bytes data = random_bytes(random, 20);
  Bytes signature;
  const bool was_over = has_ended();
  const bool was_late = is_past_deadline();
  const unsigned logouts = logouts_.load();
  const CK_RV rv =
      ask_for_signature(session, key.private_key, (random() & 1) != 0, data, signature);
  if (rv != CKR_OK) {
    refused(rv, "signing");
    return;
  }
  if (was_over) report_.broken(id_ + " signed after its end was reported");
  if (was_late) report_.broken(id_ + " signed after its deadline");
  if (logouts % 2 != 0 && logouts_.load() == logouts) report_.broken(id_ + " signed logged out");
  if (is_signature(key.check.get(), {SignatureForm::Scheme::ecdsa, "SHA256", nullptr, 0}, data,
                   signature)) {
    ++report_.signatures;
  } else {
    report_.broken(id_ + " gave out a signature that is not its key's");
  }
}

void RaceTask::search(CK_SESSION_HANDLE session) {
  const CK_FUNCTION_LIST_3_0& p11 = library_.p11;
  std::array<CK_OBJECT_HANDLE, 64> found;
  CK_ULONG count = 0;
  CK_RV rv = p11.C_FindObjectsInit(session, nullptr, 0);
  if (rv == CKR_OK) rv = p11.C_FindObjects(session, found.data(), found.size(), &count);
  if (rv == CKR_OK) rv = p11.C_FindObjectsFinal(session);
  if (rv != CKR_OK) return refused(rv, "searching");
  for (CK_ULONG i = 0; i < count; ++i) {
    Bytes owner(256);
    CK_ATTRIBUTE wanted{CKA_MAYFLY_TASK_ID, owner.data(), owner.size()};
    if (p11.C_GetAttributeValue(session, found[i], &wanted, 1) != CKR_OK) continue;
    if (std::string(owner.begin(), owner.begin() + static_cast<long>(wanted.ulValueLen)) != id_) {
      report_.broken(id_ + " found another task's object");
    }
  }
}

void RaceTask::copy(CK_SESSION_HANDLE session, const Key& key, std::mt19937& random) {
  Key twin = key;
  const CK_RV rv =
      library_.p11.C_CopyObject(session, key.private_key, nullptr, 0, &twin.private_key);
  if (rv != CKR_OK) return refused(rv, "C_CopyObject");
  sign(session, twin, random);
  const CK_RV destroyed = library_.p11.C_DestroyObject(session, twin.private_key);
  if (destroyed != CKR_OK) refused(destroyed, "C_DestroyObject");
}

void RaceTask::come_and_go(CK_SESSION_HANDLE session, std::mt19937& random) {
  const auto key = make_key(session, (random() & 1) != 0);
  if (!key) return;
  sign(session, *key, random);
  for (const CK_OBJECT_HANDLE object : {key->private_key, key->public_key}) {
    const CK_RV rv = library_.p11.C_DestroyObject(session, object);
    if (rv != CKR_OK) refused(rv, "C_DestroyObject");
  }
}

void RaceTask::try_strange_handles(CK_SESSION_HANDLE session, const RaceTask& stranger) {
  Key theirs;
  {
    const std::scoped_lock lock(stranger.mutex_);
    theirs = stranger.shared_;
  }
  Bytes signature;
  const CK_RV rv = ask_for_signature(session, theirs.private_key, false, Bytes(20), signature);
  if (rv == CKR_OK) {
    report_.broken(id_ + " signed with a key of " + stranger.id_);
    return;
  }
  ++report_.strangers_tried;
  refused(rv, "signing with a stranger's key");
  const CK_RV destroyed = library_.p11.C_DestroyObject(session, theirs.private_key);
  if (destroyed == CKR_OK) report_.broken(id_ + " destroyed a key of " + stranger.id_);
}

void RaceTask::use(std::mt19937& random, const RaceTask* stranger) {
  const Session session(*this);
  for (int i = 0; i < 8; ++i) {
    Key key;
    {
      const std::scoped_lock lock(mutex_);
      key = shared_;
    }
    switch (random() % 8) {
      case 0:
        search(session.handle());
        break;
      case 1:
        copy(session.handle(), key, random);
        break;
      case 2:
        come_and_go(session.handle(), random);
        break;
      case 3:
        if (stranger != nullptr) try_strange_handles(session.handle(), *stranger);
        break;
      default:
        sign(session.handle(), key, random);
    }
  }
}

bool RaceTask::close() {
  const CK_RV rv = library_.vendor.MAYFLY_CloseTask(slot_);
  const bool here = rv == CKR_OK;
  if (here) ended_.store(true);
  if (!here) refused(rv, "MAYFLY_CloseTask");
  return here;
}

void RaceTask::log_out_and_in() {
  CK_RV rv = library_.p11.C_Logout(owner_);
  if (rv != CKR_OK) return refused(rv, "C_Logout");
  logouts_.fetch_add(1);
  ++report_.logouts;
  std::mt19937 random(logouts_.load());
  {
    const Session session(*this);
    for (int i = 0; i < 3; ++i) sign(session.handle(), shared_, random);
  }
  logouts_.fetch_add(1);
  rv = log_in(owner_);
  if (rv != CKR_OK) return refused(rv, "C_Login");
  // Handles of private objects do not survive a logout.
  if (const auto key = make_key(owner_, true)) {
    const std::scoped_lock lock(mutex_);
    shared_ = *key;
  }
}

bool RaceTask::await_end() const {
  while (true) {
    std::array<CK_SLOT_ID, 64> slots;
    CK_ULONG count = slots.size();
    const CK_RV rv = library_.p11.C_GetSlotList(CK_TRUE, slots.data(), &count);
    if (rv == CKR_CRYPTOKI_NOT_INITIALIZED) return false;
    expect_ok(rv, "C_GetSlotList");
    const CK_SLOT_ID* const end = slots.data() + count;
    if (std::find(std::as_const(slots).data(), end, slot_) == end) return true;
    std::this_thread::yield();
  }
}

std::vector<Bytes> RaceTask::points() const {
  const std::scoped_lock lock(mutex_);
  return points_;
}

}  // namespace mayfly::test
