#include "unit/base/vectors.h"

#include <charconv>
#include <fstream>
#include <stdexcept>

namespace mayfly::test {

Bytes Vector::bytes(const std::string& name) const { return from_hex(values_.at(name)); }

Hash Vector::hash(const std::string& name) const {
  static const std::map<std::string, Hash> kHashes = {{"none", Hash::none},
                                                      {"sha224", Hash::sha224},
                                                      {"sha256", Hash::sha256},
                                                      {"sha384", Hash::sha384},
                                                      {"sha512", Hash::sha512}};
  return kHashes.at(values_.at(name));
}

std::vector<Vector> read_vectors(const std::string& file) {
  std::ifstream stream(std::string(MAYFLY_TEST_DATA) + "/" + file);
  if (!stream) throw std::runtime_error("no test vectors in " + file);
  std::vector<Vector> vectors;
  Vector block;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with('#')) continue;
    if (line.empty()) {
      if (!block.empty()) vectors.push_back(std::move(block));
      block = {};
      continue;
    }
    const std::size_t equals = line.find(" =");
    if (equals == std::string::npos) throw std::runtime_error("bad line in " + file + ": " + line);
    block.set(line.substr(0, equals), line.size() > equals + 3 ? line.substr(equals + 3) : "");
  }
  if (!block.empty()) vectors.push_back(std::move(block));
  return vectors;
}

Bytes from_hex(std::string_view text) {
  if (text.size() % 2 != 0) throw std::runtime_error("an odd number of hexadecimal digits");
  Bytes bytes(text.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char* digits = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(digits, digits + 2, bytes[i], 16);
    if (end != digits + 2) throw std::runtime_error("no hexadecimal digits");
  }
  return bytes;
}

KeySpec curve(std::string_view name) {
  static const std::map<std::string_view, unsigned> kCurves = {
      {"P-256", 256}, {"P-384", 384}, {"P-521", 521}};
  return {CKK_EC, kCurves.at(name)};
}

}  // namespace mayfly::test
