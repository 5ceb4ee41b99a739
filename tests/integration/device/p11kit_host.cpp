#include "integration/device/p11kit_host.h"

#include <stdexcept>
#include <utility>

#define CRYPTOKI_GNU 1  // names that differ from those of base/pkcs11.h
#include <p11-kit/p11-kit.h>

namespace mayfly::test {

P11KitHost::P11KitHost(const std::string& module)
    : functions_(p11_kit_module_load(module.c_str(), 0)) {
  auto* functions = static_cast<CK_FUNCTION_LIST*>(functions_);
  if (functions == nullptr || p11_kit_module_initialize(functions) != CKR_OK) {
    throw std::runtime_error("the host can't load " + module);
  }
}

P11KitHost::~P11KitHost() { finalize(); }

void P11KitHost::finalize() {
  auto* functions = static_cast<CK_FUNCTION_LIST*>(std::exchange(functions_, nullptr));
  if (functions == nullptr) return;
  p11_kit_module_finalize(functions);
  p11_kit_module_release(functions);
}

}  // namespace mayfly::test
