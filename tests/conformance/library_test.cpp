// libmayfly.so as a file and as a guest in a process: symbols, loading, many initialisations,
// forks.
#include <atomic>
#include <cstdio>
#include <dlfcn.h>
#include <set>
#include <thread>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include <gtest/gtest.h>

#include "conformance/entry_points.h"
#include "conformance/fixture.h"
#include "conformance/process.h"

namespace mayfly::test {
namespace {

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  char buffer[4096];
  for (std::size_t n = 0; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  EXPECT_EQ(pclose(pipe), 0) << command;
  return text;
}

TEST(LibraryFileTest, ExportsThreeNames) {
  const std::string listing = output_of(std::string(MAYFLY_NM) + " -D --defined-only " +
                                        ModuleProvider::module_path().string());
  std::set<std::string> names;
  std::istringstream lines(listing);
  for (std::string address, kind, name; lines >> address >> kind >> name;) {
    if (kind == "A") continue;  // the name of a version
    names.insert(name.substr(0, name.find('@')));
  }
  EXPECT_EQ(names,
            (std::set<std::string>{"C_GetFunctionList", "C_GetInterface", "C_GetInterfaceList"}))
      << listing;
}

// A name that is missing would be taken from whatever the host has loaded.
TEST(LibraryFileTest, NeedsNoCFunctionOfAnybodyElse) {
  const std::string listing = output_of(std::string(MAYFLY_NM) + " -D --undefined-only " +
                                        ModuleProvider::module_path().string());
  EXPECT_EQ(listing.find(" C_"), std::string::npos) << listing;
}

TEST(LibraryFileTest, IsLoadedAndUnloadedWithoutBeingUsed) {
  for (int i = 0; i < 20; ++i) {
    const ModuleProvider provider("/nowhere/mayfly.toml");
    CK_INFO info;
    EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, provider.functions().C_GetInfo(&info));
    EXPECT_EQ(dlsym(RTLD_DEFAULT, "C_GetFunctionList"), nullptr) << "RTLD_LOCAL was not kept";
  }
}

class LibraryTest : public ConformanceTest {
 protected:
  /// A client's whole life: a key, a signature.
  void work(const std::string& task) {
    ASSERT_RV(CKR_OK, initialize(task));
    slot_ = only_slot();
    const CK_SESSION_HANDLE session = open_session();
    const KeyPair pair = generate(session, kP256);
    EXPECT_RV(CKR_OK, sign_answer(session, pair.private_key, kP256));
  }

  void reload() {
    const auto config = folder_.path() / "mayfly.toml";
    provider_.reset();
    provider_ = make_provider(config);
    p11_ = &provider_->functions();
    vendor_ = &provider_->vendor();
  }
};

TEST_F(LibraryTest, IsUnloadedAfterItsEndAndLoadedAgain) {
  ASSERT_RV(CKR_OK, finalize());
  for (int i = 0; i < 10; ++i) {
    reload();
    work("again");
    ASSERT_RV(CKR_OK, finalize());
    EXPECT_EQ(device_keys(), 0U);
  }
}

// A host that forgets C_Finalize and unloads all the same: no crash, and the next life works.
TEST_F(LibraryTest, IsUnloadedWithoutItsEnd) {
  ASSERT_RV(CKR_OK, finalize());
  expect_in_child([&] {
#ifdef __SANITIZE_ADDRESS__
    __lsan_disable();  // what a library that is unloaded so leaves behind is nobody's any more
#endif
    for (int i = 0; i < 3; ++i) {
      work("forgotten");
      reload();
      CK_INFO info;
      EXPECT_RV_OF(p11_->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED, CKR_OK)
          << "OK if the system kept the library in memory";
      static_cast<void>(finalize());
    }
    exit(HasFailure() ? 1 : 0);  // exit handlers and destructors, too
  });
}

// A process that exits without C_Finalize, by exit() with all its handlers.
TEST_F(LibraryTest, IsLeftWithoutItsEnd) {
  ASSERT_RV(CKR_OK, finalize());
  expect_in_child([&] {
    work("left");
    exit(HasFailure() ? 1 : 0);
  });
}

TEST_F(LibraryTest, StartsAThousandTimes) {
  ASSERT_RV(CKR_OK, finalize());
  const int rounds = kSanitized ? 50 : 1000;
  for (int i = 0; i < 5; ++i) {
    ASSERT_RV(CKR_OK, initialize(kTask));
    ASSERT_RV(CKR_OK, finalize());
  }
  const std::size_t descriptors = open_descriptors();
  for (int i = 0; i < rounds; ++i) {
    ASSERT_RV(CKR_OK, initialize(kTask)) << "time " << i;
    ASSERT_RV(CKR_OK, finalize()) << "time " << i;
  }
  EXPECT_EQ(open_descriptors(), descriptors);
  EXPECT_EQ(threads(), 1U) << "the library makes no threads";
}

TEST_F(LibraryTest, IsNotInitialisedInAForkedChild) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kP256);
  expect_in_child([&] {
    Call call{*p11_, slot_, session, pair.public_key, pair.private_key};
    for (const EntryPoint& row : entry_points()) {
      if (row.needs == Needs::nothing || row.function == Function::C_Finalize) continue;
      SCOPED_TRACE(row.name);
      EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, row.call(call));
    }
    EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, finalize());
  });
  EXPECT_RV(CKR_OK, sign_answer(session, pair.private_key, kP256));
  EXPECT_EQ(device_keys(), 2U);
}

TEST_F(LibraryTest, StartsAfreshInAForkedChild) {
  const CK_SESSION_HANDLE session = open_session();
  const KeyPair pair = generate(session, kP256, {}, {{CKA_LABEL, "the parent's"}});
  for (const bool with_finalize : {true, false}) {
    expect_in_child([&] {
      work("child");
      const CK_SESSION_HANDLE mine = open_session();
      EXPECT_TRUE(find(mine, {{CKA_LABEL, "the parent's"}}).empty());
      EXPECT_RV(CKR_SESSION_HANDLE_INVALID, sign_answer(session, pair.private_key, kP256));
      EXPECT_RV(CKR_KEY_HANDLE_INVALID, sign_answer(mine, pair.private_key, kP256));
      if (with_finalize) {
        EXPECT_RV(CKR_OK, finalize());
        EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, finalize());
      }
    });
    EXPECT_RV(CKR_OK, sign_answer(session, pair.private_key, kP256)) << "the child took the key";
    EXPECT_EQ(device_keys(), 2U);
  }
}

// A child of a child, and a parent that ends first.
TEST_F(LibraryTest, StartsAfreshInEachGeneration) {
  expect_in_child([&] {
    work("child");
    expect_in_child([&] {
      CK_INFO info;
      EXPECT_RV(CKR_CRYPTOKI_NOT_INITIALIZED, p11_->C_GetInfo(&info));
      work("grandchild");
      EXPECT_RV(CKR_OK, finalize());
    });
    EXPECT_RV(CKR_OK, finalize());
  });
  ASSERT_RV(CKR_OK, finalize());
  expect_in_child([&] {
    work("after the end");
    EXPECT_RV(CKR_OK, finalize());
  });
}

// A fork can come while other threads are anywhere in the library: the child must not hang on a
// lock that one of them held.
// A sanitizer's own locks do not survive such a fork.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(LibraryTest, AnswersInAChildThatWasForkedInTheMiddleOfCalls) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    const CK_SESSION_HANDLE session = open_session();
    const KeyPair pair = generate(session, kP256);
    workers.emplace_back([this, &stop, session, pair] {
      Bytes signature;
      while (!stop) {
        EXPECT_RV(CKR_OK, sign(session, pair.private_key, CKM_ECDSA, Bytes(32, 1), signature));
        EXPECT_RV(CKR_OK, get_answer(session, pair.public_key, CKA_ID));
      }
    });
  }
  for (int i = 0; i < 50; ++i) {
    expect_in_child([&] {
      CK_INFO info;
      CK_ULONG count = 0;
      if (p11_->C_GetInfo(&info) != CKR_CRYPTOKI_NOT_INITIALIZED) _exit(2);
      if (p11_->C_GetSlotList(CK_TRUE, nullptr, &count) != CKR_CRYPTOKI_NOT_INITIALIZED) _exit(3);
      if (p11_->C_Finalize(nullptr) != CKR_CRYPTOKI_NOT_INITIALIZED) _exit(4);
      _exit(0);
    });
  }
  stop = true;
  for (std::thread& worker : workers) worker.join();
}
#endif

}  // namespace
}  // namespace mayfly::test
