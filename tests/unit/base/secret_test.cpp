#include "base/secret.h"

#include <algorithm>
#include <dlfcn.h>
#include <fstream>
#include <optional>
#include <sstream>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/error.h"

namespace {

/// What the next munmap() of this thread finds in the memory; nothing as long as there was none.
thread_local bool watching = false;
thread_local std::optional<bool> all_zero;

}  // namespace

/// Takes the place of the C library's function in this test, to see memory at its last moment.
extern "C" __attribute__((visibility("default"))) int munmap(void* memory,
                                                             std::size_t size) noexcept {
  if (watching) {
    const auto* bytes = static_cast<const std::uint8_t*>(memory);
    all_zero = std::all_of(bytes, bytes + size, [](std::uint8_t byte) { return byte == 0; });
    watching = false;
  }
  return static_cast<int>(syscall(SYS_munmap, memory, size));
}

namespace mayfly {
namespace {

constexpr char kSecret[] = "correct horse battery staple";
const std::size_t kSize = sizeof kSecret - 1;

// Sanitizers answer mlock() themselves, with success and without locking.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kLockingIsReal = false;
#elif defined(__has_feature)
constexpr bool kLockingIsReal =
    !(__has_feature(address_sanitizer) || __has_feature(thread_sanitizer));
#else
constexpr bool kLockingIsReal = true;
#endif

SecretBuffer make_secret() { return SecretBuffer(as_bytes(kSecret)); }

bool is_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

/// The kernel's flags of the mapping that holds an address.
std::string flags_of(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t start = 0;
    std::uintptr_t end = 0;
    char dash = 0;
    std::istringstream parser(line);
    if (parser >> std::hex >> start >> dash >> end && dash == '-') {
      inside = wanted >= start && wanted < end;
    } else if (inside && line.starts_with("VmFlags:")) {
      return line + " ";
    }
  }
  return "no such mapping";
}

TEST(SecretBuffer, HoldsACopy) {
  const SecretBuffer secret = make_secret();
  EXPECT_EQ(as_text(secret.view()), kSecret);
  EXPECT_EQ(secret.size(), kSize);
  EXPECT_FALSE(secret.empty());
}

TEST(SecretBuffer, OfASizeIsZero) {
  SecretBuffer secret(100);
  EXPECT_EQ(secret.size(), 100u);
  EXPECT_TRUE(is_zero(secret.view()));
  secret.span()[99] = 7;
  EXPECT_EQ(secret.view()[99], 7);
}

TEST(SecretBuffer, EmptyOnesWork) {
  SecretBuffer nothing;
  const SecretBuffer none(std::size_t{0});
  const SecretBuffer of_nothing{ByteView{}};
  EXPECT_TRUE(nothing.empty() && none.empty() && of_nothing.empty());
  EXPECT_TRUE(nothing.equals({}));
  EXPECT_FALSE(nothing.equals(as_bytes("x")));
  nothing.truncate(0);
  nothing = SecretBuffer(std::size_t{0});
  EXPECT_TRUE(nothing.empty());
}

TEST(SecretBuffer, HasAMostSize) {
  EXPECT_EQ(SecretBuffer(SecretBuffer::kMaxSize).size(), SecretBuffer::kMaxSize);
  try {
    const SecretBuffer secret(SecretBuffer::kMaxSize + 1);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.rv(), static_cast<CK_RV>(CKR_HOST_MEMORY));
  }
}

TEST(SecretBuffer, MovesAndLeavesNothing) {
  SecretBuffer first = make_secret();
  const std::uint8_t* memory = first.view().data();
  SecretBuffer second(std::move(first));
  EXPECT_EQ(second.view().data(), memory) << "moved, not copied";
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(first.view().data(), nullptr);
  EXPECT_FALSE(first.locked());

  SecretBuffer third(as_bytes("other"));
  third = std::move(second);
  EXPECT_EQ(as_text(third.view()), kSecret);
  EXPECT_TRUE(second.empty());

  SecretBuffer& self = third;
  third = std::move(self);
  EXPECT_EQ(as_text(third.view()), kSecret);
}

TEST(SecretBuffer, TruncateWipesTheRest) {
  SecretBuffer secret = make_secret();
  const ByteView whole = secret.view();
  secret.truncate(7);
  EXPECT_EQ(as_text(secret.view()), "correct");
  EXPECT_TRUE(is_zero(whole.subspan(7)));
  secret.truncate(100);
  EXPECT_EQ(secret.size(), 7u) << "it never grows";
  secret.truncate(0);
  EXPECT_TRUE(secret.empty());
  EXPECT_TRUE(is_zero(whole));
}

TEST(SecretBuffer, EqualsComparesLengthAndContent) {
  const SecretBuffer secret = make_secret();
  EXPECT_TRUE(secret.equals(as_bytes(kSecret)));
  EXPECT_FALSE(secret.equals({}));
  EXPECT_FALSE(secret.equals(as_bytes(kSecret).first(kSize - 1)));
  EXPECT_FALSE(secret.equals(ByteView(reinterpret_cast<const std::uint8_t*>(kSecret), kSize + 1)));
  for (std::size_t i = 0; i < kSize; ++i) {
    Bytes other = to_bytes(as_bytes(kSecret));
    other[i] ^= 0x80;
    EXPECT_FALSE(secret.equals(other)) << i;
  }
}

TEST(SecretBuffer, IsWipedBeforeItIsGivenBack) {
  {
    const SecretBuffer secret = make_secret();
    all_zero.reset();
    watching = true;
  }
  EXPECT_EQ(all_zero, true) << "by the destructor";

  SecretBuffer secret = make_secret();
  all_zero.reset();
  watching = true;
  secret = SecretBuffer(as_bytes("other"));
  EXPECT_EQ(all_zero, true) << "by assignment";

  SecretBuffer shortened = make_secret();
  all_zero.reset();
  watching = true;
  shortened.truncate(0);
  shortened = SecretBuffer();
  EXPECT_EQ(all_zero, true) << "after truncate";
}

TEST(SecretBuffer, IsLockedLeftOutOfDumpsAndNotForked) {
  const SecretBuffer secret = make_secret();
  const std::string flags = flags_of(secret.view().data());
  EXPECT_NE(flags.find(" dd "), std::string::npos) << "not in core dumps: " << flags;
  EXPECT_NE(flags.find(" wf "), std::string::npos) << "wiped on fork: " << flags;
  EXPECT_TRUE(!kLockingIsReal || (flags.find(" lo ") != std::string::npos) == secret.locked())
      << flags;

  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(is_zero(secret.view()) ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "the child can read the secret";
  EXPECT_EQ(as_text(secret.view()), kSecret) << "the parent still has it";
}

// Sanitizers lock no memory, and say that they did.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(SecretBuffer, WorksWhereMemoryCannotBeLocked) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const rlimit none{0, 0};
    // Root may lock in spite of the limit, so this child is somebody else.
    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(65'534) != 0)) _exit(2);
    const SecretBuffer secret = make_secret();
    _exit(!secret.locked() && as_text(secret.view()) == kSecret ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}
#endif

TEST(Zeroise, OverwritesExactlyWhatItIsGiven) {
  Bytes bytes(10, 0xff);
  zeroise(ByteSpan(bytes).subspan(2, 5));
  EXPECT_EQ(to_hex(bytes), "ffff0000000000ffffff");
  zeroise({});
}

}  // namespace
}  // namespace mayfly
