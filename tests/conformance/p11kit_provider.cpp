#include "conformance/p11kit_provider.h"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <stdexcept>

#include "conformance/fixture.h"

namespace mayfly::test {
namespace {

constexpr std::string_view kUnixSocket = "unix:path=";

}  // namespace

bool P11KitProvider::carries(CK_MECHANISM_TYPE mechanism) noexcept {
  switch (mechanism) {
    case CKM_EDDSA:
    case CKM_EC_EDWARDS_KEY_PAIR_GEN:
    case CKM_SHA224:
    case CKM_SHA224_RSA_PKCS:
    case CKM_ECDSA_SHA224:
    case CKM_ECDSA_SHA256:
    case CKM_ECDSA_SHA384:
    case CKM_ECDSA_SHA512:
    case CKM_SHA224_RSA_PKCS_PSS:
    case CKM_SHA256_RSA_PKCS_PSS:
    case CKM_SHA384_RSA_PKCS_PSS:
    case CKM_SHA512_RSA_PKCS_PSS:
      return false;
    default:
      return true;
  }
}

P11KitProvider::P11KitProvider(std::filesystem::path config_file)
    : config_file_(std::move(config_file)),
      socket_(config_file_.parent_path() / "p11-kit.sock"),
      observer_(config_file_) {
  // Its client writes to a worker that is gone, and dies of it where the host has said nothing.
  std::signal(SIGPIPE, SIG_IGN);
  // The client reads the address when it is loaded, and once for all: each test has a copy of its
  // own, and tasks have one name.
  const auto copy = config_file_.parent_path() / "p11-kit-client.so";
  if (!std::filesystem::exists(copy)) std::filesystem::copy_file(MAYFLY_P11_KIT_CLIENT, copy);
  setenv("P11_KIT_SERVER_ADDRESS", (std::string(kUnixSocket) + socket_.string()).c_str(), 1);
  library_ = dlopen(copy.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) throw std::runtime_error(dlerror());
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library_, "C_GetFunctionList"));
  CK_FUNCTION_LIST* found = nullptr;
  if (get == nullptr || get(&found) != CKR_OK) {
    throw std::runtime_error("p11-kit's client has no functions");
  }
  std::memcpy(&functions_, found, sizeof *found);
}

P11KitProvider::~P11KitProvider() {
  static_cast<void>(end_task(0));  // so that the observer leaves nothing behind
  dlclose(library_);
}

CK_RV P11KitProvider::end_task(CK_SLOT_ID) {
  static_cast<void>(observer_.functions().C_Finalize(nullptr));
  task_.reset();
  return CKR_OK;
}

std::size_t P11KitProvider::device_keys() { return observer_.told_keys(); }

std::string P11KitProvider::reserved(const std::string& task, const std::string& ttl) {
  CK_INFO info;
  if (task_ && functions_.C_GetInfo(&info) == CKR_OK) return {};
  static_cast<void>(end_task(0));
  task_.emplace(config_file_, task, ttl);
  const std::string& address = task_->p11kit_address();
  if (address.rfind(kUnixSocket, 0) != 0) throw std::runtime_error("no socket: " + address);
  std::filesystem::remove(socket_);
  std::filesystem::create_symlink(address.substr(kUnixSocket.size()), socket_);
  std::string text = task_->reserved(config_file_.parent_path());
  InitializeArgs args;
  args.reserved = text.data();
  if (observer_.functions().C_Initialize(&args) != CKR_OK) {
    throw std::runtime_error("the task can't be observed");
  }
  return {};
}

}  // namespace mayfly::test
