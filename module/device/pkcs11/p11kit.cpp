#include "device/pkcs11/p11kit.h"

#include <cstdlib>

#define CRYPTOKI_GNU 1  // names that differ from those of base/pkcs11.h
#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#include "base/safeguard.h"

namespace mayfly::pkcs11::p11kit {
namespace {

P11KitUri* raw(void* uri) noexcept { return static_cast<P11KitUri*>(uri); }

std::optional<std::string> attribute(P11KitUri* uri, CK_ATTRIBUTE_TYPE type) {
  const CK_ATTRIBUTE* const found = p11_kit_uri_get_attribute(uri, type);
  if (found == nullptr) return std::nullopt;
  return std::string(static_cast<const char*>(found->value), found->value_len);
}

bool is_type_of_key(P11KitUri* uri) {
  const CK_ATTRIBUTE* const type = p11_kit_uri_get_attribute(uri, CKA_CLASS);
  if (type == nullptr) return true;
  const ck_object_class_t object_class = *static_cast<const ck_object_class_t*>(type->value);
  return object_class == CKO_PRIVATE_KEY || object_class == CKO_PUBLIC_KEY;
}

std::string complaint_about(P11KitUri* uri, const std::string& text, UriOf kind) {
  // p11-kit would read up to there and take the rest for unsaid.
  if (text.find('\0') != std::string::npos) return "it holds a NUL character";
  const bool key = kind == UriOf::key;
  const int parts = key ? P11_KIT_URI_FOR_TOKEN | P11_KIT_URI_FOR_SLOT | P11_KIT_URI_FOR_OBJECT
                        : P11_KIT_URI_FOR_TOKEN | P11_KIT_URI_FOR_SLOT;
  const int result = p11_kit_uri_parse(text.c_str(), static_cast<P11KitUriType>(parts), uri);
  if (result != P11_KIT_URI_OK) return p11_kit_uri_message(result);
  if (p11_kit_uri_any_unrecognized(uri) != 0) {
    return key ? "it has attributes that name no key on a token"
               : "it has attributes that don't name a token";
  }
  if (p11_kit_uri_get_pin_value(uri) != nullptr || p11_kit_uri_get_pin_source(uri) != nullptr) {
    return "it says where the PIN is, which a pin-source does";
  }
  if (key && !is_type_of_key(uri)) return "its type is no key pair's";
  return {};
}

}  // namespace

void* load_module(const std::string& path, std::string& reason) {
  CK_FUNCTION_LIST* functions =
      p11_kit_module_load(path.c_str(), kept(Safeguard::fork_epoch) ? 0 : P11_KIT_MODULE_UNMANAGED);
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

Uri::Uri(const std::string& text, UriOf kind) : uri_(p11_kit_uri_new()) {
  complaint_ = uri_ == nullptr ? "no memory" : complaint_about(raw(uri_.get()), text, kind);
}

std::optional<std::string> Uri::object_label() const {
  return attribute(raw(uri_.get()), CKA_LABEL);
}
std::optional<std::string> Uri::object_id() const { return attribute(raw(uri_.get()), CKA_ID); }

bool Uri::matches(unsigned long slot, const void* token_info) const noexcept {
  static constexpr CK_SLOT_ID kAnySlot = ~0UL;
  const CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(raw(uri_.get()));
  return (wanted == kAnySlot || wanted == slot) &&
         p11_kit_uri_match_token_info(raw(uri_.get()),
                                      static_cast<const ck_token_info*>(token_info)) == 1;
}

void Uri::Free::operator()(void* uri) const noexcept { p11_kit_uri_free(raw(uri)); }

}  // namespace mayfly::pkcs11::p11kit
