#include "device/tpm/tpm_identity.h"

#include <string>

namespace mayfly::tpm {
namespace {

/// Four letters in a number, as far as they can be printed.
std::string letters(std::uint32_t number) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const char letter = static_cast<char>(number >> shift & 0xff);
    if (letter >= ' ' && letter <= '~') text += letter;
  }
  return text;
}

std::string trimmed(std::string text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace

DeviceInfo identify(Tpm& tpm) {
  DeviceInfo info;
  info.manufacturer = trimmed(letters(tpm.property(TPM2_PT_MANUFACTURER)));
  for (TPM2_PT part = TPM2_PT_VENDOR_STRING_1; part <= TPM2_PT_VENDOR_STRING_4; ++part) {
    info.model += letters(tpm.property(part));
  }
  info.model = trimmed(info.model);
  const std::uint32_t firmware = tpm.property(TPM2_PT_FIRMWARE_VERSION_1);
  info.firmware = std::to_string(firmware >> 16) + "." + std::to_string(firmware & 0xffff);
  // The one that libtpms and the reference implementation call themselves.
  info.hardware = !info.model.starts_with("SW ");
  return info;
}

}  // namespace mayfly::tpm
