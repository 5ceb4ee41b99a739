// What may be said about each attribute, as data.
#pragma once

#include <span>

#include "core/attributes.h"

namespace mayfly {

/// The form of an attribute's value.
enum class ValueForm { flag, number, bytes, date, mechanisms };

/// What a template that makes an object may say.
enum class Demand {
  open,        ///< any value of the form
  fixed,       ///< the value that the object has anyway, or nothing
  only_true,   ///< true or nothing
  only_false,  ///< false or nothing
  narrowed,  ///< true is asked for by habit: it becomes false, or is refused under a strict policy
  required,  ///< must be there
  computed,  ///< comes with the key or from the token; a template can't give it
};

/// What C_SetAttributeValue and C_CopyObject may do to it later.
enum class Change {
  never,    ///< nothing
  name,     ///< any value: it only names the object
  tighten,  ///< C_CopyObject may turn true into false
  raise,    ///< C_CopyObject may turn false into true
  on_copy,  ///< C_CopyObject may give another value
};

/// One row: an attribute of one class of objects.
struct AttributeRule {
  CK_ATTRIBUTE_TYPE type;
  const char* name;
  ValueForm form;
  Demand demand;
  Change change;
  /// What an object gets if the template is silent: nothing, an empty value, or a flag.
  enum class Default { none, empty, yes, no } fallback;
};

using AttributeRules = std::span<const AttributeRule>;

[[nodiscard]] AttributeRules private_key_rules(CK_KEY_TYPE type) noexcept;
/// @param imported  For C_CreateObject, where the template brings the key; else for generation.
[[nodiscard]] AttributeRules public_key_rules(CK_KEY_TYPE type, bool imported) noexcept;
[[nodiscard]] AttributeRules certificate_rules() noexcept;
/// The rules that an object of this class and key type was made under.
[[nodiscard]] AttributeRules rules_of(CK_OBJECT_CLASS object_class, CK_KEY_TYPE type) noexcept;

[[nodiscard]] const AttributeRule* find_rule(AttributeRules rules, CK_ATTRIBUTE_TYPE type) noexcept;

/// Whether the attribute is part of a private key's secret: never readable, never settable.
[[nodiscard]] bool is_secret(CK_ATTRIBUTE_TYPE type) noexcept;

/// Checks a template against the rules and completes it with the defaults.
///
/// @param fixed   The attributes with Demand::fixed, with the values that they have.
/// @param strict  Refuse what would be narrowed.
/// @return the attributes of the object, without those that are computed.
/// @throws Error CKR_ATTRIBUTE_TYPE_INVALID (no rule), CKR_ATTRIBUTE_READ_ONLY (computed),
///         CKR_ATTRIBUTE_VALUE_INVALID (form, or a value that the token does not allow),
///         CKR_TEMPLATE_INCONSISTENT (contradicts `fixed`), CKR_TEMPLATE_INCOMPLETE.
[[nodiscard]] Attributes apply_template(AttributeRules rules, const Attributes& wanted,
                                        const Attributes& fixed, bool strict);

/// Checks changes for C_SetAttributeValue (`copying` false) or C_CopyObject.
/// @throws Error CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_VALUE_INVALID.
void check_changes(AttributeRules rules, const Attributes& current, const Attributes& changes,
                   bool copying);

}  // namespace mayfly
