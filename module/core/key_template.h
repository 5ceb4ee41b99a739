// From templates to the attributes of keys and other objects.
#pragma once

#include <string>

#include "base/mechanism.h"
#include "core/attributes.h"
#include "core/object.h"
#include "core/task.h"

namespace mayfly {

/// What a C_GenerateKeyPair asks for, checked and completed.
struct KeyPairTemplate {
  KeySpec spec;
  Attributes public_key;
  Attributes private_key;
};

/// Checks the two templates of C_GenerateKeyPair (PKCS#11 3.0, 5.18.2) against the rules of a
/// task's keys: sensitive, never extractable, private, for signing only.
/// @throws Error what apply_template() gives; CKR_TEMPLATE_INCOMPLETE without curve or modulus
/// size;
///         CKR_CURVE_NOT_SUPPORTED, CKR_KEY_SIZE_RANGE for what the module or the device lacks, or
///         the task's policy leaves out.
[[nodiscard]] KeyPairTemplate key_pair_template(const Mechanism& mechanism,
                                                const Attributes& public_wanted,
                                                const Attributes& private_wanted, const Task& task);

/// Adds to both halves what is known only after the generation.
void complete_key_pair(KeyPairTemplate& pair, const PublicKey& key, const Mechanism& mechanism,
                       const Task& task);

/// The object that a C_CreateObject asks for: a public key or an X.509 certificate.
/// @throws Error CKR_ATTRIBUTE_VALUE_INVALID for any other class, private and secret keys first of
///         all; CKR_TEMPLATE_INCOMPLETE without a class; what apply_template() gives.
[[nodiscard]] std::shared_ptr<Object> make_object(const Attributes& wanted, const Task& task);

/// The key that the attributes of a public key, or of an RSA private key, tell of.
/// @throws Error CKR_TEMPLATE_INCOMPLETE, CKR_CURVE_NOT_SUPPORTED, CKR_ATTRIBUTE_VALUE_INVALID.
[[nodiscard]] PublicKey read_public_key(const Attributes& attributes, CK_KEY_TYPE type);

/// The copy that a C_CopyObject asks for (PKCS#11 3.0, 5.8.2): of a private key, one more name for
/// the same key in the device.
/// @throws Error CKR_ACTION_PROHIBITED for what is not CKA_COPYABLE; CKR_OBJECT_HANDLE_INVALID if
///         the key is being destroyed; what check_changes() gives.
[[nodiscard]] std::shared_ptr<Object> make_copy(const Object& original, const Attributes& changes,
                                                Task& task);

/// The CKO_DATA object that every task's token has: it holds the whole task ID.
[[nodiscard]] std::shared_ptr<Object> make_task_object(const Task& task);

}  // namespace mayfly
