#include "tools/broker/rpc_attributes.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/mechanism.h"
#include "core/attributes.h"

namespace mayfly::broker {
namespace {

constexpr std::uint32_t kMaxAttributes = 1024;
constexpr std::size_t kMaxValue = 64 * 1024;  // more than any attribute of a token has
constexpr CK_ULONG kInvalid = CK_UNAVAILABLE_INFORMATION;

// PKCS#11 3.2, which newer clients speak.
constexpr CK_ATTRIBUTE_TYPE kParameterSet = 0x61d;  // CKA_PARAMETER_SET
constexpr CK_ATTRIBUTE_TYPE kEncapsulate = 0x633;   // CKA_ENCAPSULATE
constexpr CK_ATTRIBUTE_TYPE kDecapsulate = 0x634;   // CKA_DECAPSULATE

/// How the protocol writes a value.
enum class Form { byte, number, numbers, attributes, bytes };

Form form_of(CK_ATTRIBUTE_TYPE type) noexcept {
  switch (type) {
    case CKA_TOKEN:
    case CKA_PRIVATE:
    case CKA_TRUSTED:
    case CKA_SENSITIVE:
    case CKA_ENCRYPT:
    case CKA_DECRYPT:
    case CKA_WRAP:
    case CKA_UNWRAP:
    case CKA_SIGN:
    case CKA_SIGN_RECOVER:
    case CKA_VERIFY:
    case CKA_VERIFY_RECOVER:
    case CKA_DERIVE:
    case CKA_EXTRACTABLE:
    case CKA_LOCAL:
    case CKA_NEVER_EXTRACTABLE:
    case CKA_ALWAYS_SENSITIVE:
    case CKA_MODIFIABLE:
    case CKA_COPYABLE:
    case CKA_SECONDARY_AUTH:
    case CKA_ALWAYS_AUTHENTICATE:
    case CKA_WRAP_WITH_TRUSTED:
    case CKA_RESET_ON_INIT:
    case CKA_HAS_RESET:
    case CKA_COLOR:
    case kEncapsulate:
    case kDecapsulate:
      return Form::byte;
    case CKA_CLASS:
    case CKA_CERTIFICATE_TYPE:
    case CKA_CERTIFICATE_CATEGORY:
    case CKA_JAVA_MIDP_SECURITY_DOMAIN:
    case CKA_KEY_TYPE:
    case CKA_MODULUS_BITS:
    case CKA_PRIME_BITS:
    case CKA_SUB_PRIME_BITS:
    case CKA_VALUE_BITS:
    case CKA_VALUE_LEN:
    case CKA_KEY_GEN_MECHANISM:
    case CKA_AUTH_PIN_FLAGS:
    case CKA_HW_FEATURE_TYPE:
    case CKA_PIXEL_X:
    case CKA_PIXEL_Y:
    case CKA_RESOLUTION:
    case CKA_CHAR_ROWS:
    case CKA_CHAR_COLUMNS:
    case CKA_BITS_PER_PIXEL:
    case CKA_MECHANISM_TYPE:
    case kParameterSet:
      return Form::number;
    case CKA_ALLOWED_MECHANISMS:
      return Form::numbers;
    case CKA_WRAP_TEMPLATE:
    case CKA_UNWRAP_TEMPLATE:
    case CKA_DERIVE_TEMPLATE:
      return Form::attributes;
    default:  // dates, too, are written as bytes
      return Form::bytes;
  }
}

std::vector<CK_ULONG> read_numbers(RpcReader& message, Form form) {
  const std::size_t count = form == Form::number ? 1 : message.u32();
  RpcReader values(message.raw(count * sizeof(CK_ULONG)));
  std::vector<CK_ULONG> result(count);
  for (CK_ULONG& number : result) number = values.ulong();
  return result;
}

/// @throws Error CKR_ARGUMENTS_BAD
std::uint32_t read_count(RpcReader& message) {
  const std::uint32_t count = message.u32();
  if (count > kMaxAttributes) {
    throw Error(CKR_ARGUMENTS_BAD,
                "a template has more than " + std::to_string(kMaxAttributes) + " attributes");
  }
  return count;
}

}  // namespace

RpcTemplate RpcTemplate::with_values(RpcReader& message) {
  RpcTemplate result;
  for (std::uint32_t left = read_count(message); left > 0; --left) {
    CK_ATTRIBUTE& attribute = result.attributes_.emplace_back();
    attribute.type = message.u32();
    if (message.byte() == 0) {
      attribute.ulValueLen = kInvalid;
      continue;
    }
    const CK_ULONG told = message.u32();
    CK_ULONG size = told;
    const Form form = form_of(attribute.type);
    switch (form) {
      case Form::byte:
        attribute.pValue = message.raw(1).data();
        size = 1;
        break;
      case Form::number:
      case Form::numbers: {
        std::vector<CK_ULONG>& values = result.numbers_.emplace_back(read_numbers(message, form));
        attribute.pValue = values.data();
        size = values.size() * sizeof(CK_ULONG);
        break;
      }
      case Form::attributes:
        throw Error(CKR_ATTRIBUTE_TYPE_INVALID, "template: " + attribute_name(attribute.type) +
                                                    " is not offered: keys of a task only sign");
      case Form::bytes: {
        const RpcReader::Data value = message.string();
        attribute.pValue = value.data;
        if (value.data != nullptr) size = value.size;
        break;
      }
    }
    // A value that is left empty is written as something all the same.
    if (told == 0) attribute.pValue = nullptr;
    // A number is sent whole even if its holder cut it short: then that is what was given.
    const bool cut = form == Form::number && told < size;
    if (told != 0 && told != size && !cut) {
      throw Error(CKR_ATTRIBUTE_VALUE_INVALID,
                  "template: " + attribute_name(attribute.type) + " has the wrong length");
    }
    attribute.ulValueLen = told;
  }
  return result;
}

RpcTemplate RpcTemplate::asked_for(RpcReader& message) {
  RpcTemplate result;
  std::size_t sum = 0;
  for (std::uint32_t left = read_count(message); left > 0; --left) {
    CK_ATTRIBUTE& attribute = result.attributes_.emplace_back();
    attribute.type = message.u32();
    attribute.ulValueLen = std::min<std::size_t>(message.u32(), kMaxValue);
    sum += attribute.ulValueLen;
  }
  if (sum > kMaxMessage) {
    throw Error(CKR_ARGUMENTS_BAD,
                "a template has room for more than " + std::to_string(kMaxMessage) + " bytes");
  }
  result.room_.resize(sum);
  CK_BYTE_PTR place = result.room_.data();
  for (CK_ATTRIBUTE& attribute : result.attributes_) {
    if (attribute.ulValueLen != 0) attribute.pValue = place;
    place += attribute.ulValueLen;
  }
  return result;
}

void RpcTemplate::write(RpcWriter& answer) const {
  answer.u32(static_cast<std::uint32_t>(attributes_.size()));
  for (const CK_ATTRIBUTE& attribute : attributes_) {
    answer.u32(static_cast<std::uint32_t>(attribute.type));
    answer.byte(attribute.ulValueLen == kInvalid ? 0 : 1);
    if (attribute.ulValueLen == kInvalid) continue;
    answer.u32(static_cast<std::uint32_t>(attribute.ulValueLen));
    const auto* const bytes = static_cast<const CK_BYTE*>(attribute.pValue);
    // Without a value, only the length above counts, but something of its form must follow.
    const CK_ULONG size = bytes == nullptr ? 0 : attribute.ulValueLen;
    CK_ULONG number = 0;
    switch (form_of(attribute.type)) {
      case Form::byte:
        if (size > 1) throw Error(CKR_GENERAL_ERROR, "a value is longer than a byte");
        answer.byte(size == 0 ? 0 : *bytes);
        break;
      case Form::number:
        if (size > sizeof number) throw Error(CKR_GENERAL_ERROR, "a value is no number");
        if (size != 0) std::memcpy(&number, bytes, size);
        answer.ulong(number);
        break;
      case Form::numbers:
        answer.u32(static_cast<std::uint32_t>(size / sizeof number));
        for (CK_ULONG at = 0; at + sizeof number <= size; at += sizeof number) {
          std::memcpy(&number, bytes + at, sizeof number);
          answer.ulong(number);
        }
        break;
      case Form::attributes:
        answer.u32(0);
        break;
      case Form::bytes:
        answer.string({bytes, size});
        break;
    }
  }
}

void refuse_parameter() {
  throw Error(CKR_MECHANISM_PARAM_INVALID,
              "the mechanism's parameter has a form that is not known");
}

RpcMechanism::RpcMechanism(RpcReader& message) {
  mechanism_.mechanism = message.u32();
  const Mechanism* const known = find_mechanism(mechanism_.mechanism);
  if (known == nullptr) {
    throw Error(CKR_MECHANISM_INVALID,
                "mechanism " + std::to_string(mechanism_.mechanism) + " is not offered");
  }
  if (known->use != MechanismUse::sign || known->scheme != Scheme::rsa_pss) {
    try {
      const RpcReader::Data parameter = message.string();  // which is the module's to refuse
      mechanism_.pParameter = parameter.data;
      mechanism_.ulParameterLen = parameter.size;
    } catch (const MalformedMessage&) {
      refuse_parameter();
    }
    return;
  }
  pss_.hashAlg = message.ulong();
  pss_.mgf = message.ulong();
  pss_.sLen = message.ulong();
  mechanism_.pParameter = &pss_;
  mechanism_.ulParameterLen = sizeof pss_;
}

}  // namespace mayfly::broker
