// The scanners find what is there to be found: without that, finding nothing means nothing.
#include <memory>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include "secrets/key_search.h"
#include "secrets/process_memory.h"

namespace mayfly::test {
namespace {

/// A child that has put something into its memory and waits to be looked at.
class Exhibit {
 public:
  explicit Exhibit(const std::function<Bytes()>& put) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe");
    number_ = fork();
    if (number_ == 0) {
      const Bytes told = put();
      [[maybe_unused]] const ssize_t written = write(ends[1], told.data(), told.size());
      close(ends[1]);
      while (true) pause();
    }
    close(ends[1]);
    std::uint8_t byte = 0;
    while (read(ends[0], &byte, 1) == 1) told_.push_back(byte);
    close(ends[0]);
  }
  ~Exhibit() {
    kill(number_, SIGKILL);
    waitpid(number_, nullptr, 0);
  }
  Exhibit(const Exhibit&) = delete;
  Exhibit& operator=(const Exhibit&) = delete;

  [[nodiscard]] pid_t number() const noexcept { return number_; }
  [[nodiscard]] const Bytes& told() const noexcept { return told_; }

 private:
  pid_t number_ = -1;
  Bytes told_;
};

TEST(ScannerTest, FindsATextOnTheHeapAndInMemoryThatIsLeftOutOfCoreDumps) {
  // Spelt in the child only, from parts.
  const auto secret = [](const char* part) { return std::string(part) + "-is-" + "the-secret"; };
  const Exhibit exhibit([&] {
    static const auto* const kept = new std::string(secret("heap"));
    static const std::string text = secret("mapped");
    auto* const memory = static_cast<char*>(
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    madvise(memory, 4096, MADV_DONTDUMP);
    text.copy(memory, text.size());
    return Bytes{static_cast<std::uint8_t>(kept->size())};
  });
  const auto on_heap = places_of(exhibit.number(), secret("heap"));
  const auto mapped = places_of(exhibit.number(), secret("mapped"));
  const auto absent = places_of(exhibit.number(), secret("absent"));
  ASSERT_TRUE(on_heap && mapped && absent) << "a child of this process can't be looked at";
  EXPECT_GE(on_heap->size(), 1U);
  EXPECT_GE(mapped->size(), 2U) << "on the heap and in the mapping";
  EXPECT_TRUE(absent->empty());
}

Bytes make_libcrypto_key() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  Bytes point(65);
  std::size_t size = 0;
  EVP_PKEY_get_octet_string_param(key, "encoded-pub-key", point.data(), point.size(), &size);
  return point;
}

TEST(ScannerTest, FindsAPrivateKeyOfLibcrypto) {
  for (int i = 0; i < 2; ++i) {
    const Exhibit exhibit(make_libcrypto_key);
    const auto found = private_keys_in(exhibit.number(), {exhibit.told()});
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->size(), 1U);
  }
}

TEST(ScannerTest, FindsNoPrivateKeyOfAnotherProcess) {
  const Exhibit one(make_libcrypto_key);
  const Exhibit other(make_libcrypto_key);
  const auto found = private_keys_in(one.number(), {other.told()});
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->empty());
}

}  // namespace
}  // namespace mayfly::test
