#include "core/attribute_rules.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace mayfly {
namespace {

Attributes with_flag(CK_ATTRIBUTE_TYPE type, bool value) {
  Attributes list;
  list.set_flag(type, value);
  return list;
}

Attributes fixed_ec() {
  Attributes fixed;
  fixed.set_number(CKA_CLASS, CKO_PRIVATE_KEY);
  fixed.set_number(CKA_KEY_TYPE, CKK_EC);
  return fixed;
}

CK_RV answer(const Attributes& wanted, bool strict = false) {
  try {
    static_cast<void>(apply_template(private_key_rules(CKK_EC), wanted, fixed_ec(), strict));
    return CKR_OK;
  } catch (const Error& error) {
    return error.rv();
  }
}

struct FlagCase {
  CK_ATTRIBUTE_TYPE type;
  CK_RV when_true;
  CK_RV when_false;
  CK_RV when_true_and_strict;
};

TEST(AttributeRules, PrivateKeysOnlyEverSignAndNeverLeave) {
  const FlagCase cases[] = {
      {CKA_SENSITIVE, CKR_OK, CKR_ATTRIBUTE_VALUE_INVALID, CKR_OK},
      {CKA_PRIVATE, CKR_OK, CKR_ATTRIBUTE_VALUE_INVALID, CKR_OK},
      {CKA_EXTRACTABLE, CKR_ATTRIBUTE_VALUE_INVALID, CKR_OK, CKR_ATTRIBUTE_VALUE_INVALID},
      {CKA_ALWAYS_AUTHENTICATE, CKR_ATTRIBUTE_VALUE_INVALID, CKR_OK, CKR_ATTRIBUTE_VALUE_INVALID},
      {CKA_LOCAL, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY},
      {CKA_NEVER_EXTRACTABLE, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY,
       CKR_ATTRIBUTE_READ_ONLY},
      {CKA_DERIVE, CKR_OK, CKR_OK, CKR_ATTRIBUTE_VALUE_INVALID},
      {CKA_DECRYPT, CKR_OK, CKR_OK, CKR_ATTRIBUTE_VALUE_INVALID},
      {CKA_UNWRAP, CKR_OK, CKR_OK, CKR_ATTRIBUTE_VALUE_INVALID},
      {CKA_SIGN_RECOVER, CKR_OK, CKR_OK, CKR_ATTRIBUTE_VALUE_INVALID},
      {CKA_SIGN, CKR_OK, CKR_OK, CKR_OK},
      {CKA_VERIFY, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_TYPE_INVALID,
       CKR_ATTRIBUTE_TYPE_INVALID},
      {CKA_PRIVATE_EXPONENT, CKR_TEMPLATE_INCONSISTENT, CKR_TEMPLATE_INCONSISTENT,
       CKR_TEMPLATE_INCONSISTENT},
  };
  for (const FlagCase& test : cases) {
    const std::string name = attribute_name(test.type);
    EXPECT_EQ(answer(with_flag(test.type, true)), test.when_true) << name;
    EXPECT_EQ(answer(with_flag(test.type, false)), test.when_false) << name;
    EXPECT_EQ(answer(with_flag(test.type, true), true), test.when_true_and_strict) << name;
  }
}

TEST(AttributeRules, NarrowedUsagesReadBackAsFalse) {
  const Attributes made =
      apply_template(private_key_rules(CKK_EC), with_flag(CKA_DERIVE, true), fixed_ec(), false);
  EXPECT_EQ(made.flag(CKA_DERIVE), false);
  EXPECT_EQ(made.flag(CKA_SENSITIVE), true);
  EXPECT_EQ(made.flag(CKA_EXTRACTABLE), false);
  EXPECT_EQ(made.flag(CKA_SIGN), true);
}

TEST(AttributeRules, FixedValuesCantBeContradicted) {
  Attributes wanted;
  wanted.set_number(CKA_KEY_TYPE, CKK_RSA);
  EXPECT_EQ(answer(wanted), CKR_TEMPLATE_INCONSISTENT);
  wanted.set_number(CKA_KEY_TYPE, CKK_EC);
  EXPECT_EQ(answer(wanted), CKR_OK);
}

TEST(AttributeRules, ValuesOfTheWrongFormAreRefused) {
  for (const CK_ATTRIBUTE_TYPE type : {CKA_SIGN, CKA_KEY_TYPE, CKA_START_DATE}) {
    Attributes wanted;
    wanted.set(type, as_bytes("three"));
    EXPECT_EQ(answer(wanted), CKR_ATTRIBUTE_VALUE_INVALID) << attribute_name(type);
  }
}

TEST(AttributeRules, RequiredAttributesMustBeThere) {
  try {
    static_cast<void>(apply_template(certificate_rules(), {}, {}, false));
    FAIL() << "a certificate without a value was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.rv(), CKR_TEMPLATE_INCOMPLETE);
  }
}

struct ChangeCase {
  CK_ATTRIBUTE_TYPE type;
  bool from;
  bool to;
  CK_RV when_set;
  CK_RV when_copied;
};

TEST(AttributeRules, CopiesMayTightenAndNeverLoosen) {
  const ChangeCase cases[] = {
      {CKA_SIGN, true, false, CKR_ATTRIBUTE_READ_ONLY, CKR_OK},
      {CKA_SIGN, false, true, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY},
      {CKA_MODIFIABLE, true, false, CKR_ATTRIBUTE_READ_ONLY, CKR_OK},
      {CKA_MODIFIABLE, false, true, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY},
      {CKA_TOKEN, false, true, CKR_ATTRIBUTE_READ_ONLY, CKR_OK},
      {CKA_WRAP_WITH_TRUSTED, false, true, CKR_ATTRIBUTE_READ_ONLY, CKR_OK},
      {CKA_SENSITIVE, true, false, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY},
      {CKA_SENSITIVE, true, true, CKR_ATTRIBUTE_READ_ONLY, CKR_OK},
      {CKA_EXTRACTABLE, false, true, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY},
      {CKA_DERIVE, false, true, CKR_ATTRIBUTE_READ_ONLY, CKR_ATTRIBUTE_READ_ONLY},
  };
  for (const ChangeCase& test : cases) {
    for (const bool copying : {false, true}) {
      CK_RV rv = CKR_OK;
      try {
        check_changes(private_key_rules(CKK_EC), with_flag(test.type, test.from),
                      with_flag(test.type, test.to), copying);
      } catch (const Error& error) {
        rv = error.rv();
      }
      EXPECT_EQ(rv, copying ? test.when_copied : test.when_set)
          << attribute_name(test.type) << (copying ? " copied" : " set");
    }
  }
}

}  // namespace
}  // namespace mayfly
