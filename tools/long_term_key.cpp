#include "tools/long_term_key.h"

#include <chrono>
#include <filesystem>
#include <system_error>

#include "base/bounded_read.h"
#include "base/guarded_file.h"
#include "base/pem_signer.h"
#include "tools/failure.h"

namespace mayfly::tools {
namespace {

namespace fs = std::filesystem;

SecretBuffer read_secret_file(const std::string& path) {
  SecretBuffer content(SecretBuffer::kMaxSize);
  const Descriptor file = open_guarded(path, Exposure::secret);
  try {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    content.truncate(read_to_end(file.number(), content.span(), deadline));
  } catch (const std::system_error& error) {
    throw Failure(kNoInput, path + ": can't be read: " + error.code().message());
  }
  if (content.size() == SecretBuffer::kMaxSize) {
    throw Failure(kUsage, path + " is longer than any private key; name the key's own file");
  }
  return content;
}

bool is_same_file(const fs::path& a, const fs::path& b) {
  std::error_code not_there;
  return a == b || fs::equivalent(a, b, not_there);
}

}  // namespace

void check_apart(const pkcs11::VendorModule& module, CK_SLOT_ID slot, const std::string& whose,
                 const std::optional<Config>& config) {
  if (!config || config->device.type != DeviceType::pkcs11 ||
      !is_same_file(module.path(), config->device.module)) {
    return;
  }
  CK_SLOT_ID device_slot = 0;
  try {
    device_slot = pkcs11::find_token(module, config->device.token).slot;
  } catch (const Error&) {
    return;  // not there now: then the key, which is there, is elsewhere
  }
  if (device_slot != slot) return;
  throw Failure(kUsage, whose + " is on " + config->device.token +
                            ", where the broker itself could sign with it; keep it on a token "
                            "whose PIN the broker does not have");
}

std::unique_ptr<HsmSigner> open_on_token(const LongTermKey& key,
                                         const std::optional<Config>& config) {
  std::optional<SecretBuffer> pin;
  if (key.pin_source) pin = key.pin_source->read();
  auto signer = std::make_unique<HsmSigner>(key.module, key.name, key.whose, std::move(pin));
  check_apart(signer->module(), signer->slot(), key.whose, config);
  return signer;
}

std::unique_ptr<Signer> open_long_term_key(const LongTermKey& key,
                                           const std::optional<Config>& config) {
  if (key.is_on_token()) {
    if (!key.pin_source) {
      throw Failure(kUsage, "say where the PIN of the key's token comes from: --pin-source SOURCE");
    }
    return open_on_token(key, config);
  }
  try {
    return signer_of_pem(read_secret_file(key.name).view());
  } catch (const Error& error) {
    throw Failure(kNoInput,
                  error.rv() == CKR_GENERAL_ERROR ? error.what() : key.name + ": " + error.what());
  }
}

}  // namespace mayfly::tools
