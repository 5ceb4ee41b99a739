#include "compose/grant_file.h"

#include <chrono>
#include <system_error>

#include "base/bounded_read.h"
#include "base/error.h"
#include "base/guarded_file.h"

namespace mayfly {
namespace {

constexpr std::chrono::seconds kGrantFilePatience{10};

}  // namespace

Descriptor open_grant_file(const std::string& path) { return open_guarded(path, Exposure::secret); }

std::shared_ptr<const SecretBuffer> read_grant(const Descriptor& file, const std::string& path) {
  SecretBuffer text(SecretBuffer::kMaxSize);
  try {
    const auto deadline = std::chrono::steady_clock::now() + kGrantFilePatience;
    text.truncate(read_to_end(file.number(), text.span(), deadline));
  } catch (const std::system_error& error) {
    throw Error(CKR_GENERAL_ERROR, path + ": " + error.code().message());
  }
  if (text.size() == SecretBuffer::kMaxSize) {
    throw Error(CKR_PIN_INCORRECT, path + ": this is longer than any grant");
  }
  if (!text.empty() && text.view().back() == '\n') text.truncate(text.size() - 1);
  if (text.empty()) throw Error(CKR_PIN_INCORRECT, path + ": there is no grant in it");
  return std::make_shared<const SecretBuffer>(std::move(text));
}

bool refuses_grant(const Error& error) noexcept {
  return error.rv() == CKR_PIN_INCORRECT || error.rv() == CKR_PIN_EXPIRED;
}

}  // namespace mayfly
