// p11-kit's own client as a front door of mayfly.
#pragma once

#include "conformance/provider.h"

namespace mayfly::test {

/// P11KitProvider is the front door of an unmodified client inside `mayfly run`: p11-kit's client
/// library, which speaks to the worker. There is one task at a time.
class P11KitProvider final : public Provider {
 public:
  explicit P11KitProvider(std::filesystem::path config_file);
  ~P11KitProvider() override;

  /// Whether p11-kit's client passes a mechanism on: it leaves others out of the list and refuses
  /// them before it asks.
  [[nodiscard]] static bool carries(CK_MECHANISM_TYPE mechanism) noexcept;

  /// The functions of 2.40; those of 3.0 are null.
  [[nodiscard]] const CK_FUNCTION_LIST_3_0& functions() const noexcept override {
    return functions_;
  }
  /// Of a libmayfly.so beside it, which has slots of its own.
  [[nodiscard]] const MAYFLY_FUNCTION_LIST& vendor() const noexcept override {
    return observer_.vendor();
  }
  [[nodiscard]] bool opens_tasks() const noexcept override { return false; }
  /// Ends the `mayfly run`.
  [[nodiscard]] CK_RV end_task(CK_SLOT_ID slot) override;
  /// What the worker says at its own door.
  [[nodiscard]] std::size_t device_keys() override;
  /// Starts a `mayfly run` for the task, in place of the one before; of one that the client has
  /// met already, says the same again.
  [[nodiscard]] std::string reserved(const std::string& task, const std::string& ttl) override;

 private:
  const std::filesystem::path config_file_;
  const std::filesystem::path socket_;  // a name for the task's, which the client knows
  void* library_ = nullptr;
  CK_FUNCTION_LIST_3_0 functions_{};
  ModuleProvider observer_;  // asks how many keys there are
  std::optional<BrokeredTask> task_;
};

}  // namespace mayfly::test
