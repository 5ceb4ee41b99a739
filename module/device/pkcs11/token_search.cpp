#include "device/pkcs11/token_search.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/utf8.h"
#include "device/pkcs11/p11kit.h"

namespace mayfly::pkcs11 {
namespace {

constexpr CK_ULONG kMaxSlots = 65'536;  // the number comes from the other side

std::vector<CK_SLOT_ID> slots_with_tokens(CK_FUNCTION_LIST_PTR functions) {
  std::vector<CK_SLOT_ID> slots;
  CK_RV rv = CKR_BUFFER_TOO_SMALL;
  while (rv == CKR_BUFFER_TOO_SMALL) {  // a token may appear between the two calls
    CK_ULONG count = 0;
    check(functions->C_GetSlotList(CK_TRUE, nullptr, &count), "listing the device's slots");
    if (count > kMaxSlots)
      throw Error(CKR_DEVICE_ERROR, "the device claims to have too many slots");
    slots.resize(count);
    if (count == 0) return slots;
    rv = functions->C_GetSlotList(CK_TRUE, slots.data(), &count);
    if (rv == CKR_OK) slots.resize(std::min<std::size_t>(count, slots.size()));
  }
  check(rv, "listing the device's slots");
  return slots;
}

/// Tokens that can't be asked are left out: they are not ours to complain about.
std::vector<Token> tokens_of(CK_FUNCTION_LIST_PTR functions) {
  std::vector<Token> tokens;
  for (const CK_SLOT_ID slot : slots_with_tokens(functions)) {
    Token token{slot, {}};
    if (functions->C_GetTokenInfo(slot, &token.info) == CKR_OK) tokens.push_back(token);
  }
  return tokens;
}

bool is_initialized(const Token& token) noexcept {
  return (token.info.flags & CKF_TOKEN_INITIALIZED) != 0;
}

std::string describe_all(const std::vector<Token>& tokens) {
  std::string text;
  for (const Token& token : tokens) {
    if (!is_initialized(token)) continue;
    text += text.empty() ? "" : ", ";
    text += '"' + token.label() + "\" (serial " +
            padded_text(token.info.serialNumber, sizeof token.info.serialNumber) + ")";
  }
  return text.empty() ? "none" : text;
}

[[noreturn]] void complain(const VendorModule& module, const std::string& uri,
                           const std::string& setting, const std::vector<Token>& all,
                           const std::vector<Token>& matching) {
  if (matching.size() > 1) {
    throw Error(CKR_TOKEN_NOT_PRESENT, uri + " names more than one token of the device: " +
                                           describe_all(matching) + "; add serial= to " + setting);
  }
  if (matching.size() == 1) {
    throw Error(CKR_TOKEN_NOT_PRESENT, "the token in slot " + std::to_string(matching[0].slot) +
                                           ", which " + uri +
                                           " names, is not initialised; initialise it with the "
                                           "vendor's tool, and set its user PIN");
  }
  throw Error(CKR_TOKEN_NOT_PRESENT, "no token of " + module.path() + " is named by " + uri +
                                         "; it has: " + describe_all(all) + "; correct " + setting);
}

}  // namespace

std::string Token::identity() const {
  return padded_text(info.manufacturerID, sizeof info.manufacturerID) + "/" +
         padded_text(info.model, sizeof info.model) + "/" +
         padded_text(info.serialNumber, sizeof info.serialNumber) + "/" + label();
}

std::string Token::label() const { return padded_text(info.label, sizeof info.label); }

std::string padded_text(const CK_UTF8CHAR* field, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(field), size);
  text.erase(text.find_last_not_of(std::string(" \0", 2)) + 1);
  if (is_printable_utf8(text)) return text;
  for (char& character : text) {
    if (character < 0x20 || character > 0x7e) character = '?';
  }
  return text;
}

Token find_token(const VendorModule& module, const std::string& uri) {
  const p11kit::Uri wanted(uri);
  if (!wanted.complaint().empty()) {
    throw Error(CKR_GENERAL_ERROR, "device.token is no PKCS#11 URI of a token: " +
                                       wanted.complaint() + "; write it as pkcs11:token=LABEL");
  }
  return find_token(module, wanted, uri, "device.token");
}

Token find_token(const VendorModule& module, const p11kit::Uri& wanted, const std::string& uri,
                 const std::string& setting) {
  const std::vector<Token> all = tokens_of(module.functions());
  std::vector<Token> matching;
  std::copy_if(all.begin(), all.end(), std::back_inserter(matching),
               [&](const Token& token) { return wanted.matches(token.slot, &token.info); });
  // Some libraries always show an empty slot's worth of token; it counts only if nothing else is
  // meant.
  if (std::any_of(matching.begin(), matching.end(), is_initialized)) {
    std::erase_if(matching, [](const Token& token) { return !is_initialized(token); });
  }
  if (matching.size() != 1 || !is_initialized(matching[0]))
    complain(module, uri, setting, all, matching);
  return matching[0];
}

}  // namespace mayfly::pkcs11
