#include "tools/broker/command_environment.h"

#include <string_view>
#include <unistd.h>

#include "tools/broker/child_process.h"
#include "tools/broker/own_library.h"

namespace mayfly::broker {
namespace {

constexpr const char* kClientModule = MAYFLY_P11KIT_MODULES "/p11-kit-client.so";

void set(std::vector<std::string>& environment, const std::string& name, const std::string& value) {
  const std::string start = name + "=";
  std::erase_if(environment, [&](const std::string& entry) { return entry.starts_with(start); });
  if (!value.empty()) environment.push_back(start + value);
}

}  // namespace

std::string p11kit_client_module() { return access(kClientModule, R_OK) == 0 ? kClientModule : ""; }

std::vector<std::string> command_environment(const RunRequest& request,
                                             const RuntimeFolder& folder) {
  std::vector<std::string> environment = environment_of_this_process();
  set(environment, "MAYFLY_SOCKET", folder.door_path().string());
  set(environment, "MAYFLY_TASK_ID", request.task_id);
  // Of a task in the process itself: beside MAYFLY_SOCKET they would contradict it.
  set(environment, "MAYFLY_TASK", "");
  set(environment, "MAYFLY_TTL", "");
  set(environment, "MAYFLY_GRANT_FILE", "");
  if (request.module_only) {
    set(environment, "P11_KIT_SERVER_ADDRESS", "");
    set(environment, "MAYFLY_PKCS11_MODULE", find_own_library().value_or("").string());
    set(environment, "MAYFLY_P11_KIT_CONFIG", folder.module_config_path().string());
  } else {
    set(environment, "P11_KIT_SERVER_ADDRESS", folder.address());
    set(environment, "MAYFLY_PKCS11_MODULE", p11kit_client_module());
    set(environment, "MAYFLY_P11_KIT_CONFIG", folder.p11kit_config_path().string());
  }
  return environment;
}

}  // namespace mayfly::broker
