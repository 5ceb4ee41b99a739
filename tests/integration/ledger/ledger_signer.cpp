// Opens a task and signs numbers with its key until it is killed. Each number goes to standard
// output, eight bytes in the machine's order, when its signature was given out.
//
//   ledger_signer CONFIG
#include <cstdint>
#include <cstdio>
#include <unistd.h>

#include "compose/library.h"
#include "core/application.h"

namespace mayfly {
namespace {

void sign_for_ever(const char* config) {
  Library library(Config::load(config));
  Application application(library.tasks(), 10);
  const auto task = library.tasks().open({"killed", {}});
  const auto session = application.session(application.open_session(task->slot(), true));
  Attributes wanted;
  wanted.set(CKA_EC_PARAMS, ec_params({CKK_EC, 256}));
  const ObjectHandle key = session->generate_key_pair(CKM_EC_KEY_PAIR_GEN, wanted, {}).private_key;
  std::array<std::uint8_t, 64> signature{};
  for (std::uint64_t number = 0;; ++number) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&number);
    session->sign_init({CKM_ECDSA_SHA256, {}}, key);
    session->sign({bytes, sizeof number}, signature);
    if (write(STDOUT_FILENO, bytes, sizeof number) != sizeof number) return;
  }
}

}  // namespace
}  // namespace mayfly

int main(int, char** argv) {
  try {
    mayfly::sign_for_ever(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  return 1;
}
