#include "compose/certificates.h"

#include <fstream>
#include <iterator>

#include "base/error.h"

namespace mayfly {

std::vector<std::string> read_certificates(const std::filesystem::path& file) {
  static constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  static constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
  std::vector<std::string> certificates;
  if (file.empty()) return certificates;
  std::ifstream stream(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  for (std::size_t begin = text.find(kBegin); begin != std::string::npos;) {
    const std::size_t end = text.find(kEnd, begin);
    if (end == std::string::npos) break;
    certificates.push_back(text.substr(begin, end + kEnd.size() - begin) + "\n");
    begin = text.find(kBegin, end);
  }
  if (certificates.empty()) {
    throw Error(CKR_GENERAL_ERROR, file.string() +
                                       " holds no PEM certificate, or can't be read; mend it or "
                                       "leave tpm.attestation-certificates out");
  }
  return certificates;
}

}  // namespace mayfly
