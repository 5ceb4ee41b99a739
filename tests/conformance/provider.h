// How the tests get at mayfly. All tables of this suite are written against a Provider, so that
// they can run through any front door.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/pkcs11.h"
#include "conformance/brokered_task.h"

namespace mayfly::test {

/// Provider models one front door of mayfly: where the function lists come from, and what a client
/// hands to C_Initialize to meet a task.
class Provider {
 public:
  virtual ~Provider() = default;
  Provider() = default;
  Provider(const Provider&) = delete;
  Provider& operator=(const Provider&) = delete;

  [[nodiscard]] virtual const CK_FUNCTION_LIST_3_0& functions() const noexcept = 0;
  /// Functions that open and end tasks.
  [[nodiscard]] virtual const MAYFLY_FUNCTION_LIST& vendor() const noexcept = 0;

  /// Whether the client may open and end tasks.
  [[nodiscard]] virtual bool opens_tasks() const noexcept = 0;
  /// Ends a task as its owner does.
  [[nodiscard]] virtual CK_RV end_task(CK_SLOT_ID slot) = 0;
  /// Key objects on the device, both halves, of all tasks that the client meets.
  [[nodiscard]] virtual std::size_t device_keys() = 0;

  /// What CK_C_INITIALIZE_ARGS.pReserved must say for the client to meet a task.
  /// @param task  The task's ID; empty for none.
  /// @param ttl   How long it lives ("1s"); empty for the default.
  [[nodiscard]] virtual std::string reserved(const std::string& task, const std::string& ttl) = 0;
};

/// What $MAYFLY_TEST_DOOR says: "module" without it, "door" or "p11kit".
[[nodiscard]] std::string_view door_under_test();
/// Whether a mechanism that mayfly knows can't be reached: the device lacks it, or the front door
/// does not carry it.
[[nodiscard]] bool out_of_reach(CK_MECHANISM_TYPE mechanism);

/// Whether an answer is the front door's own in place of CKR_ATTRIBUTE_VALUE_INVALID: p11-kit's
/// client can't send a number, a flag or a date of another length than the standard's, and says
/// CKR_HOST_MEMORY.
[[nodiscard]] bool is_unsent_value(CK_RV answer);

/// The front door that $MAYFLY_TEST_DOOR names, over the device that a configuration names.
[[nodiscard]] std::unique_ptr<Provider> make_provider(const std::filesystem::path& config_file);

/// ModuleProvider is the front door of a client that loads libmayfly.so itself.
class ModuleProvider final : public Provider {
 public:
  /// @param config_file  The mayfly.toml that tasks are opened under.
  /// @param library      A copy is another client in the same process.
  explicit ModuleProvider(std::filesystem::path config_file,
                          const std::filesystem::path& library = module_path());
  ~ModuleProvider() override;

  /// The library under test.
  [[nodiscard]] static std::filesystem::path module_path();

  [[nodiscard]] const CK_FUNCTION_LIST_3_0& functions() const noexcept override {
    return *functions_;
  }
  [[nodiscard]] const MAYFLY_FUNCTION_LIST& vendor() const noexcept override { return *vendor_; }
  [[nodiscard]] bool opens_tasks() const noexcept override { return true; }
  [[nodiscard]] CK_RV end_task(CK_SLOT_ID slot) override { return vendor_->MAYFLY_CloseTask(slot); }
  [[nodiscard]] std::size_t device_keys() override;
  [[nodiscard]] std::string reserved(const std::string& task, const std::string& ttl) override;

  /// Key objects on the device, both halves, as a worker tells of its task's; 0 when that has
  /// ended.
  [[nodiscard]] std::size_t told_keys() const;

  /// A function that the library exports; throws std::runtime_error if it does not.
  template <typename Function>
  [[nodiscard]] Function symbol(const char* name) const {
    return reinterpret_cast<Function>(find_symbol(name));
  }

 private:
  [[nodiscard]] void* find_symbol(const char* name) const;

  std::filesystem::path config_file_;
  void* library_;
  const CK_FUNCTION_LIST_3_0* functions_ = nullptr;
  const MAYFLY_FUNCTION_LIST* vendor_ = nullptr;
};

/// DoorProvider is the front door of an agent inside `mayfly run` that loads libmayfly.so: a client
/// of the broker. There is one task at a time.
class DoorProvider final : public Provider {
 public:
  explicit DoorProvider(std::filesystem::path config_file);

  [[nodiscard]] const CK_FUNCTION_LIST_3_0& functions() const noexcept override {
    return library_.functions();
  }
  [[nodiscard]] const MAYFLY_FUNCTION_LIST& vendor() const noexcept override {
    return library_.vendor();
  }
  [[nodiscard]] bool opens_tasks() const noexcept override { return false; }
  /// Ends the `mayfly run`.
  [[nodiscard]] CK_RV end_task(CK_SLOT_ID slot) override;
  /// What the worker says: the device is its own.
  [[nodiscard]] std::size_t device_keys() override;
  /// Starts a `mayfly run` for the task, in place of the one before; of one that the client has
  /// met already, says the same again.
  [[nodiscard]] std::string reserved(const std::string& task, const std::string& ttl) override;

 private:
  const std::filesystem::path config_file_;
  ModuleProvider library_;
  std::optional<BrokeredTask> task_;
};

}  // namespace mayfly::test
