// Two copies of the module in one process: by dlopen of a copied file, and by p11-kit's proxy.
#include <dlfcn.h>
#include <sched.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "process/life.h"
#include "support/raw_module.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;

/// A library at its own path, as long as this lives.
class LoadedCopy {
 public:
  explicit LoadedCopy(const fs::path& file) : library_(dlopen(file.c_str(), RTLD_NOW)) {
    if (library_ == nullptr) throw std::runtime_error(dlerror());
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library_, "C_GetFunctionList"));
    expect_ok(get(&functions_), "C_GetFunctionList");
  }
  ~LoadedCopy() { dlclose(library_); }
  LoadedCopy(const LoadedCopy&) = delete;
  LoadedCopy& operator=(const LoadedCopy&) = delete;

  CK_FUNCTION_LIST_PTR operator->() const noexcept { return functions_; }

 private:
  void* library_;
  CK_FUNCTION_LIST_PTR functions_ = nullptr;
};

class CopiesTest : public LifeTest {
 protected:
  [[nodiscard]] fs::path make_copy() const {
    const fs::path copy = folder_.path() / "libmayfly-copy.so";
    fs::copy_file(ModuleProvider::module_path(), copy);
    return copy;
  }

  /// A key made and used through a 2.40 function list, in the slot of a task.
  static CK_SESSION_HANDLE open_on(CK_FUNCTION_LIST_PTR p11, const std::string& task) {
    std::array<CK_SLOT_ID, 8> slots;
    CK_ULONG count = slots.size();
    EXPECT_RV(CKR_OK, p11->C_GetSlotList(CK_TRUE, slots.data(), &count));
    for (CK_ULONG i = 0; i < count; ++i) {
      CK_TOKEN_INFO info{};
      EXPECT_RV(CKR_OK, p11->C_GetTokenInfo(slots[i], &info));
      const std::string label(reinterpret_cast<const char*>(info.label), sizeof info.label);
      if (label.substr(0, label.find_last_not_of(' ') + 1) != task) continue;
      CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
      EXPECT_RV(CKR_OK, p11->C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                                           nullptr, &session));
      return session;
    }
    ADD_FAILURE() << "no token " << task << " among " << count;
    return CK_INVALID_HANDLE;
  }

  static KeyPair make_key(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session) {
    CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
    Template curve = kP256.public_template();
    KeyPair pair;
    EXPECT_RV(CKR_OK, p11->C_GenerateKeyPair(session, &mechanism, curve.data(), curve.size(),
                                             nullptr, 0, &pair.public_key, &pair.private_key));
    return pair;
  }

  static CK_RV sign_with(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session,
                         CK_OBJECT_HANDLE key) {
    CK_MECHANISM ecdsa{CKM_ECDSA, nullptr, 0};
    if (const CK_RV rv = p11->C_SignInit(session, &ecdsa, key); rv != CKR_OK) return rv;
    Bytes digest(32, 3);
    Bytes signature(64);
    CK_ULONG size = signature.size();
    return p11->C_Sign(session, digest.data(), digest.size(), signature.data(), &size);
  }

  /// Private keys that a session sees.
  static std::size_t count_keys(CK_FUNCTION_LIST_PTR p11, CK_SESSION_HANDLE session) {
    Template wanted({{CKA_CLASS, CK_ULONG{CKO_PRIVATE_KEY}}});
    std::array<CK_OBJECT_HANDLE, 16> found;
    CK_ULONG count = 0;
    EXPECT_RV(CKR_OK, p11->C_FindObjectsInit(session, wanted.data(), wanted.size()));
    EXPECT_RV(CKR_OK, p11->C_FindObjects(session, found.data(), found.size(), &count));
    EXPECT_RV(CKR_OK, p11->C_FindObjectsFinal(session));
    return count;
  }
};

TEST_F(CopiesTest, ACopiedFileIsAModuleOfItsOwn) {
  session_ = open_session();
  pair_ = generate(session_, kP256);
  LoadedCopy copy(make_copy());
  CK_INFO info;
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, copy->C_GetInfo(&info));
  std::string reserved = provider_->reserved("copy", "");
  for (int life = 0; life < 3; ++life) {
    InitializeArgs args;
    args.reserved = reserved.data();
    ASSERT_RV(CKR_OK, copy->C_Initialize(&args));
    const CK_SESSION_HANDLE theirs = open_on(copy.operator->(), "copy");
    const KeyPair pair = make_key(copy.operator->(), theirs);
    EXPECT_RV(CKR_OK, sign_with(copy.operator->(), theirs, pair.private_key));
    EXPECT_EQ(device_keys(), 4U);
    EXPECT_EQ(count_keys(copy.operator->(), theirs), 1U) << "sees the other copy's objects";
    EXPECT_EQ(find(session_, {{CKA_CLASS, CK_ULONG{CKO_PRIVATE_KEY}}}).size(), 1U)
        << "is seen by the other copy";
    EXPECT_EQ(slots().size(), 1U);
    EXPECT_RV(CKR_OK, copy->C_Finalize(nullptr));
    EXPECT_EQ(device_keys(), 2U) << "one copy's end is not the other's";
    EXPECT_RV(CKR_OK, sign_answer(session_, pair_.private_key, kP256));
  }
}

// The other order: the copy that came first goes first.
TEST_F(CopiesTest, TheFirstCopysEndIsNotTheSeconds) {
  LoadedCopy copy(make_copy());
  std::string reserved = provider_->reserved("copy", "");
  InitializeArgs args;
  args.reserved = reserved.data();
  ASSERT_RV(CKR_OK, copy->C_Initialize(&args));
  const CK_SESSION_HANDLE theirs = open_on(copy.operator->(), "copy");
  const KeyPair pair = make_key(copy.operator->(), theirs);
  generate(open_session(), kP256);
  ASSERT_RV(CKR_OK, finalize());
  EXPECT_EQ(device_keys(), 2U);
  EXPECT_RV(CKR_OK, sign_with(copy.operator->(), theirs, pair.private_key));
  EXPECT_RV(CKR_OK, copy->C_Finalize(nullptr));
  EXPECT_EQ(device_keys(), 0U);
}

// A process with ThreadSanitizer has a thread too many for a namespace of its own.
#ifndef __SANITIZE_THREAD__

/// Makes this process a user for whom p11-kit reads the configuration in $XDG_CONFIG_HOME, which it
/// does not for root.
void be_no_root() {
  if (getuid() != 0) return;
  ASSERT_EQ(unshare(CLONE_NEWUSER), 0) << "a namespace in which root is another user";
  std::ofstream("/proc/self/uid_map") << "1000 0 1";
  ASSERT_EQ(getuid(), 1000U);
}

TEST_F(CopiesTest, BothLiveBehindOneProxyOfP11Kit) {
  ASSERT_RV(CKR_OK, finalize());
  const fs::path copy = make_copy();
  expect_in_child([&] {
    be_no_root();
    const auto configure = [&](const char* name, const fs::path& module, const std::string& task) {
      folder_.write(std::string("pkcs11/modules/") + name,
                    "module: " + module.string() +
                        "\nx-init-reserved: " + provider_->reserved(task, "") + "\n");
    };
    configure("a.module", ModuleProvider::module_path(), "first");
    configure("b.module", copy, "second");
    folder_.write("pkcs11/pkcs11.conf", "user-config: only\n");
    setenv("XDG_CONFIG_HOME", folder_.path().c_str(), 1);
    LoadedCopy proxy(MAYFLY_P11KIT_PROXY);
    for (int life = 0; life < 3; ++life) {
      ASSERT_RV(CKR_OK, proxy->C_Initialize(nullptr));
      std::vector<std::pair<CK_SESSION_HANDLE, KeyPair>> made;
      for (const char* task : {"first", "second"}) {
        const CK_SESSION_HANDLE session = open_on(proxy.operator->(), task);
        made.emplace_back(session, make_key(proxy.operator->(), session));
      }
      for (const auto& [session, pair] : made) {
        EXPECT_RV(CKR_OK, sign_with(proxy.operator->(), session, pair.private_key));
        EXPECT_EQ(count_keys(proxy.operator->(), session), 1U);
      }
      EXPECT_NE(sign_with(proxy.operator->(), made[0].first, made[1].second.private_key), CKR_OK)
          << "one task's key in the other's session";
      EXPECT_RV(CKR_OK, proxy->C_Finalize(nullptr));
    }
  });
  EXPECT_EQ(device_keys(), 0U);
}
#endif

}  // namespace
}  // namespace mayfly::test
