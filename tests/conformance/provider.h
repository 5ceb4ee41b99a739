// How the tests get at mayfly. All tables of this suite are written against a Provider, so that
// they can run through any front door.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/pkcs11.h"

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

  /// What CK_C_INITIALIZE_ARGS.pReserved must say for the client to meet a task.
  /// @param task  The task's ID; empty for none.
  /// @param ttl   How long it lives ("1s"); empty for the default.
  [[nodiscard]] virtual std::string reserved(const std::string& task,
                                             const std::string& ttl) const = 0;
};

/// The front door of this build, over the device that a configuration names.
[[nodiscard]] std::unique_ptr<Provider> make_provider(const std::filesystem::path& config_file);

/// ModuleProvider is the front door of a client that loads libmayfly.so itself.
class ModuleProvider final : public Provider {
 public:
  /// @param config_file  The mayfly.toml that tasks are opened under.
  explicit ModuleProvider(std::filesystem::path config_file);
  ~ModuleProvider() override;

  /// The library under test.
  [[nodiscard]] static std::filesystem::path module_path();

  [[nodiscard]] const CK_FUNCTION_LIST_3_0& functions() const noexcept override {
    return *functions_;
  }
  [[nodiscard]] const MAYFLY_FUNCTION_LIST& vendor() const noexcept override { return *vendor_; }
  [[nodiscard]] std::string reserved(const std::string& task,
                                     const std::string& ttl) const override;

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

}  // namespace mayfly::test
