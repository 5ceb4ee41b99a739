#include "integration/opening/grant_tasks.h"

#include <ctime>
#include <fstream>
#include <iterator>

#include "conformance/fixture.h"
#include "registry/sqlite/sqlite_registry.h"

namespace mayfly::test {

nlohmann::json good_claims(const std::string& id) {
  const auto now = static_cast<std::uint64_t>(std::time(nullptr));
  return {{"iss", "ops"},
          {"sub", "billing-agent"},
          {"jti", id},
          {"iat", now - 10},
          {"nbf", now - 10},
          {"exp", now + 590},
          {"task", kGrantedTask},
          {"ttl", 600},
          {"aud", kBroker},
          {"max_sigs", 3},
          {"max_keys", 2},
          {"mechs", {"CKM_ECDSA"}},
          {"scope", "pay read"},
          {"children", {{"allowed", true}, {"depth", 1}}}};
}

GrantTasksTest::GrantTasksTest(const std::string& more)
    : config_file_(folder_.path() / "mayfly.toml") {
  write_secret("approvers.json", jwk_set({approver_.jwk()}));
  write_secret("mayfly.toml",
               "[device]\nmodule = \"" + SoftHsmToken::module_path().string() + "\"\ntoken = \"" +
                   token_.uri() + "\"\npin-source = \"file:" + token_.pin_file().string() +
                   "\"\n[registry]\nfile = \"registry.db\"\n[grants]\n"
                   "required = true\napprovers = \"approvers.json\"\naudience = \"" +
                   kBroker + "\"\n[log]\nfile = \"mayfly.log\"\nlevel = \"info\"\n" + more);
  registry_ = open_sqlite_registry(folder_.path() / "registry.db", std::chrono::seconds(5));
  module_.emplace(config_file_);
}

GrantTasksTest::~GrantTasksTest() { module_->functions().C_Finalize(nullptr); }

std::filesystem::path GrantTasksTest::write_secret(const std::string& name,
                                                   const std::string& text) const {
  const std::filesystem::path path = folder_.path() / name;
  std::ofstream(path) << text;
  std::filesystem::permissions(
      path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  return path;
}

CK_RV GrantTasksTest::initialize(const std::string& reserved) {
  std::string text = "conf=" + config_file_.string() + " " + reserved;
  InitializeArgs arguments;
  arguments.reserved = text.data();
  return module_->functions().C_Initialize(&arguments);
}

CK_RV GrantTasksTest::open(const std::string& grant, const std::string& task,
                           const CK_SLOT_ID* parent) {
  const MAYFLY_TASK_REQUEST request{task.c_str(), 0, nullptr,
                                    grant.empty() ? nullptr : grant.c_str(), parent};
  return module_->vendor().MAYFLY_OpenTask(&request, &slot_);
}

std::string GrantTasksTest::log() const {
  std::ifstream stream(folder_.path() / "mayfly.log");
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::vector<TaskRecord> GrantTasksTest::recorded() const {
  TaskFilter all;
  all.ended_too = true;
  return registry_->tasks(all);
}

std::size_t GrantTasksTest::slots() const {
  CK_ULONG count = 0;
  module_->functions().C_GetSlotList(CK_TRUE, nullptr, &count);
  return count;
}

CK_SLOT_ID GrantTasksTest::only_slot() const {
  CK_SLOT_ID slot = 0;
  CK_ULONG count = 1;
  EXPECT_EQ(module_->functions().C_GetSlotList(CK_TRUE, &slot, &count), CKR_OK);
  return slot;
}

CK_SESSION_HANDLE GrantTasksTest::open_session(CK_SLOT_ID slot) const {
  CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
  EXPECT_EQ(module_->functions().C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                                               nullptr, &session),
            CKR_OK);
  return session;
}

CK_RV GrantTasksTest::generate(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE& key) const {
  CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  CK_ATTRIBUTE wanted{CKA_EC_PARAMS, p256, sizeof p256};
  CK_OBJECT_HANDLE other = CK_INVALID_HANDLE;
  return module_->functions().C_GenerateKeyPair(session, &mechanism, &wanted, 1, nullptr, 0, &other,
                                                &key);
}

CK_RV GrantTasksTest::sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) const {
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  if (const CK_RV rv = module_->functions().C_SignInit(session, &mechanism, key); rv != CKR_OK) {
    return rv;
  }
  CK_BYTE digest[32] = {7};
  CK_BYTE signature[64];
  CK_ULONG size = sizeof signature;
  return module_->functions().C_Sign(session, digest, sizeof digest, signature, &size);
}

CK_RV GrantTasksTest::login(CK_SESSION_HANDLE session, const std::string& pin) const {
  std::string copy = pin;
  return module_->functions().C_Login(session, CKU_USER,
                                      reinterpret_cast<CK_UTF8CHAR_PTR>(copy.data()), copy.size());
}

}  // namespace mayfly::test
