#include "tools/broker/p11kit_door.h"

#define P11_KIT_FUTURE_UNSTABLE_API
#include <p11-kit/p11-kit.h>
#include <p11-kit/remote.h>

namespace mayfly::broker {

std::string serve_p11kit(void* functions, int socket) {
  if (p11_kit_remote_serve_module(static_cast<CK_FUNCTION_LIST*>(functions), socket, socket) == 0) {
    return {};
  }
  const char* message = p11_kit_message();
  return message == nullptr ? "what came is no p11-kit message" : message;
}

}  // namespace mayfly::broker
