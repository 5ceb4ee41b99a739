// A host that leaves in the order that its arguments say:
//
//   exit_client MODULE RESERVED DEVICE WORD...
//
//   crypto    uses libcrypto, which then registers its exit handler
//   load      loads the module
//   start     initialises it with RESERVED, makes a key and signs
//   handler   registers an exit handler that signs and finalises
//   static    lets the destructor of a static object do so, after all exit handlers
//   unload    unloads the module, not finalised
//   watch     registers an exit handler that tells how the next words ended
//   finalising, starting
//             leaves while another thread does so and is in DEVICE, a faulty module, which lets it
//             go on in the midst of the exit handlers, when those registered after the module's ran
//
// Prints what the calls at the end answered. Dies or exits with a status other than 0 if something
// went wrong before.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>

#include "base/pkcs11.h"
#include "support/faulty_module.h"

namespace {

class Host {
 public:
  void load(const char* path) {
    library_ = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    require(library_ != nullptr, "dlopen");
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(library_, "C_GetFunctionList"));
    require(get != nullptr && get(&p11_) == CKR_OK, "C_GetFunctionList");
  }

  void start(char* reserved) {
    CK_C_INITIALIZE_ARGS args{};
    args.flags = CKF_OS_LOCKING_OK;
    args.LibraryParameters = reinterpret_cast<CK_CHAR_PTR*>(reserved);  // pReserved
    require(p11_->C_Initialize(&args) == CKR_OK, "C_Initialize");
    CK_SLOT_ID slot = 0;
    CK_ULONG count = 1;
    require(p11_->C_GetSlotList(CK_TRUE, &slot, &count) == CKR_OK, "C_GetSlotList");
    require(p11_->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr,
                                &session_) == CKR_OK,
            "C_OpenSession");
    std::array<unsigned char, 10> p256 = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
    CK_ATTRIBUTE curve = {CKA_EC_PARAMS, p256.data(), p256.size()};
    CK_MECHANISM generator = {CKM_EC_KEY_PAIR_GEN, nullptr, 0};
    CK_OBJECT_HANDLE public_key = 0;
    require(p11_->C_GenerateKeyPair(session_, &generator, &curve, 1, nullptr, 0, &public_key,
                                    &key_) == CKR_OK,
            "C_GenerateKeyPair");
    require(sign() == CKR_OK, "C_Sign");
  }

  /// Starts a thread that starts or finalises the module, and waits until it is in the device.
  void change_life(const char* device, bool start, char* reserved) {
    void* const library = dlopen(device, RTLD_NOW | RTLD_LOCAL);
    require(library != nullptr, "dlopen of the device");
    device_ = static_cast<mayfly::test::FaultyModule*>(dlsym(library, "faulty_module"));
    require(device_ != nullptr, "the device's switches");
    if (start) require(p11_->C_Finalize(nullptr) == CKR_OK, "C_Finalize");
    device_->hold_life = true;
    std::thread([this, start, reserved] {
      CK_C_INITIALIZE_ARGS args{};
      args.flags = CKF_OS_LOCKING_OK;
      args.LibraryParameters = reinterpret_cast<CK_CHAR_PTR*>(reserved);
      changed_ = start ? p11_->C_Initialize(&args) : p11_->C_Finalize(nullptr);
    }).detach();
    while (device_->held_lives == 0) std::this_thread::yield();
  }

  /// Lets the thread go on when the exit handlers after this one have had time not to wait for it.
  void release_life() {
    std::thread([this] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      device_->hold_life = false;
    }).detach();
  }

  /// What came of it by the time when the device's library is taken down.
  void tell_life() {
    CK_INFO info;
    std::printf("%s, C_GetInfo %lx\n", changed_ == kUnderWay ? "under way" : "over",
                p11_->C_GetInfo(&info));
    std::fflush(stdout);
    _exit(0);
  }

  void unload() {
    dlclose(library_);
    p11_ = nullptr;
  }

  /// What a host does at its very end.
  void leave(const char* where) {
    if (p11_ == nullptr) return;
    const CK_RV signed_rv = sign();
    std::printf("%s: sign %lx, finalize %lx\n", where, signed_rv, p11_->C_Finalize(nullptr));
    std::fflush(stdout);
  }

  void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "exit_client: %s failed\n", what);
    _exit(1);
  }

 private:
  CK_RV sign() {
    std::array<unsigned char, 32> digest{};
    std::array<unsigned char, 64> signature{};
    CK_ULONG size = signature.size();
    CK_MECHANISM ecdsa = {CKM_ECDSA, nullptr, 0};
    const CK_RV rv = p11_->C_SignInit(session_, &ecdsa, key_);
    return rv != CKR_OK
               ? rv
               : p11_->C_Sign(session_, digest.data(), digest.size(), signature.data(), &size);
  }

  void* library_ = nullptr;
  static constexpr CK_RV kUnderWay = ~0UL;

  mayfly::test::FaultyModule* device_ = nullptr;
  std::atomic<CK_RV> changed_{kUnderWay};
  CK_FUNCTION_LIST_PTR p11_ = nullptr;
  CK_SESSION_HANDLE session_ = 0;
  CK_OBJECT_HANDLE key_ = 0;
};

Host host;

/// Made before main() and so destroyed after every exit handler.
struct Last {
  bool wanted = false;
  ~Last() {
    if (wanted) host.leave("static");
  }
} last;

void use_libcrypto() {
  void* const library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_GLOBAL);
  host.require(library != nullptr, "libcrypto");
  using Init = int (*)(unsigned long, const void*);
  using Random = int (*)(unsigned char*, int);
  const auto initialise = reinterpret_cast<Init>(dlsym(library, "OPENSSL_init_crypto"));
  const auto random = reinterpret_cast<Random>(dlsym(library, "RAND_bytes"));
  constexpr unsigned long kLoadConfig = 0x40;
  unsigned char byte = 0;
  host.require(initialise(kLoadConfig, nullptr) == 1 && random(&byte, 1) == 1, "libcrypto");
}

}  // namespace

int main(int argc, char** argv) {
  host.require(argc > 3, "reading the arguments");
  for (int i = 4; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "crypto") {
      use_libcrypto();
    } else if (word == "load") {
      host.load(argv[1]);
    } else if (word == "start") {
      host.start(argv[2]);
    } else if (word == "handler") {
      host.require(std::atexit([] { host.leave("handler"); }) == 0, "atexit");
    } else if (word == "static") {
      last.wanted = true;
    } else if (word == "finalising" || word == "starting") {
      host.change_life(argv[3], word == "starting", argv[2]);
      host.require(std::atexit([] { host.release_life(); }) == 0, "atexit");
    } else if (word == "watch") {
      host.require(std::atexit([] { host.tell_life(); }) == 0, "atexit");
    } else if (word == "unload") {
      host.unload();
    } else {
      host.require(false, argv[i]);
    }
  }
  return 0;
}
