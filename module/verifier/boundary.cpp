#include "verifier/boundary.h"

namespace mayfly::verifier {

std::string text(const char* given, const char* name, std::size_t most) {
  if (given == nullptr) return {};
  const std::size_t size = strnlen(given, most + 1);
  if (size > most) throw BadCall(std::string(name) + " is too long");
  if (size == 0) throw BadCall(std::string(name) + " is empty; leave it NULL");
  return {given, size};
}

std::string token(const char* given, std::size_t most) {
  return given == nullptr ? std::string() : std::string(given, strnlen(given, most + 1));
}

}  // namespace mayfly::verifier
