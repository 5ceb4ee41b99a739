#include "device/pkcs11/p11kit.h"

#include <cstdlib>

#define CRYPTOKI_GNU 1  // names that differ from those of base/pkcs11.h
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

namespace mayfly::pkcs11::p11kit {
namespace {

P11KitUri* raw(void* uri) noexcept { return static_cast<P11KitUri*>(uri); }

std::string complaint_about(P11KitUri* uri, const std::string& text) {
  // p11-kit would read up to there and take the rest for unsaid.
  if (text.find('\0') != std::string::npos) return "it holds a NUL character";
  const int result = p11_kit_uri_parse(
      text.c_str(), static_cast<P11KitUriType>(P11_KIT_URI_FOR_TOKEN | P11_KIT_URI_FOR_SLOT), uri);
  if (result != P11_KIT_URI_OK) return p11_kit_uri_message(result);
  if (p11_kit_uri_any_unrecognized(uri) != 0) return "it has attributes that don't name a token";
  if (p11_kit_uri_get_pin_value(uri) != nullptr || p11_kit_uri_get_pin_source(uri) != nullptr) {
    return "it says where the PIN is, which is device.pin-source's work";
  }
  return {};
}

}  // namespace

void* load_module(const std::string& path, std::string& reason) {
  CK_FUNCTION_LIST* functions = p11_kit_module_load(path.c_str(), 0);
  if (functions == nullptr) {
    const char* message = p11_kit_message();
    reason = message == nullptr ? "it is no PKCS#11 module" : message;
  }
  return functions;
}

void release_module(void* functions) noexcept {
  p11_kit_module_release(static_cast<CK_FUNCTION_LIST*>(functions));
}

std::string file_of_module(void* functions) {
  const std::unique_ptr<char, decltype(&std::free)> name(
      p11_kit_module_get_filename(static_cast<CK_FUNCTION_LIST*>(functions)), &std::free);
  return name == nullptr ? std::string() : std::string(name.get());
}

std::string meaning(unsigned long rv) { return p11_kit_strerror(rv); }

Uri::Uri(const std::string& text) : uri_(p11_kit_uri_new()) {
  complaint_ = uri_ == nullptr ? "no memory" : complaint_about(raw(uri_.get()), text);
}

bool Uri::matches(unsigned long slot, const void* token_info) const noexcept {
  static constexpr CK_SLOT_ID kAnySlot = ~0UL;
  const CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(raw(uri_.get()));
  return (wanted == kAnySlot || wanted == slot) &&
         p11_kit_uri_match_token_info(raw(uri_.get()),
                                      static_cast<const ck_token_info*>(token_info)) == 1;
}

void Uri::Free::operator()(void* uri) const noexcept { p11_kit_uri_free(raw(uri)); }

}  // namespace mayfly::pkcs11::p11kit
