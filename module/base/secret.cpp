#include "base/secret.h"

#include <cstring>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

#include <openssl/crypto.h>

#include "base/error.h"

namespace mayfly {

SecretBuffer::SecretBuffer(std::size_t size) : size_(size) {
  if (size == 0) return;
  if (size > kMaxSize) throw Error(CKR_HOST_MEMORY, "a secret is longer than 8192 bytes");
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  mapped_ = (size + page - 1) / page * page;
  void* memory = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw Error(CKR_HOST_MEMORY, "no memory for a secret");
  data_ = static_cast<std::uint8_t*>(memory);
  locked_ = mlock(data_, mapped_) == 0;
  madvise(data_, mapped_, MADV_DONTDUMP);
  madvise(data_, mapped_, MADV_WIPEONFORK);
}

SecretBuffer::SecretBuffer(ByteView content) : SecretBuffer(content.size()) {
  if (!content.empty()) std::memcpy(data_, content.data(), content.size());
}

SecretBuffer::SecretBuffer(SecretBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)),
      locked_(std::exchange(other.locked_, false)) {}

SecretBuffer& SecretBuffer::operator=(SecretBuffer&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    mapped_ = std::exchange(other.mapped_, 0);
    locked_ = std::exchange(other.locked_, false);
  }
  return *this;
}

SecretBuffer::~SecretBuffer() { release(); }

void SecretBuffer::truncate(std::size_t size) noexcept {
  if (size >= size_) return;
  zeroise({data_ + size, size_ - size});
  size_ = size;
}

bool SecretBuffer::equals(ByteView other) const noexcept {
  return size_ == other.size() && (size_ == 0 || CRYPTO_memcmp(data_, other.data(), size_) == 0);
}

void SecretBuffer::release() noexcept {
  if (data_ == nullptr) return;
  zeroise({data_, mapped_});
  munmap(data_, mapped_);
  data_ = nullptr;
  size_ = mapped_ = 0;
}

void zeroise(ByteSpan memory) noexcept {
  if (!memory.empty()) explicit_bzero(memory.data(), memory.size());
}

}  // namespace mayfly
