#include "device/pkcs11/pending_keys.h"

#include "device/pkcs11/key_destruction.h"

namespace mayfly::pkcs11 {

void PendingKeys::add(KeyRecords records) noexcept {
  for (const auto& record : records) record->scope.reset();  // nobody makes keys there any more
  const std::lock_guard lock(mutex_);
  count_ += records.size();
  records_.splice(records_.end(), records);
}

std::size_t PendingKeys::retry(CK_FUNCTION_LIST_PTR functions, SessionPool& sessions) noexcept {
  KeyRecords owed;
  {
    const std::lock_guard lock(mutex_);
    owed.swap(records_);
  }
  count_ -= owed.remove_if([&](const std::shared_ptr<KeyRecord>& record) {
    return destroy_key_pair(functions, sessions, *record, Patience::try_only);
  });
  const std::lock_guard lock(mutex_);
  records_.splice(records_.end(), owed);
  return count_;
}

void PendingKeys::clear() noexcept {
  const std::lock_guard lock(mutex_);
  count_ -= records_.size();
  records_.clear();
}

}  // namespace mayfly::pkcs11
