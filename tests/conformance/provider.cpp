#include "conformance/provider.h"

#include <cstdlib>
#include <dlfcn.h>
#include <stdexcept>
#include <string_view>

#include "conformance/device_behind.h"
#include "conformance/p11kit_provider.h"

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

std::string_view door_under_test() {
  const char* const door = std::getenv("MAYFLY_TEST_DOOR");
  return door == nullptr ? "module" : door;
}

bool out_of_reach(CK_MECHANISM_TYPE mechanism) {
  return device_behind().lacks(mechanism) ||
         (door_under_test() == "p11kit" && !P11KitProvider::carries(mechanism));
}

bool is_unsent_value(CK_RV answer) {
  return answer == CKR_HOST_MEMORY && door_under_test() == "p11kit";
}

std::unique_ptr<Provider> make_provider(const std::filesystem::path& config_file) {
  const std::string_view name = door_under_test();
  if (name == "module") return std::make_unique<ModuleProvider>(config_file);
  if (name == "door") return std::make_unique<DoorProvider>(config_file);
  if (name == "p11kit") return std::make_unique<P11KitProvider>(config_file);
  throw std::runtime_error("MAYFLY_TEST_DOOR names no front door");
}

ModuleProvider::ModuleProvider(std::filesystem::path config_file,
                               const std::filesystem::path& library)
    : config_file_(std::move(config_file)),
      library_(dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (library_ == nullptr) throw std::runtime_error(dlerror());
  const auto get_interface = symbol<CK_C_GetInterface>("C_GetInterface");
  functions_ = static_cast<const CK_FUNCTION_LIST_3_0*>(
      interface_functions(get_interface, "PKCS 11", CK_VERSION{3, 0}));
  vendor_ = static_cast<const MAYFLY_FUNCTION_LIST*>(
      interface_functions(get_interface, MAYFLY_INTERFACE_NAME, CK_VERSION{1, 0}));
}

ModuleProvider::~ModuleProvider() { dlclose(library_); }

std::filesystem::path ModuleProvider::module_path() { return MAYFLY_MODULE_PATH; }

std::size_t ModuleProvider::device_keys() { return device_behind().keys(); }

std::size_t ModuleProvider::told_keys() const {
  CK_SLOT_ID slot = 0;
  CK_ULONG count = 1;
  MAYFLY_TASK_INFO info{};
  if (functions().C_GetSlotList(CK_TRUE, &slot, &count) != CKR_OK || count == 0) return 0;
  return vendor().MAYFLY_TaskInfo(slot, &info) == CKR_OK ? 2 * info.keys : 0;
}

std::string ModuleProvider::reserved(const std::string& task, const std::string& ttl) {
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

DoorProvider::DoorProvider(std::filesystem::path config_file)
    : config_file_(std::move(config_file)), library_(config_file_) {}

CK_RV DoorProvider::end_task(CK_SLOT_ID) {
  task_.reset();
  return CKR_OK;
}

std::size_t DoorProvider::device_keys() { return library_.told_keys(); }

std::string DoorProvider::reserved(const std::string& task, const std::string& ttl) {
  CK_INFO info;
  if (!task_ || functions().C_GetInfo(&info) != CKR_OK) {
    task_.reset();
    task_.emplace(config_file_, task, ttl);
  }
  return task_->reserved(config_file_.parent_path());
}

}  // namespace mayfly::test
