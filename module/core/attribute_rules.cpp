#include "core/attribute_rules.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "base/error.h"
#include "base/limited_log.h"
#include "base/safeguard.h"

namespace mayfly {
namespace {

// A client can ask for this as often as it likes.
constinit log::LimitedLog narrowings;

using enum ValueForm;
using enum Demand;
using enum Change;
using Default = AttributeRule::Default;
constexpr auto kNone = Default::none;
constexpr auto kEmpty = Default::empty;
constexpr auto kYes = Default::yes;
constexpr auto kNo = Default::no;

// Each class of objects lists its attributes by the tables of PKCS#11 3.0, chapter 4, and the key
// type's own by chapter 2.3 (EC) and 2.1 (RSA) of the mechanisms document.
#define ROW(type, form, demand, change, fallback) \
  { type, #type, form, demand, change, fallback }
#define STORAGE_ROWS                                                                             \
  ROW(CKA_CLASS, number, fixed, never, kNone), ROW(CKA_TOKEN, flag, open, on_copy, kNo),         \
      ROW(CKA_LABEL, bytes, open, name, kEmpty), ROW(CKA_MODIFIABLE, flag, open, tighten, kYes), \
      ROW(CKA_COPYABLE, flag, open, tighten, kYes),                                              \
      ROW(CKA_DESTROYABLE, flag, open, tighten, kYes),                                           \
      ROW(CKA_UNIQUE_ID, bytes, computed, never, kNone),                                         \
      ROW(CKA_MAYFLY_TASK_ID, bytes, computed, never, kNone)
#define KEY_ROWS                                                                                  \
  STORAGE_ROWS, ROW(CKA_KEY_TYPE, number, fixed, never, kNone),                                   \
      ROW(CKA_ID, bytes, open, name, kEmpty), ROW(CKA_SUBJECT, bytes, open, name, kEmpty),        \
      ROW(CKA_START_DATE, date, open, name, kEmpty), ROW(CKA_END_DATE, date, open, name, kEmpty), \
      ROW(CKA_DERIVE, flag, narrowed, never, kNo), ROW(CKA_LOCAL, flag, computed, never, kNone),  \
      ROW(CKA_KEY_GEN_MECHANISM, number, computed, never, kNone),                                 \
      ROW(CKA_ALLOWED_MECHANISMS, mechanisms, open, never, kNone),                                \
      ROW(CKA_PUBLIC_KEY_INFO, bytes, computed, never, kNone)
#define PRIVATE_KEY_ROWS                                                                           \
  KEY_ROWS, ROW(CKA_PRIVATE, flag, only_true, never, kYes),                                        \
      ROW(CKA_SENSITIVE, flag, only_true, never, kYes),                                            \
      ROW(CKA_EXTRACTABLE, flag, only_false, never, kNo),                                          \
      ROW(CKA_ALWAYS_SENSITIVE, flag, computed, never, kNone),                                     \
      ROW(CKA_NEVER_EXTRACTABLE, flag, computed, never, kNone),                                    \
      ROW(CKA_SIGN, flag, open, tighten, kYes), ROW(CKA_SIGN_RECOVER, flag, narrowed, never, kNo), \
      ROW(CKA_DECRYPT, flag, narrowed, never, kNo), ROW(CKA_UNWRAP, flag, narrowed, never, kNo),   \
      ROW(CKA_WRAP_WITH_TRUSTED, flag, open, raise, kNo),                                          \
      ROW(CKA_ALWAYS_AUTHENTICATE, flag, only_false, never, kNo)
#define PUBLIC_KEY_ROWS                                                                           \
  KEY_ROWS, ROW(CKA_PRIVATE, flag, open, raise, kNo), ROW(CKA_VERIFY, flag, open, tighten, kYes), \
      ROW(CKA_VERIFY_RECOVER, flag, narrowed, never, kNo),                                        \
      ROW(CKA_ENCRYPT, flag, narrowed, never, kNo), ROW(CKA_WRAP, flag, narrowed, never, kNo),    \
      ROW(CKA_TRUSTED, flag, only_false, never, kNo)

constexpr AttributeRule kEcPrivate[] = {
    PRIVATE_KEY_ROWS,
    ROW(CKA_EC_PARAMS, bytes, fixed, never, kNone),
};
constexpr AttributeRule kRsaPrivate[] = {
    PRIVATE_KEY_ROWS,
    ROW(CKA_MODULUS, bytes, computed, never, kNone),
    ROW(CKA_PUBLIC_EXPONENT, bytes, fixed, never, kNone),
};
constexpr AttributeRule kEcPublic[] = {
    PUBLIC_KEY_ROWS,
    ROW(CKA_EC_PARAMS, bytes, fixed, never, kNone),
    ROW(CKA_EC_POINT, bytes, computed, never, kNone),
};
constexpr AttributeRule kRsaPublic[] = {
    PUBLIC_KEY_ROWS,
    ROW(CKA_MODULUS, bytes, computed, never, kNone),
    ROW(CKA_MODULUS_BITS, number, fixed, never, kNone),
    ROW(CKA_PUBLIC_EXPONENT, bytes, fixed, never, kNone),
};
constexpr AttributeRule kEcPublicImported[] = {
    PUBLIC_KEY_ROWS,
    ROW(CKA_EC_PARAMS, bytes, required, never, kNone),
    ROW(CKA_EC_POINT, bytes, required, never, kNone),
};
constexpr AttributeRule kRsaPublicImported[] = {
    PUBLIC_KEY_ROWS,
    ROW(CKA_MODULUS, bytes, required, never, kNone),
    ROW(CKA_MODULUS_BITS, number, computed, never, kNone),
    ROW(CKA_PUBLIC_EXPONENT, bytes, required, never, kNone),
};
constexpr AttributeRule kCertificate[] = {
    STORAGE_ROWS,
    ROW(CKA_PRIVATE, flag, open, raise, kNo),
    ROW(CKA_CERTIFICATE_TYPE, number, fixed, never, kNone),
    ROW(CKA_TRUSTED, flag, only_false, never, kNo),
    ROW(CKA_CERTIFICATE_CATEGORY, number, open, never, kNone),
    ROW(CKA_CHECK_VALUE, bytes, open, never, kNone),
    ROW(CKA_START_DATE, date, open, name, kEmpty),
    ROW(CKA_END_DATE, date, open, name, kEmpty),
    ROW(CKA_PUBLIC_KEY_INFO, bytes, open, never, kNone),
    ROW(CKA_SUBJECT, bytes, required, name, kNone),
    ROW(CKA_ID, bytes, open, name, kEmpty),
    ROW(CKA_ISSUER, bytes, open, name, kEmpty),
    ROW(CKA_SERIAL_NUMBER, bytes, open, name, kEmpty),
    ROW(CKA_VALUE, bytes, required, never, kNone),
    ROW(CKA_URL, bytes, open, never, kNone),
    ROW(CKA_HASH_OF_SUBJECT_PUBLIC_KEY, bytes, open, never, kNone),
    ROW(CKA_HASH_OF_ISSUER_PUBLIC_KEY, bytes, open, never, kNone),
};
#undef ROW
#undef STORAGE_ROWS
#undef KEY_ROWS
#undef PRIVATE_KEY_ROWS
#undef PUBLIC_KEY_ROWS

constexpr CK_ATTRIBUTE_TYPE kSecrets[] = {CKA_VALUE,      CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
                                          CKA_PRIME_2,    CKA_EXPONENT_1,       CKA_EXPONENT_2,
                                          CKA_COEFFICIENT};

constexpr std::uint8_t kTrue[] = {CK_TRUE};
constexpr std::uint8_t kFalse[] = {CK_FALSE};

bool has_form(const AttributeRule& rule, ByteView value) noexcept {
  switch (rule.form) {
    case ValueForm::flag:
      return value.size() == sizeof(CK_BBOOL) && value.front() <= CK_TRUE;
    case ValueForm::number:
      return value.size() == sizeof(CK_ULONG);
    case ValueForm::date:
      return value.empty() || value.size() == sizeof(CK_DATE);
    case ValueForm::mechanisms:
      return value.size() % sizeof(CK_MECHANISM_TYPE) == 0;
    case ValueForm::bytes:
      return true;
  }
  return false;
}

bool is_true(ByteView value) noexcept { return value.front() != CK_FALSE; }

[[noreturn]] void refuse(CK_RV rv, const std::string& name, const char* why) {
  throw Error(rv, "template: " + name + " " + why);
}

const AttributeRule& require_rule(AttributeRules rules, const Attributes::Entry& entry) {
  const AttributeRule* rule = find_rule(rules, entry.type);
  if (rule == nullptr) {
    if (is_secret(entry.type)) {
      refuse(CKR_TEMPLATE_INCONSISTENT, attribute_name(entry.type),
             "can't be given: keys are made by the device only");
    }
    refuse(CKR_ATTRIBUTE_TYPE_INVALID, attribute_name(entry.type),
           "is no attribute that such an object can be given here");
  }
  if (!has_form(*rule, entry.value)) {
    refuse(CKR_ATTRIBUTE_VALUE_INVALID, rule->name, "has a value of the wrong form");
  }
  return *rule;
}

/// The value that an object gets for what the template says of one attribute.
ByteView demanded_value(const AttributeRule& rule, const Attributes::Entry& entry,
                        const Attributes& fixed, bool strict) {
  switch (rule.demand) {
    case Demand::open:
    case Demand::required:
      break;
    case Demand::fixed: {
      const auto value = fixed.find(entry.type);
      if (!value || !equal(*value, entry.value)) {
        refuse(CKR_TEMPLATE_INCONSISTENT, rule.name, "contradicts the rest of the request");
      }
      break;
    }
    case Demand::only_true:
      if (!is_true(entry.value) && kept(Safeguard::key_templates)) {
        refuse(CKR_ATTRIBUTE_VALUE_INVALID, rule.name, "must be true for keys of a task");
      }
      break;
    case Demand::only_false:
      if (is_true(entry.value) && kept(Safeguard::key_templates)) {
        refuse(CKR_ATTRIBUTE_VALUE_INVALID, rule.name, "must be false for objects of a task");
      }
      break;
    case Demand::narrowed:
      if (!is_true(entry.value) || !kept(Safeguard::usages)) break;
      if (strict) {
        refuse(CKR_ATTRIBUTE_VALUE_INVALID, rule.name,
               "is refused by policy.usage = \"strict\": keys of a task only sign");
      }
      narrowings.write(log::Level::info, [&] {
        return std::string("template: ") + rule.name +
               " narrowed to false: keys of a task only sign";
      });
      return kFalse;
    case Demand::computed:
      refuse(CKR_ATTRIBUTE_READ_ONLY, rule.name, "is set by the token, not by a template");
  }
  return entry.value;
}

void set_default(Attributes& result, const AttributeRule& rule) {
  switch (rule.fallback) {
    case Default::none:
      break;
    case Default::empty:
      result.set_default(rule.type, {});
      break;
    case Default::yes:
      result.set_default(rule.type, kTrue);
      break;
    case Default::no:
      result.set_default(rule.type, kFalse);
      break;
  }
}

bool may_change(const AttributeRule& rule, std::optional<ByteView> current, ByteView wanted,
                bool copying) {
  if (rule.change == Change::name || !kept(Safeguard::attribute_changes)) return true;
  if (!copying) return false;
  if (current && equal(*current, wanted)) return true;
  switch (rule.change) {
    case Change::on_copy:
      return true;
    case Change::tighten:
      return !is_true(wanted);
    case Change::raise:
      return is_true(wanted);
    case Change::name:
    case Change::never:
      break;
  }
  return false;
}

}  // namespace

std::string attribute_name(CK_ATTRIBUTE_TYPE type) {
  for (const AttributeRules rules : {AttributeRules(kRsaPrivate), AttributeRules(kEcPublic),
                                     AttributeRules(kRsaPublic), AttributeRules(kCertificate)}) {
    if (const AttributeRule* rule = find_rule(rules, type)) return rule->name;
  }
  char text[32];
  std::snprintf(text, sizeof text, "attribute 0x%lx", type);
  return text;
}

AttributeRules private_key_rules(CK_KEY_TYPE type) noexcept {
  return type == CKK_RSA ? AttributeRules(kRsaPrivate) : AttributeRules(kEcPrivate);
}

AttributeRules public_key_rules(CK_KEY_TYPE type, bool imported) noexcept {
  if (type == CKK_RSA) {
    return imported ? AttributeRules(kRsaPublicImported) : AttributeRules(kRsaPublic);
  }
  return imported ? AttributeRules(kEcPublicImported) : AttributeRules(kEcPublic);
}

AttributeRules certificate_rules() noexcept { return kCertificate; }

AttributeRules rules_of(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type) noexcept {
  switch (object_class) {
    case CKO_PRIVATE_KEY:
      return private_key_rules(type);
    case CKO_PUBLIC_KEY:
      return public_key_rules(type, true);
    case CKO_CERTIFICATE:
      return certificate_rules();
    default:
      return {};
  }
}

const AttributeRule* find_rule(AttributeRules rules, CK_ATTRIBUTE_TYPE type) noexcept {
  const auto found =
      std::ranges::find_if(rules, [type](const AttributeRule& rule) { return rule.type == type; });
  return found == rules.end() ? nullptr : &*found;
}

bool is_secret(CK_ATTRIBUTE_TYPE type) noexcept {
  return std::ranges::find(kSecrets, type) != std::end(kSecrets);
}

Attributes apply_template(AttributeRules rules, const Attributes& wanted, const Attributes& fixed,
                          bool strict) {
  Attributes result = fixed;
  for (const Attributes::Entry entry : wanted) {
    const AttributeRule& rule = require_rule(rules, entry);
    result.set(entry.type, demanded_value(rule, entry, fixed, strict));
  }
  for (const AttributeRule& rule : rules) {
    if (rule.demand == Demand::required && !result.contains(rule.type)) {
      refuse(CKR_TEMPLATE_INCOMPLETE, rule.name, "is missing");
    }
    set_default(result, rule);
  }
  return result;
}

void check_changes(AttributeRules rules, const Attributes& current, const Attributes& changes,
                   bool copying) {
  for (const Attributes::Entry entry : changes) {
    const AttributeRule& rule = require_rule(rules, entry);
    if (!may_change(rule, current.find(entry.type), entry.value, copying)) {
      refuse(CKR_ATTRIBUTE_READ_ONLY, rule.name,
             copying ? "can't be loosened or changed by a copy" : "can't be changed");
    }
  }
}

}  // namespace mayfly
