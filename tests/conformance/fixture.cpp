#include "conformance/fixture.h"

#include <array>

namespace mayfly::test {
namespace {

CK_UTF8CHAR* as_utf8(const std::string& text) {
  return reinterpret_cast<CK_UTF8CHAR*>(const_cast<char*>(text.data()));
}

}  // namespace

ConformanceTest::ConformanceTest(Settings settings)
    : settings_(settings), log_file_(folder_.path() / "mayfly.log") {}

std::filesystem::path ConformanceTest::write_config() const {
  const auto pin_file = folder_.write("client-pin", kClientPin);
  std::string text = device_behind().config();
  text +=
      std::string("[login]\nrequired = ") + (settings_.login_required ? "true" : "false") + "\n";
  text += "pin-source = \"file:" + pin_file.string() + "\"\n";
  text += std::string("[policy]\nusage = \"") + (settings_.strict_usage ? "strict" : "narrow") +
          "\"\n" + settings_.policy;
  text += "[limits]\ntasks = " + std::to_string(settings_.max_tasks) +
          "\nsessions = " + std::to_string(settings_.max_sessions) +
          "\nobjects = " + std::to_string(settings_.max_objects) + "\n";
  text += std::string("[log]\nlevel = \"") + settings_.log_level + "\"\nfile = \"" +
          log_file_.string() + "\"\n";
  return folder_.write("mayfly.toml", text);
}

void ConformanceTest::SetUp() {
  provider_ = make_provider(write_config());
  p11_ = &provider_->functions();
  vendor_ = &provider_->vendor();
  ASSERT_RV(CKR_OK, initialize(kTask));
  slot_ = only_slot();
}

void ConformanceTest::TearDown() {
  if (p11_ == nullptr) return;
  CK_INFO info;
  if (p11_->C_GetInfo(&info) == CKR_OK) {
    end_all_tasks();
    for (const CK_OBJECT_CLASS kind :
         {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY, CKO_SECRET_KEY, CKO_DATA, CKO_CERTIFICATE}) {
      EXPECT_EQ(device_behind().count(kind), 0U)
          << "objects of class " << kind << " left on the device";
    }
    EXPECT_RV(CKR_OK, finalize());
  }
  EXPECT_EQ(device_keys(), 0U) << "keys are stored on the device";
  EXPECT_EQ(device_behind().leftovers(), 0U);
  if (HasFailure()) std::cerr << "mayfly's log:\n" << log_text();
}

CK_RV ConformanceTest::initialize(const std::string& task, const std::string& ttl) {
  std::string reserved = provider_->reserved(task, ttl);
  InitializeArgs args;
  args.reserved = reserved.data();
  return p11_->C_Initialize(&args);
}

std::vector<CK_SLOT_ID> ConformanceTest::slots() {
  CK_ULONG count = 0;
  EXPECT_RV(CKR_OK, p11_->C_GetSlotList(CK_TRUE, nullptr, &count));
  std::vector<CK_SLOT_ID> found(count);
  // A vector's data() may be NULL when it is empty, which would ask for the number again.
  if (count == 0) return {};
  EXPECT_RV(CKR_OK, p11_->C_GetSlotList(CK_TRUE, found.data(), &count));
  found.resize(count);
  return found;
}

CK_SLOT_ID ConformanceTest::only_slot() {
  const auto found = slots();
  EXPECT_EQ(found.size(), 1U);
  return found.empty() ? 0 : found.front();
}

CK_SLOT_ID ConformanceTest::open_task(const std::string& id, CK_ULONG ttl) {
  const MAYFLY_TASK_REQUEST request{id.c_str(), ttl, nullptr, nullptr, nullptr};
  CK_SLOT_ID slot = 0;
  EXPECT_RV(CKR_OK, vendor_->MAYFLY_OpenTask(&request, &slot)) << id;
  return slot;
}

void ConformanceTest::end_all_tasks() {
  for (const CK_SLOT_ID slot : slots()) EXPECT_RV(CKR_OK, provider_->end_task(slot));
}

void ConformanceTest::start_task(const std::string& id, CK_ULONG ttl) {
  if (provider_->opens_tasks()) {
    slot_ = open_task(id, ttl);
    return;
  }
  EXPECT_RV(CKR_OK, finalize());
  EXPECT_RV(CKR_OK, initialize(id, ttl == 0 ? "" : std::to_string(ttl) + "s"));
  slot_ = only_slot();
}

CK_SESSION_HANDLE ConformanceTest::open_session(CK_FLAGS flags, std::optional<CK_SLOT_ID> slot) {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  EXPECT_RV(CKR_OK, p11_->C_OpenSession(slot.value_or(slot_), CKF_SERIAL_SESSION | flags, nullptr,
                                        nullptr, &session));
  return session;
}

CK_RV ConformanceTest::log_in(CK_SESSION_HANDLE session, const std::string& pin,
                              CK_USER_TYPE user) {
  return p11_->C_Login(session, user, as_utf8(pin), pin.size());
}

CK_RV ConformanceTest::try_generate(CK_SESSION_HANDLE session, const KeyKind& kind,
                                    const Template& public_wanted, const Template& private_wanted,
                                    KeyPair& pair) {
  Template public_template = kind.public_template();
  public_template.append(public_wanted);
  Template private_template = private_wanted;
  CK_MECHANISM mechanism{kind.generator, nullptr, 0};
  return p11_->C_GenerateKeyPair(session, &mechanism, public_template.data(),
                                 public_template.size(), private_template.data(),
                                 private_template.size(), &pair.public_key, &pair.private_key);
}

KeyPair ConformanceTest::generate(CK_SESSION_HANDLE session, const KeyKind& kind,
                                  const Template& public_wanted, const Template& private_wanted) {
  KeyPair pair;
  EXPECT_RV(CKR_OK, try_generate(session, kind, public_wanted, private_wanted, pair)) << kind.name;
  return pair;
}

std::vector<CK_OBJECT_HANDLE> ConformanceTest::find(CK_SESSION_HANDLE session, Template wanted) {
  EXPECT_RV(CKR_OK, p11_->C_FindObjectsInit(session, wanted.data(), wanted.size()));
  std::vector<CK_OBJECT_HANDLE> all;
  std::array<CK_OBJECT_HANDLE, 32> some;
  CK_ULONG count = 0;
  do {
    EXPECT_RV(CKR_OK, p11_->C_FindObjects(session, some.data(), some.size(), &count));
    all.insert(all.end(), some.begin(), some.begin() + count);
  } while (count != 0);
  EXPECT_RV(CKR_OK, p11_->C_FindObjectsFinal(session));
  return all;
}

std::optional<Bytes> ConformanceTest::get(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                          CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE wanted{type, nullptr, 0};
  if (p11_->C_GetAttributeValue(session, object, &wanted, 1) != CKR_OK) return std::nullopt;
  Bytes value(wanted.ulValueLen);
  wanted.pValue = value.data();
  if (p11_->C_GetAttributeValue(session, object, &wanted, 1) != CKR_OK) return std::nullopt;
  value.resize(wanted.ulValueLen);
  return value;
}

CK_RV ConformanceTest::get_answer(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                  CK_ATTRIBUTE_TYPE type) {
  CK_ATTRIBUTE wanted{type, nullptr, 0};
  return p11_->C_GetAttributeValue(session, object, &wanted, 1);
}

CK_RV ConformanceTest::sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                            CK_MECHANISM_TYPE mechanism, const Bytes& data, Bytes& signature) {
  CK_MECHANISM choice{mechanism, nullptr, 0};
  if (const CK_RV rv = p11_->C_SignInit(session, &choice, key); rv != CKR_OK) return rv;
  signature.resize(1024);
  CK_ULONG size = signature.size();
  const CK_RV rv = p11_->C_Sign(session, const_cast<CK_BYTE*>(data.data()), data.size(),
                                signature.data(), &size);
  signature.resize(rv == CKR_OK ? size : 0);
  return rv;
}

CK_RV ConformanceTest::sign_answer(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                                   const KeyKind& kind) {
  Bytes signature;
  return sign(session, key, kind.hashing_mechanism, Bytes{'d', 'a', 't', 'a'}, signature);
}

}  // namespace mayfly::test
