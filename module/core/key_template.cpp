#include "core/key_template.h"

#include "base/error.h"
#include "base/handle.h"
#include "base/safeguard.h"
#include "core/attribute_rules.h"

namespace mayfly {
namespace {

constexpr std::uint8_t kExponent65537[] = {0x01, 0x00, 0x01};

/// An identifier that no other object of any task has (CKA_UNIQUE_ID, PKCS#11 3.0, 4.4.1).
std::string unique_id(const Task& task) {
  return task.serial() + "-" + std::to_string(next_handle_value());
}

void set_ownership(Attributes& attributes, const Task& task) {
  attributes.set(CKA_UNIQUE_ID, as_bytes(unique_id(task)));
  attributes.set(CKA_MAYFLY_TASK_ID, as_bytes(task.id()));
}

/// The key that generation is asked for; `fixed` gets the attributes that say so.
KeySpec wanted_spec(const Mechanism& mechanism, const Attributes& wanted, Attributes& fixed) {
  if (mechanism.key_type == CKK_RSA) {
    const auto bits = wanted.number(CKA_MODULUS_BITS);
    if (!bits) throw Error(CKR_TEMPLATE_INCOMPLETE, "template: CKA_MODULUS_BITS is missing");
    const auto exponent = wanted.find(CKA_PUBLIC_EXPONENT);
    if (exponent && !equal(*exponent, kExponent65537)) {
      ByteView number = *exponent;
      while (!number.empty() && number.front() == 0) number = number.subspan(1);
      if (!equal(number, kExponent65537)) {
        throw Error(CKR_ATTRIBUTE_VALUE_INVALID,
                    "template: CKA_PUBLIC_EXPONENT must be 65537 or left out");
      }
    }
    if (*bits != 2048 && *bits != 3072 && *bits != 4096) {
      throw Error(CKR_KEY_SIZE_RANGE, "template: CKA_MODULUS_BITS must be 2048, 3072 or 4096");
    }
    fixed.set_number(CKA_MODULUS_BITS, *bits);
    fixed.set(CKA_PUBLIC_EXPONENT, exponent.value_or(kExponent65537));
    return {CKK_RSA, static_cast<unsigned>(*bits)};
  }
  const auto params = wanted.find(CKA_EC_PARAMS);
  if (!params) throw Error(CKR_TEMPLATE_INCOMPLETE, "template: CKA_EC_PARAMS is missing");
  const auto spec = spec_of_ec_params(*params);
  if (!spec || spec->type != mechanism.key_type) {
    throw Error(CKR_CURVE_NOT_SUPPORTED, "template: CKA_EC_PARAMS names no curve that " +
                                             std::string(mechanism.name) + " has");
  }
  fixed.set(CKA_EC_PARAMS, *params);
  return *spec;
}

Attributes fixed_for(const Attributes& shared, CK_OBJECT_CLASS object_class, CK_KEY_TYPE type) {
  Attributes fixed;
  fixed.set_number(CKA_CLASS, object_class);
  fixed.set_number(CKA_KEY_TYPE, type);
  for (const auto entry : shared) {
    // CKA_MODULUS_BITS is an attribute of public keys only.
    if (object_class == CKO_PRIVATE_KEY && entry.type == CKA_MODULUS_BITS) continue;
    fixed.set(entry.type, entry.value);
  }
  return fixed;
}

std::shared_ptr<Object> make_public_key(const Attributes& wanted, const Task& task) {
  const auto type = wanted.number(CKA_KEY_TYPE);
  if (!type) throw Error(CKR_TEMPLATE_INCOMPLETE, "template: CKA_KEY_TYPE is missing");
  if (*type != CKK_EC && *type != CKK_EC_EDWARDS && *type != CKK_RSA) {
    throw Error(CKR_ATTRIBUTE_VALUE_INVALID,
                "template: CKA_KEY_TYPE must be CKK_EC, CKK_EC_EDWARDS or CKK_RSA");
  }
  Attributes attributes =
      apply_template(public_key_rules(*type, true), wanted, fixed_for({}, CKO_PUBLIC_KEY, *type),
                     task.policy().strict_usage);
  PublicKey key = read_public_key(attributes, *type);
  if (*type == CKK_RSA) attributes.set_number(CKA_MODULUS_BITS, key.spec().bits);
  attributes.set_flag(CKA_LOCAL, false);
  attributes.set_number(CKA_KEY_GEN_MECHANISM, CK_UNAVAILABLE_INFORMATION);
  attributes.set(CKA_PUBLIC_KEY_INFO, key.subject_public_key_info());
  set_ownership(attributes, task);
  return std::make_shared<Object>(std::move(attributes), std::move(key));
}

std::shared_ptr<Object> make_certificate(const Attributes& wanted, const Task& task) {
  const auto type = wanted.number(CKA_CERTIFICATE_TYPE);
  if (!type) throw Error(CKR_TEMPLATE_INCOMPLETE, "template: CKA_CERTIFICATE_TYPE is missing");
  if (*type != CKC_X_509) {
    throw Error(CKR_ATTRIBUTE_VALUE_INVALID, "template: only X.509 certificates are stored");
  }
  Attributes fixed;
  fixed.set_number(CKA_CLASS, CKO_CERTIFICATE);
  fixed.set_number(CKA_CERTIFICATE_TYPE, CKC_X_509);
  Attributes attributes =
      apply_template(certificate_rules(), wanted, fixed, task.policy().strict_usage);
  attributes.set_default(CKA_CERTIFICATE_CATEGORY, Bytes(sizeof(CK_ULONG), 0));
  set_ownership(attributes, task);
  return std::make_shared<Object>(std::move(attributes));
}

}  // namespace

PublicKey read_public_key(const Attributes& attributes, CK_KEY_TYPE type) {
  const auto required = [&](CK_ATTRIBUTE_TYPE wanted) {
    const auto value = attributes.find(wanted);
    if (value) return *value;
    throw Error(CKR_TEMPLATE_INCOMPLETE, "template: " + attribute_name(wanted) + " is missing");
  };
  if (type == CKK_RSA) {
    return PublicKey::from_rsa(required(CKA_MODULUS), required(CKA_PUBLIC_EXPONENT));
  }
  const auto spec = spec_of_ec_params(required(CKA_EC_PARAMS));
  if (!spec || spec->type != type) {
    throw Error(CKR_CURVE_NOT_SUPPORTED,
                "template: CKA_EC_PARAMS names no curve that is known here");
  }
  const auto point = decode_ec_point(*spec, required(CKA_EC_POINT));
  if (!point) {
    throw Error(CKR_ATTRIBUTE_VALUE_INVALID, "template: CKA_EC_POINT is no point of the curve");
  }
  return PublicKey::from_point(*spec, *point);
}

KeyPairTemplate key_pair_template(const Mechanism& mechanism, const Attributes& public_wanted,
                                  const Attributes& private_wanted, const Task& task) {
  Attributes shared;
  const KeySpec spec = wanted_spec(mechanism, public_wanted, shared);
  if (!task.offer().includes(spec)) {
    throw Error(spec.type == CKK_RSA ? CKR_KEY_SIZE_RANGE : CKR_CURVE_NOT_SUPPORTED,
                (task.policy().keys.contains(spec) ? "the device makes no "
                                                   : "the task's policy allows no ") +
                    to_string(spec) + " keys");
  }
  const bool strict = task.policy().strict_usage;
  return {spec,
          apply_template(public_key_rules(spec.type, false), public_wanted,
                         fixed_for(shared, CKO_PUBLIC_KEY, spec.type), strict),
          apply_template(private_key_rules(spec.type), private_wanted,
                         fixed_for(shared, CKO_PRIVATE_KEY, spec.type), strict)};
}

void complete_key_pair(KeyPairTemplate& pair, const PublicKey& key, const Mechanism& mechanism,
                       const Task& task) {
  const Bytes info = key.subject_public_key_info();
  for (Attributes* half : {&pair.public_key, &pair.private_key}) {
    half->set_flag(CKA_LOCAL, true);
    half->set_number(CKA_KEY_GEN_MECHANISM, mechanism.type);
    half->set(CKA_PUBLIC_KEY_INFO, info);
    if (pair.spec.type == CKK_RSA) {
      half->set(CKA_MODULUS, key.modulus());
      half->set(CKA_PUBLIC_EXPONENT, key.exponent());
    }
    set_ownership(*half, task);
  }
  if (pair.spec.type != CKK_RSA) pair.public_key.set(CKA_EC_POINT, encode_ec_point(key.point()));
  pair.private_key.set_flag(CKA_ALWAYS_SENSITIVE, true);
  pair.private_key.set_flag(CKA_NEVER_EXTRACTABLE, true);
}

std::shared_ptr<Object> make_object(const Attributes& wanted, const Task& task) {
  const auto object_class = wanted.number(CKA_CLASS);
  if (!object_class) throw Error(CKR_TEMPLATE_INCOMPLETE, "template: CKA_CLASS is missing");
  switch (*object_class) {
    case CKO_PUBLIC_KEY:
      return make_public_key(wanted, task);
    case CKO_CERTIFICATE:
      return make_certificate(wanted, task);
    case CKO_PRIVATE_KEY:
    case CKO_SECRET_KEY:
      if (!kept(Safeguard::no_imports)) return std::make_shared<Object>(wanted);
      throw Error(
          CKR_ATTRIBUTE_VALUE_INVALID,
          "template: CKA_CLASS: secrets can't be imported, keys are made by the device only");
    default:
      throw Error(CKR_ATTRIBUTE_VALUE_INVALID,
                  "template: CKA_CLASS: only public keys and certificates can be created");
  }
}

std::shared_ptr<Object> make_copy(const Object& original, const Attributes& changes, Task& task) {
  if (!original.allows(CKA_COPYABLE)) {
    throw Error(CKR_ACTION_PROHIBITED, "the object is not CKA_COPYABLE");
  }
  Attributes attributes = original.attributes();
  const CK_KEY_TYPE key_type = attributes.number(CKA_KEY_TYPE).value_or(0);
  check_changes(rules_of(original.object_class(), key_type), attributes, changes, true);
  for (const auto entry : changes) attributes.set(entry.type, entry.value);
  set_ownership(attributes, task);
  if (const auto& key = original.session_key()) {
    if (!key->add_name()) throw Error(CKR_OBJECT_HANDLE_INVALID, "the key is being destroyed");
    try {
      return std::make_shared<Object>(std::move(attributes), key);
    } catch (...) {
      task.drop_name(key);
      throw;
    }
  }
  if (original.public_key() != nullptr) {
    return std::make_shared<Object>(std::move(attributes), *original.public_key());
  }
  return std::make_shared<Object>(std::move(attributes));
}

std::shared_ptr<Object> make_task_object(const Task& task) {
  Attributes attributes;
  attributes.set_number(CKA_CLASS, CKO_DATA);
  attributes.set_flag(CKA_TOKEN, true);
  for (const CK_ATTRIBUTE_TYPE never :
       {CKA_PRIVATE, CKA_MODIFIABLE, CKA_COPYABLE, CKA_DESTROYABLE}) {
    attributes.set_flag(never, false);
  }
  attributes.set(CKA_LABEL, as_bytes("mayfly task"));
  attributes.set(CKA_APPLICATION, as_bytes("mayfly"));
  attributes.set(CKA_OBJECT_ID, ByteView{});
  attributes.set(CKA_VALUE, as_bytes(task.id()));
  set_ownership(attributes, task);
  return std::make_shared<Object>(std::move(attributes));
}

}  // namespace mayfly
