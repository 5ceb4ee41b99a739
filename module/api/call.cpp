#include "api/call.h"

#include <cstdio>
#include <new>

#include "base/limited_log.h"

namespace mayfly::api {
namespace {

constexpr CK_ULONG kMaxAttributes = 256;
constexpr CK_ULONG kMaxAttributeSize = 64 * 1024;

// Of the whole process: whoever can call can be refused a million times.
constinit log::LimitedLog refusals;
// Apart from these, so that no flood of refusals hides a fault.
constinit log::LimitedLog faults;

[[noreturn]] void bad_parameter(const char* why) {
  throw Error(CKR_MECHANISM_PARAM_INVALID, std::string("mechanism parameter: ") + why);
}

MechanismChoice::Pss read_pss(const CK_MECHANISM& mechanism) {
  CK_RSA_PKCS_PSS_PARAMS params;
  if (mechanism.ulParameterLen != sizeof params) bad_parameter("not a CK_RSA_PKCS_PSS_PARAMS");
  std::memcpy(&params, mechanism.pParameter, sizeof params);
  return {params.hashAlg, params.mgf, params.sLen};
}

/// Only plain Ed25519 is offered: a CK_EDDSA_PARAMS may say so, and nothing else.
void check_eddsa(const CK_MECHANISM& mechanism, bool is_remote) {
  CK_EDDSA_PARAMS params;
  // The structure holds a pointer, so from another process it can't be meant.
  if (is_remote || mechanism.ulParameterLen != sizeof params) {
    bad_parameter("CKM_EDDSA takes none here");
  }
  std::memcpy(&params, mechanism.pParameter, sizeof params);
  if (params.phFlag != CK_FALSE || params.ulContextDataLen != 0) {
    bad_parameter("Ed25519ph and Ed25519ctx are not offered");
  }
}

}  // namespace

void log_refusal(const char* function, const Error& error) noexcept {
  switch (error.rv()) {
    case CKR_BUFFER_TOO_SMALL:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
    case CKR_SIGNATURE_INVALID:
    case CKR_USER_ALREADY_LOGGED_IN:
      return;
    default:
      break;
  }
  refusals.warn([&] {
    char code[32];
    std::snprintf(code, sizeof code, " (0x%lx)", error.rv());
    return std::string(function) + ": " + error.what() + code;
  });
}

CK_RV foreign_exception(const char* function) noexcept {
  CK_RV rv = CKR_GENERAL_ERROR;
  const char* what = "an unknown exception";
  try {
    throw;
  } catch (const std::bad_alloc&) {
    rv = CKR_HOST_MEMORY;
    what = "out of memory";
  } catch (const std::exception& exception) {
    what = exception.what();
  } catch (...) {
  }
  faults.write(log::Level::error, [&] { return std::string(function) + ": " + what; });
  return rv;
}

Attributes read_template(const CK_ATTRIBUTE* attributes, CK_ULONG count) {
  if (attributes == nullptr && count != 0) {
    throw Error(CKR_ARGUMENTS_BAD, "a template is NULL but has a length");
  }
  if (count > kMaxAttributes) {
    throw Error(CKR_ARGUMENTS_BAD, "a template has more than 256 attributes");
  }
  Attributes result;
  for (CK_ULONG i = 0; i < count; ++i) {
    const CK_ATTRIBUTE& attribute = attributes[i];
    const bool missing = attribute.pValue == nullptr && attribute.ulValueLen != 0;
    if (missing || attribute.ulValueLen > kMaxAttributeSize) {
      throw Error(CKR_ATTRIBUTE_VALUE_INVALID,
                  "template: " + attribute_name(attribute.type) +
                      (missing ? " is NULL but has a length" : " is longer than 64 KiB"));
    }
    const ByteView value = in(attribute.pValue, attribute.ulValueLen);
    const auto before = result.find(attribute.type);
    if (before && !equal(*before, value)) {
      throw Error(CKR_TEMPLATE_INCONSISTENT,
                  "template: " + attribute_name(attribute.type) + " has two values");
    }
    result.set(attribute.type, value);
  }
  return result;
}

MechanismChoice read_mechanism(const CK_MECHANISM* mechanism, bool is_remote) {
  const CK_MECHANISM& given = required(mechanism, "the mechanism");
  MechanismChoice choice{given.mechanism, std::nullopt};
  const Mechanism* known = find_mechanism(given.mechanism);
  if (known == nullptr || given.ulParameterLen == 0) return choice;
  if (given.pParameter == nullptr) bad_parameter("NULL but has a length");
  if (known->use != MechanismUse::sign) bad_parameter("the mechanism takes none");
  switch (known->scheme) {
    case Scheme::rsa_pss:
      choice.pss = read_pss(given);
      break;
    case Scheme::eddsa:
      check_eddsa(given, is_remote);
      break;
    case Scheme::ecdsa:
    case Scheme::rsa_pkcs1:
      bad_parameter("the mechanism takes none");
  }
  return choice;
}

void refuse_message_parameter(const void* parameter, CK_ULONG size) {
  if (parameter != nullptr || size != 0) {
    throw Error(CKR_ARGUMENTS_BAD, "the mechanism takes no parameter for each message");
  }
}

}  // namespace mayfly::api
