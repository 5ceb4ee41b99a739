#include "device/tpm/auth_values.h"

#include <bitset>
#include <utility>

#include "base/random.h"

namespace mayfly::tpm {

/// A locked page, cut into values.
class AuthValue::Page {
 public:
  /// A free value; empty when there is none.
  [[nodiscard]] ByteSpan take() {
    const std::scoped_lock lock(mutex_);
    for (std::size_t i = 0; i < kValues; ++i) {
      if (taken_[i]) continue;
      taken_.set(i);
      return memory_.span().subspan(i * kSize, kSize);
    }
    return {};
  }

  void give_back(ByteSpan value) noexcept {
    zeroise(value);
    const std::scoped_lock lock(mutex_);
    taken_.reset(static_cast<std::size_t>(value.data() - memory_.span().data()) / kSize);
  }

 private:
  static constexpr std::size_t kValues = SecretBuffer::kMaxSize / kSize;

  std::mutex mutex_;
  SecretBuffer memory_{SecretBuffer::kMaxSize};
  std::bitset<kValues> taken_;
};

AuthValue::AuthValue(AuthValue&& other) noexcept
    : page_(std::move(other.page_)), value_(std::exchange(other.value_, {})) {}

AuthValue& AuthValue::operator=(AuthValue&& other) noexcept {
  if (this != &other) {
    wipe();
    page_ = std::move(other.page_);
    value_ = std::exchange(other.value_, {});
  }
  return *this;
}

void AuthValue::wipe() noexcept {
  if (page_ != nullptr) page_->give_back(value_);
  page_.reset();
  value_ = {};
}

AuthValue AuthValues::make() {
  AuthValue made;
  const std::scoped_lock lock(mutex_);
  std::erase_if(pages_, [](const auto& page) { return page.expired(); });
  for (auto page = pages_.rbegin(); page != pages_.rend() && made.value_.empty(); ++page) {
    made.page_ = page->lock();
    if (made.page_ != nullptr) made.value_ = made.page_->take();
  }
  if (made.value_.empty()) {
    made.page_ = std::make_shared<AuthValue::Page>();
    made.value_ = made.page_->take();
    pages_.push_back(made.page_);
  }
  fill_random(made.value_, "the authorisation value of a key");
  return made;
}

}  // namespace mayfly::tpm
