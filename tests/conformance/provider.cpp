#include "conformance/provider.h"

#include <dlfcn.h>
#include <stdexcept>

namespace mayfly::test {
namespace {

void* interface_functions(CK_C_GetInterface get_interface, const char* name, CK_VERSION version) {
  std::string text = name;
  CK_INTERFACE* found = nullptr;
  const CK_RV rv = get_interface(reinterpret_cast<CK_UTF8CHAR*>(text.data()), &version, &found, 0);
  if (rv != CKR_OK) throw std::runtime_error("no interface " + text);
  return found->pFunctionList;
}

}  // namespace

std::unique_ptr<Provider> make_provider(const std::filesystem::path& config_file) {
  return std::make_unique<ModuleProvider>(config_file);
}

ModuleProvider::ModuleProvider(std::filesystem::path config_file)
    : config_file_(std::move(config_file)),
      library_(dlopen(module_path().c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (library_ == nullptr) throw std::runtime_error(dlerror());
  const auto get_interface = symbol<CK_C_GetInterface>("C_GetInterface");
  functions_ = static_cast<const CK_FUNCTION_LIST_3_0*>(
      interface_functions(get_interface, "PKCS 11", CK_VERSION{3, 0}));
  vendor_ = static_cast<const MAYFLY_FUNCTION_LIST*>(
      interface_functions(get_interface, MAYFLY_INTERFACE_NAME, CK_VERSION{1, 0}));
}

ModuleProvider::~ModuleProvider() { dlclose(library_); }

std::filesystem::path ModuleProvider::module_path() { return MAYFLY_MODULE_PATH; }

std::string ModuleProvider::reserved(const std::string& task, const std::string& ttl) const {
  std::string text = "conf='" + config_file_.string() + "'";
  if (!task.empty()) text += " task='" + task + "'";
  if (!ttl.empty()) text += " ttl=" + ttl;
  return text;
}

void* ModuleProvider::find_symbol(const char* name) const {
  void* found = dlsym(library_, name);
  if (found == nullptr) throw std::runtime_error(std::string(name) + " is not exported");
  return found;
}

}  // namespace mayfly::test
