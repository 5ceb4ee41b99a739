#include "tools/vendor_interface.h"

#include <dlfcn.h>

#include "tools/failure.h"

namespace mayfly::tools {

void* library_interface(const std::string& library, std::string name) {
  void* const loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_NOLOAD);
  const auto get_interface = reinterpret_cast<CK_C_GetInterface>(
      loaded == nullptr ? nullptr : dlsym(loaded, "C_GetInterface"));
  if (loaded != nullptr) dlclose(loaded);  // whoever loaded it still has it
  CK_INTERFACE* interface = nullptr;
  if (get_interface == nullptr || get_interface(reinterpret_cast<CK_UTF8CHAR*>(name.data()),
                                                nullptr, &interface, 0) != CKR_OK) {
    throw Failure(kInternal, library + " has no interface \"" + name + "\"");
  }
  return interface->pFunctionList;
}

MAYFLY_FUNCTION_LIST* vendor_interface(const std::string& library) {
  return static_cast<MAYFLY_FUNCTION_LIST*>(library_interface(library, MAYFLY_INTERFACE_NAME));
}

}  // namespace mayfly::tools
