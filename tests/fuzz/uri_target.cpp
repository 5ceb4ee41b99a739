// PKCS#11 URIs that name the device's token: any text is a good URI or has a complaint, and a good
// one means the tokens that it says.
#include <cstring>

#include "base/pkcs11.h"
#include "device/pkcs11/p11kit.h"
#include "fuzz/finding.h"
#include "fuzz/input.h"

namespace mayfly::test {
namespace {

using pkcs11::p11kit::Uri;

template <std::size_t kSize>
void set_field(CK_UTF8CHAR (&field)[kSize], ByteView text) {
  std::memset(field, ' ', kSize);
  std::copy_n(text.data(), std::min(text.size(), kSize), field);
}

/// A token that describes itself as the input says.
CK_TOKEN_INFO token_of(Input& input) {
  CK_TOKEN_INFO info{};
  set_field(info.label, input.short_piece());
  set_field(info.manufacturerID, input.short_piece());
  set_field(info.model, input.short_piece());
  const ByteView serial = input.short_piece();
  std::memset(info.serialNumber, ' ', sizeof info.serialNumber);
  std::copy_n(serial.data(), std::min(serial.size(), sizeof info.serialNumber), info.serialNumber);
  return info;
}

std::string encoded(ByteView text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string result;
  for (const std::uint8_t byte : text) {
    result += '%';
    result += kDigits[byte >> 4];
    result += kDigits[byte & 15];
  }
  return result;
}

/// A URI that is made of a token's label means that token, and no other.
void check_label(const CK_TOKEN_INFO& info) {
  ByteView label(info.label);
  while (!label.empty() && label.back() == ' ') label = label.first(label.size() - 1);
  const bool plain = !label.empty() && std::ranges::all_of(label, [](std::uint8_t byte) {
    return byte > ' ' && byte < 0x7f;
  });
  if (!plain) return;
  const Uri uri("pkcs11:token=" + encoded(label));
  require(uri.complaint().empty(), "the encoded name of a token is a good URI");
  require(uri.matches(0, &info), "a token's name means the token");
  CK_TOKEN_INFO other = info;
  other.label[0] ^= 1;
  require(!uri.matches(0, &other), "a token's name means no other token");
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly;
  test::Input input(data, size);
  const CK_TOKEN_INFO info = test::token_of(input);
  const std::string text(as_text(input.rest()));
  const pkcs11::p11kit::Uri uri(text);
  test::require_message(uri.complaint());
  if (uri.complaint().empty()) {
    test::require(text.find('\0') == std::string::npos, "what stands behind a NUL is not ignored");
    static_cast<void>(uri.matches(size, &info));
  }
  test::check_label(info);
  return 0;
}
