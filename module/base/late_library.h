// A shared library that is loaded when it is first needed.
#pragma once

namespace mayfly {

/// LateLibrary models a library that is not linked, so that what it brings along comes only into
/// processes that use it. It is never unloaded again.
class LateLibrary {
 public:
  /// Loads it.
  /// @param file     Its name for the loader: "libpq.so.5".
  /// @param what     What people call it.
  /// @param package  Debian's package that has it.
  /// @throws Error CKR_GENERAL_ERROR when it is not installed.
  LateLibrary(const char* file, const char* what, const char* package);

  /// Sets a pointer to the function of a name.
  /// @throws Error CKR_GENERAL_ERROR when the library is too old to have it.
  template <typename Function>
  void find(const char* name, Function& function) const {
    function = reinterpret_cast<Function>(symbol(name));
  }

 private:
  [[nodiscard]] void* symbol(const char* name) const;
  [[noreturn]] void refuse() const;

  const char* const file_;
  const char* const what_;
  const char* const package_;
  void* const loaded_;
};

}  // namespace mayfly
