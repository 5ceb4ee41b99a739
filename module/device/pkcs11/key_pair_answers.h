// What the device says of a key pair that it made.
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/pkcs11.h"
#include "base/public_key.h"

namespace mayfly::pkcs11 {

/// The two objects of a key pair.
struct KeyPairHandles {
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
};

/// KeyPairAnswers reads all that has to be known of a new key pair, with one call of the device for
/// each half, and judges it.
class KeyPairAnswers {
 public:
  static constexpr std::size_t kIdSize = 16;

  /// A flag that the private half must have.
  struct Demand {
    CK_ATTRIBUTE_TYPE type;
    CK_BBOOL value;
    const char* name;
  };

  /// Asks the device. What it does not tell counts as wrong.
  /// @param stored  Whether they are to be token objects.
  /// @return CKR_OK, or an answer that says that the session or the device is lost.
  [[nodiscard]] CK_RV read(CK_FUNCTION_LIST_PTR functions, CK_SESSION_HANDLE session,
                           CK_KEY_TYPE type, bool stored, const KeyPairHandles& pair);

  /// Whether both halves have this CKA_ID, of kIdSize bytes.
  [[nodiscard]] bool has_id(ByteView id) const noexcept;

  /// @return the public key.
  /// @throws Error CKR_DEVICE_ERROR when the private key is not what was asked for, or the public
  ///         key makes no sense; what the device answered when it refused to tell. The key pair
  ///         must then be destroyed.
  [[nodiscard]] PublicKey judge(const KeySpec& spec) const;

 private:
  template <std::size_t kRoom>
  struct Value {
    std::array<std::uint8_t, kRoom> bytes{};
    CK_ULONG size = CK_UNAVAILABLE_INFORMATION;

    [[nodiscard]] CK_ATTRIBUTE wanted(CK_ATTRIBUTE_TYPE type) noexcept {
      return {type, bytes.data(), bytes.size()};
    }
    [[nodiscard]] bool known() const noexcept { return size <= bytes.size(); }
    [[nodiscard]] ByteView view() const noexcept { return ByteView(bytes).first(size); }
  };
  static constexpr std::size_t kFlags = 6;

  void judge_private_key() const;
  [[nodiscard]] PublicKey read_point(const KeySpec& spec) const;
  [[nodiscard]] PublicKey read_modulus(const KeySpec& spec) const;

  std::array<Demand, kFlags> demands_{};
  CK_RV private_rv_ = CKR_FUNCTION_FAILED;
  std::array<Value<sizeof(CK_BBOOL)>, kFlags> flags_;
  Value<kIdSize> private_id_;

  CK_RV public_rv_ = CKR_FUNCTION_FAILED;
  Value<kIdSize> public_id_;
  Value<256> point_;
  Value<2049> modulus_;  // 16384 bits and a leading zero
  Value<64> exponent_;
};

}  // namespace mayfly::pkcs11
