#include "device/pkcs11/vendor_module.h"

#include <cstdio>
#include <dlfcn.h>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "device/pkcs11/p11kit.h"

namespace mayfly::pkcs11 {
namespace {

CK_FUNCTION_LIST_PTR load(const std::string& path) {
  std::string reason;
  void* functions = p11kit::load_module(path, reason);
  if (functions == nullptr) {
    throw Error(CKR_GENERAL_ERROR, "the device's module " + path + " can't be loaded: " + reason +
                                       "; check device.module");
  }
  return static_cast<CK_FUNCTION_LIST_PTR>(functions);
}

/// Keeps the library in memory for good. One with threads, exit handlers and thread-local objects
/// of its own does not survive being unloaded; and its exit handlers keep their place in the order
/// of all.
void pin(CK_FUNCTION_LIST_PTR functions, const std::string& path) {
  // A name that is no path was completed by p11-kit.
  const std::string file = p11kit::file_of_module(functions);
  void* const loaded =
      dlopen(file.empty() ? path.c_str() : file.c_str(), RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  if (loaded == nullptr) {
    log::warn("the device's module " + path + " can't be kept in memory: " + dlerror() +
              "; a process that unloads it may crash at its end; give device.module a full path");
    return;
  }
  dlclose(loaded);
}

}  // namespace

std::string describe(CK_RV rv) {
  char number[24];
  std::snprintf(number, sizeof number, " (0x%lx)", rv);
  return p11kit::meaning(rv) + number;
}

void check(CK_RV rv, const char* what) {
  if (rv != CKR_OK) throw Error(rv, std::string(what) + " failed: " + describe(rv));
}

VendorModule::VendorModule(std::string path) : path_(std::move(path)), functions_(load(path_)) {
  pin(functions_, path_);
}

void VendorModule::initialize() {
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  const CK_RV rv = functions_->C_Initialize(&args);
  if (rv != CKR_OK) {
    throw Error(rv, "the device's module " + path_ + " can't be initialised: " + describe(rv) +
                        "; check its own configuration, and device.env for what it reads");
  }
  initialized_ = true;
}

void VendorModule::close() noexcept {
  if (functions_ == nullptr) return;
  if (initialized_) functions_->C_Finalize(nullptr);
  p11kit::release_module(functions_);
  functions_ = nullptr;
  initialized_ = false;
}

}  // namespace mayfly::pkcs11
