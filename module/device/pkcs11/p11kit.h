// The border to p11-kit: loading modules, error texts, URIs.
//
// <p11-kit/pkcs11.h> and base/pkcs11.h declare the same names in two ways and can't meet in one
// file. Only p11kit.cpp includes p11-kit; PKCS#11 structures cross as void* and unsigned long,
// which is safe because the standard fixes their layout.
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace mayfly::pkcs11::p11kit {

/// Loads a module, shared and counted with its other users in this process.
/// @param reason  Receives why it can't be loaded.
/// @return its CK_FUNCTION_LIST, or null.
[[nodiscard]] void* load_module(const std::string& path, std::string& reason);

/// Gives back what load_module() returned.
void release_module(void* functions) noexcept;

/// The file that a module of load_module() came from; empty if that is not known.
[[nodiscard]] std::string file_of_module(void* functions);

/// What a CK_RV means, in English.
[[nodiscard]] std::string meaning(unsigned long rv);

/// What a URI may name.
enum class UriOf {
  token,  ///< a token
  key,    ///< a key on a token: by object, id and type as well
};

/// A PKCS#11 URI (RFC 7512) that names a token, or a key on one.
class Uri {
 public:
  /// Reads the URI; complaint() tells whether it is a good one.
  explicit Uri(const std::string& text, UriOf kind = UriOf::token);

  /// What is wrong with it as the name of what it is for; empty when nothing is. Holds no part of
  /// the URI.
  [[nodiscard]] const std::string& complaint() const noexcept { return complaint_; }

  /// CKA_LABEL (object=) or CKA_ID (id=) of the key; nothing if the URI leaves it open.
  [[nodiscard]] std::optional<std::string> object_label() const;
  [[nodiscard]] std::optional<std::string> object_id() const;

  /// Whether the token is meant.
  /// @param token_info  Its CK_TOKEN_INFO.
  [[nodiscard]] bool matches(unsigned long slot, const void* token_info) const noexcept;

 private:
  struct Free {
    void operator()(void* uri) const noexcept;
  };

  std::unique_ptr<void, Free> uri_;
  std::string complaint_;
};

}  // namespace mayfly::pkcs11::p11kit
