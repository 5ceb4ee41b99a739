#include "base/late_library.h"

#include <dlfcn.h>
#include <string>

#include "base/error.h"

namespace mayfly {

LateLibrary::LateLibrary(const char* file, const char* what, const char* package)
    : file_(file),
      what_(what),
      package_(package),
      loaded_(dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) {
  if (loaded_ == nullptr) refuse();
}

void* LateLibrary::symbol(const char* name) const {
  void* const found = dlsym(loaded_, name);
  if (found == nullptr) refuse();
  return found;
}

void LateLibrary::refuse() const {
  const char* reason = dlerror();
  throw Error(CKR_GENERAL_ERROR, std::string(what_) +
                                     " can't be loaded: " + (reason == nullptr ? file_ : reason) +
                                     "; install Debian's package " + package_);
}

}  // namespace mayfly
