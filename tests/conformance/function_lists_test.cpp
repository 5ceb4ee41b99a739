// How a client finds the functions: C_GetFunctionList, C_GetInterfaceList, C_GetInterface.
#include <cstring>
#include <string_view>

#include <gtest/gtest.h>

#include "conformance/entry_points.h"
#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

/// A client that has loaded the library and not called C_Initialize.
class FunctionListTest : public testing::Test {
 protected:
  FunctionListTest()
      : provider_("/nowhere/mayfly.toml"),
        get_list_(provider_.symbol<CK_C_GetFunctionList>("C_GetFunctionList")),
        get_interfaces_(provider_.symbol<CK_C_GetInterfaceList>("C_GetInterfaceList")),
        get_interface_(provider_.symbol<CK_C_GetInterface>("C_GetInterface")) {}

  struct Wish {
    const char* name;
    std::optional<CK_VERSION> version;
    CK_FLAGS flags = 0;
  };
  CK_RV get(const Wish& wish, CK_INTERFACE*& found) const {
    std::string name = wish.name == nullptr ? "" : wish.name;
    CK_VERSION version = wish.version.value_or(CK_VERSION{});
    return get_interface_(
        wish.name == nullptr ? nullptr : reinterpret_cast<CK_UTF8CHAR*>(name.data()),
        wish.version ? &version : nullptr, &found, wish.flags);
  }

  ModuleProvider provider_;
  CK_C_GetFunctionList get_list_;
  CK_C_GetInterfaceList get_interfaces_;
  CK_C_GetInterface get_interface_;
};

std::string_view name_of(const CK_INTERFACE& interface) {
  return reinterpret_cast<const char*>(interface.pInterfaceName);
}

CK_VERSION version_of(const CK_INTERFACE& interface) {
  return *static_cast<const CK_VERSION*>(interface.pFunctionList);
}

/// The function pointers of a list, as raw words.
std::vector<void*> pointers_of(const void* list, std::size_t count) {
  // The version comes first, padded to the size of a pointer.
  std::vector<void*> pointers(count);
  std::memcpy(pointers.data(), static_cast<const char*>(list) + sizeof(void*),
              count * sizeof(void*));
  return pointers;
}

constexpr std::size_t kFunctions240 = (sizeof(CK_FUNCTION_LIST) - sizeof(void*)) / sizeof(void*);

TEST_F(FunctionListTest, GivesTheOldListWithEveryFunction) {
  CK_FUNCTION_LIST* list = nullptr;
  ASSERT_RV(CKR_OK, get_list_(&list));
  EXPECT_EQ(list->version.major, 2);
  EXPECT_EQ(list->version.minor, 40);
  EXPECT_EQ(kFunctions240, 68U);
  for (void* pointer : pointers_of(list, kFunctions240)) EXPECT_NE(pointer, nullptr);
}

TEST_F(FunctionListTest, GivesTheNewListWithEveryFunction) {
  EXPECT_EQ(provider_.functions().version.major, 3);
  EXPECT_EQ(provider_.functions().version.minor, 0);
  EXPECT_EQ(kFunctions, 92U);
  ASSERT_EQ(sizeof(CK_FUNCTION_LIST_3_0), (kFunctions + 1) * sizeof(void*));
  for (void* pointer : pointers_of(&provider_.functions(), kFunctions)) {
    EXPECT_NE(pointer, nullptr);
  }
}

TEST_F(FunctionListTest, GivesTheVendorsListWithEveryFunction) {
  const MAYFLY_FUNCTION_LIST& vendor = provider_.vendor();
  EXPECT_EQ(vendor.version.major, 1);
  EXPECT_EQ(vendor.version.minor, 0);
  EXPECT_NE(vendor.MAYFLY_OpenTask, nullptr);
  EXPECT_NE(vendor.MAYFLY_CloseTask, nullptr);
  EXPECT_NE(vendor.MAYFLY_Attest, nullptr);
  EXPECT_NE(vendor.MAYFLY_TaskInfo, nullptr);
}

TEST_F(FunctionListTest, GivesTheSameFunctionsInBothLists) {
  CK_FUNCTION_LIST* list = nullptr;
  ASSERT_RV(CKR_OK, get_list_(&list));
  EXPECT_EQ(pointers_of(list, kFunctions240), pointers_of(&provider_.functions(), kFunctions240));
  EXPECT_EQ(list->C_GetFunctionList, get_list_);
  EXPECT_EQ(provider_.functions().C_GetInterface, get_interface_);
  EXPECT_EQ(provider_.functions().C_GetInterfaceList, get_interfaces_);
}

TEST_F(FunctionListTest, ListsTheInterfaces) {
  CK_ULONG count = 0;
  ASSERT_RV(CKR_OK, get_interfaces_(nullptr, &count));
  EXPECT_EQ(count, 3U);
  std::vector<CK_INTERFACE> all(count + 2, CK_INTERFACE{nullptr, nullptr, ~0UL});

  CK_ULONG room = count - 1;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, get_interfaces_(all.data(), &room));
  EXPECT_EQ(room, count) << "the number must be told";
  EXPECT_EQ(all[0].pFunctionList, nullptr) << "written into a buffer that is too small";

  room = 0;
  EXPECT_RV(CKR_BUFFER_TOO_SMALL, get_interfaces_(all.data(), &room));
  EXPECT_EQ(room, count);

  room = all.size();
  EXPECT_RV(CKR_OK, get_interfaces_(all.data(), &room));
  EXPECT_EQ(room, count);
  EXPECT_EQ(all[count].flags, ~0UL) << "written behind the last interface";

  std::vector<std::string> names;
  for (CK_ULONG i = 0; i < count; ++i) {
    names.push_back(std::string(name_of(all[i])) + " " + std::to_string(version_of(all[i]).major) +
                    "." + std::to_string(version_of(all[i]).minor));
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"PKCS 11 2.40", "PKCS 11 3.0", "Vendor mayfly 1.0"}));
}

TEST_F(FunctionListTest, FindsInterfacesByWish) {
  const struct {
    const char* what;
    Wish wish;
    CK_VERSION version;
    const char* name;
  } rows[] = {
      {"anything", {nullptr, std::nullopt}, {3, 0}, "PKCS 11"},
      {"the standard's", {"PKCS 11", std::nullopt}, {3, 0}, "PKCS 11"},
      {"3.0", {"PKCS 11", CK_VERSION{3, 0}}, {3, 0}, "PKCS 11"},
      {"2.40", {"PKCS 11", CK_VERSION{2, 40}}, {2, 40}, "PKCS 11"},
      {"any of 2.40", {nullptr, CK_VERSION{2, 40}}, {2, 40}, "PKCS 11"},
      {"any of 1.0", {nullptr, CK_VERSION{1, 0}}, {1, 0}, MAYFLY_INTERFACE_NAME},
      {"the vendor's", {MAYFLY_INTERFACE_NAME, std::nullopt}, {1, 0}, MAYFLY_INTERFACE_NAME},
      {"the vendor's 1.0",
       {MAYFLY_INTERFACE_NAME, CK_VERSION{1, 0}},
       {1, 0},
       MAYFLY_INTERFACE_NAME},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    CK_INTERFACE* found = nullptr;
    ASSERT_RV(CKR_OK, get(row.wish, found));
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(name_of(*found), row.name);
    EXPECT_EQ(version_of(*found).major, row.version.major);
    EXPECT_EQ(version_of(*found).minor, row.version.minor);
    EXPECT_EQ(found->flags & row.wish.flags, row.wish.flags);
  }
}

// The standard gives C_GetInterface no code of its own for "there is none".
TEST_F(FunctionListTest, RefusesInterfacesThatAreNotThere) {
  const struct {
    const char* what;
    Wish wish;
  } rows[] = {
      {"another name", {"Vendor other", std::nullopt}},
      {"an empty name", {"", std::nullopt}},
      {"a name that is cut", {"PKCS", std::nullopt}},
      {"a name that goes on", {"PKCS 11 ", std::nullopt}},
      {"a name in other letters", {"pkcs 11", std::nullopt}},
      {"2.41", {"PKCS 11", CK_VERSION{2, 41}}},
      {"3.1", {"PKCS 11", CK_VERSION{3, 1}}},
      {"3.2", {"PKCS 11", CK_VERSION{3, 2}}},
      {"the vendor's 3.0", {MAYFLY_INTERFACE_NAME, CK_VERSION{3, 0}}},
      {"a flag that is not defined", {"PKCS 11", std::nullopt, 0x80}},
      // A forked child has to initialise anew, so mayfly must not promise more.
      {"fork safe", {"PKCS 11", std::nullopt, CKF_INTERFACE_FORK_SAFE}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    CK_INTERFACE* found = nullptr;
    EXPECT_RV_OF(get(row.wish, found), CKR_FUNCTION_FAILED, CKR_ARGUMENTS_BAD);
    EXPECT_EQ(found, nullptr);
  }
}

class InitializationTest : public ConformanceTest {
 protected:
  void SetUp() override {
    ConformanceTest::SetUp();
    ASSERT_RV(CKR_OK, finalize());
    reserved_ = provider_->reserved(kTask, "");
  }

  std::string reserved_;
};

CK_RV no_mutex(void**) { return CKR_OK; }
CK_RV no_mutex(void*) { return CKR_OK; }

TEST_F(InitializationTest, TakesTheWaysOfLockingThatItHas) {
  const CK_CREATEMUTEX create = no_mutex;
  const CK_DESTROYMUTEX use = no_mutex;
  const struct {
    const char* what;
    InitializeArgs args;
    CK_RV answer;
  } rows[] = {
      {"the system's locks", {.flags = CKF_OS_LOCKING_OK}, CKR_OK},
      {"no threads", {.flags = 0}, CKR_OK},
      {"no threads of the library's",
       {.flags = CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS},
       CKR_OK},
      {"either", {create, use, use, use, CKF_OS_LOCKING_OK}, CKR_OK},
      {"the client's only", {create, use, use, use, 0}, CKR_CANT_LOCK},
      {"one of four", {create, nullptr, nullptr, nullptr, 0}, CKR_ARGUMENTS_BAD},
      {"three of four", {create, use, use, nullptr, CKF_OS_LOCKING_OK}, CKR_ARGUMENTS_BAD},
      {"the last of four", {nullptr, nullptr, nullptr, use, CKF_OS_LOCKING_OK}, CKR_ARGUMENTS_BAD},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    InitializeArgs args = row.args;
    args.reserved = reserved_.data();
    EXPECT_RV(row.answer, p11_->C_Initialize(&args));
    if (row.answer == CKR_OK) {
      EXPECT_RV(CKR_OK, finalize());
    } else {
      EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, finalize()) << "initialised all the same";
    }
  }
}

TEST_F(InitializationTest, AnswersASecondTimeAsTheStandardSays) {
  ASSERT_RV(CKR_OK, initialize(kTask));
  EXPECT_RV(CKR_CRYPTOKI_ALREADY_INITIALIZED, initialize(kTask));
  EXPECT_RV(CKR_CRYPTOKI_ALREADY_INITIALIZED, p11_->C_Initialize(nullptr));
  EXPECT_EQ(slots().size(), 1U) << "the second call opened a task";
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_->C_Finalize(&reserved_));
  EXPECT_EQ(slots().size(), 1U) << "a refused C_Finalize ended something";
  EXPECT_RV(CKR_OK, finalize());
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, finalize());
}

TEST_F(InitializationTest, RefusesAReservedTextThatItDoesNotUnderstand) {
  for (const char* text :
       {"task", "=x", "other=1", "task='open", "task='a'b", "ttl=", "ttl=5 minutes", "ttl=-1s",
        "ttl=0s", "ttl=2000d", "task=\x01", "task=\xff\xfe"}) {
    SCOPED_TRACE(text);
    std::string reserved = reserved_.substr(0, reserved_.find(" task")) + " task=t " + text;
    InitializeArgs args;
    args.reserved = reserved.data();
    EXPECT_RV(CKR_ARGUMENTS_BAD, p11_->C_Initialize(&args));
    EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, finalize()) << "initialised all the same";
  }
  std::string endless = "task=t " + std::string(100'000, ' ');
  InitializeArgs args;
  args.reserved = endless.data();
  EXPECT_RV(CKR_ARGUMENTS_BAD, p11_->C_Initialize(&args));
}

TEST_F(InitializationTest, TellsWhoItIs) {
  ASSERT_RV(CKR_OK, initialize(kTask));
  CK_INFO info;
  std::memset(&info, 0xaa, sizeof info);
  ASSERT_RV(CKR_OK, p11_->C_GetInfo(&info));
  EXPECT_EQ(info.cryptokiVersion.major, 3);
  EXPECT_EQ(info.cryptokiVersion.minor, 0);
  EXPECT_EQ(info.flags, 0U) << "must be zero";
  EXPECT_EQ(std::string(reinterpret_cast<char*>(info.manufacturerID), 32),
            "mayfly" + std::string(26, ' '));
  const std::string description(reinterpret_cast<char*>(info.libraryDescription), 32);
  EXPECT_EQ(description.find('\0'), std::string::npos) << "padded with zeros";
}

// A process can be given its task by the environment, without any argument.
TEST_F(InitializationTest, TakesItsTaskFromTheEnvironment) {
  const ScopedVariable conf("MAYFLY_CONF", (folder_.path() / "mayfly.toml").string());
  const ScopedVariable task("MAYFLY_TASK", "from the environment");
  ASSERT_RV(CKR_OK, p11_->C_Initialize(nullptr));
  CK_TOKEN_INFO info;
  ASSERT_RV(CKR_OK, p11_->C_GetTokenInfo(only_slot(), &info));
  EXPECT_EQ(std::string(reinterpret_cast<char*>(info.label), 32),
            "from the environment            ");
}

TEST_F(InitializationTest, HasNoSlotWithoutATask) {
  ASSERT_RV(CKR_OK, initialize(""));
  EXPECT_TRUE(slots().empty());
  CK_SLOT_ID one = 0;
  CK_ULONG count = 1;
  EXPECT_RV(CKR_OK, p11_->C_GetSlotList(CK_TRUE, &one, &count));
  EXPECT_EQ(count, 0U);
}

TEST_F(InitializationTest, FailsWithoutAConfiguration) {
  std::string reserved = "conf=/nowhere/mayfly.toml task=t";
  InitializeArgs args;
  args.reserved = reserved.data();
  EXPECT_RV(CKR_GENERAL_ERROR, p11_->C_Initialize(&args));
  EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, finalize());
}

}  // namespace
}  // namespace mayfly::test
