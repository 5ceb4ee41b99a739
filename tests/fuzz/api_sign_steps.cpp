// Steps of the hostile client: signing, in one part, in parts, and message by message.
#include "fuzz/api_functions.h"
#include "fuzz/api_player.h"

namespace mayfly::test {
namespace {

constexpr CK_ULONG kSignatureSize = 64;  // of P-256 and of Ed25519

/// Data that a call gets: a pointer and a length, which need not fit.
struct Data {
  explicit Data(Input& input)
      : bytes(to_bytes(input.short_piece())), spoiled(input.byte() >= 0xf8) {}

  [[nodiscard]] CK_BYTE* pointer() { return spoiled ? nullptr : bytes.data(); }
  [[nodiscard]] CK_ULONG size() const { return spoiled ? 1 : bytes.size(); }

  Bytes bytes;
  bool spoiled;
};

bool is_raw(const OperationModel& operation) noexcept { return operation.mechanism == CKM_ECDSA; }

SignatureScheme scheme_of(CK_MECHANISM_TYPE mechanism) {
  if (mechanism == CKM_EDDSA) return {Scheme::eddsa, Hash::none, Hash::none, 0};
  return {Scheme::ecdsa, mechanism == CKM_ECDSA_SHA256 ? Hash::sha256 : Hash::none, Hash::none, 0};
}

}  // namespace

struct Player::Place {
  explicit Place(Input& input) : form(input.byte() % 8) {
    bytes.resize(form == 1 ? kSignatureSize - 1 : kSignatureSize, 0xee);
    length = bytes.size();
  }

  /// Whether it only asks for the size, or is too small.
  [[nodiscard]] bool asks() const noexcept { return form == 0; }
  [[nodiscard]] bool too_small() const noexcept { return form == 1; }
  [[nodiscard]] bool has_no_length() const noexcept { return form == 2; }
  /// Whether a signature can come of it.
  [[nodiscard]] bool produces() const noexcept { return form > 2; }

  [[nodiscard]] CK_BYTE* pointer() { return asks() ? nullptr : bytes.data(); }
  [[nodiscard]] CK_ULONG* size() { return has_no_length() ? nullptr : &length; }

  int form;
  Bytes bytes;
  CK_ULONG length;
};

OperationModel Player::judge_begin(Answers& answers, const SessionChoice& at,
                                   const ObjectChoice& key, const MechanismChoice& choice,
                                   CK_OBJECT_CLASS wanted) const {
  const CK_MECHANISM_TYPE type = choice.mechanism.mechanism;
  const ObjectModel* const object = key.object;
  const bool usable = object != nullptr && object->object_class == wanted;
  const bool curve = type == CKM_ECDSA || type == CKM_ECDSA_SHA256;
  const bool edwards = usable && object->key->public_key.spec().type == CKK_EC_EDWARDS;
  judge_session(answers, at)
      .first(choice.is_null, CKR_ARGUMENTS_BAD)
      .fault(type == CKM_ECDH1_DERIVE, CKR_MECHANISM_INVALID)
      .fault(!usable, CKR_KEY_HANDLE_INVALID)
      .fault(usable && (edwards ? type != CKM_EDDSA : !curve), CKR_KEY_TYPE_INCONSISTENT)
      .fault(wanted == CKO_PRIVATE_KEY && at.session != nullptr &&
                 !model_.has_access(*at.session->task),
             CKR_USER_NOT_LOGGED_IN);
  const unsigned epoch = at.session == nullptr ? 0 : at.session->task->login_epoch;
  return {key.object, type, epoch};
}

void Player::judge_operation(Answers& answers, const OperationModel& operation) const {
  answers.fault(!is_current(model_, operation), CKR_USER_NOT_LOGGED_IN);
}

void Player::check_signature(const OperationModel& operation, const Place& place) {
  require(has_key(operation) && operation.key->task->open && is_current(model_, operation),
          "nothing is signed after the end of a key, a login or a task");
  require(place.length == kSignatureSize, "a signature has its key's size");
  const SignatureScheme scheme = scheme_of(operation.mechanism);
  const Bytes digest =
      scheme.hash == Hash::none ? operation.data : mayfly::digest(scheme.hash, operation.data);
  require(operation.key->key->public_key.verify(scheme, digest, place.bytes),
          "a signature is one of the key over the data");
  signatures_.push_back({operation.key->key, operation.mechanism, operation.data, place.bytes});
}

void Player::sign_begin() {
  const SessionChoice at = choose_session();
  const ObjectChoice key = choose_object(at.session);
  MechanismChoice choice = choose_mechanism();
  const bool active = at.session != nullptr && at.session->sign.has_value();
  if (choice.is_null && active) {
    require(p11().C_SignInit(at.handle, nullptr, key.handle) == CKR_OK, "NULL ends an operation");
    at.session->sign.reset();
    return;
  }
  Answers answers("C_SignInit");
  const OperationModel operation = judge_begin(answers, at, key, choice, CKO_PRIVATE_KEY);
  answers.fault(active, CKR_OPERATION_ACTIVE);
  CK_MECHANISM* const mechanism = choice.is_null ? nullptr : &choice.mechanism;
  if (answers.judge(p11().C_SignInit(at.handle, mechanism, key.handle))) {
    at.session->sign = operation;
  }
}

void Player::sign() {
  const SessionChoice at = choose_session();
  Data data(input_);
  Place place(input_);
  const bool active = at.session != nullptr && at.session->sign.has_value();
  Answers answers("C_Sign");
  judge_session(answers, at).first(!active, CKR_OPERATION_NOT_INITIALIZED);
  if (active) {
    OperationModel& operation = *at.session->sign;
    judge_operation(answers, operation);
    answers.fault(place.has_no_length(), CKR_ARGUMENTS_BAD)
        .fault(place.too_small(), CKR_BUFFER_TOO_SMALL)
        .fault(place.produces() && data.spoiled, CKR_ARGUMENTS_BAD)
        .fault(place.produces() && (operation.updated || !has_key(operation)),
               CKR_OPERATION_NOT_INITIALIZED)
        .fault(
            place.produces() && is_raw(operation) && (data.bytes.empty() || data.bytes.size() > 64),
            CKR_DATA_LEN_RANGE);
    if (!operation.updated) operation.data = data.bytes;
  }
  const CK_RV rv =
      p11().C_Sign(at.handle, data.pointer(), data.size(), place.pointer(), place.size());
  const bool done = answers.judge(rv);
  if (done && place.produces()) check_signature(*at.session->sign, place);
  if (active && rv != CKR_BUFFER_TOO_SMALL && !(done && place.asks())) at.session->sign.reset();
}

void Player::sign_update() {
  const SessionChoice at = choose_session();
  Data data(input_);
  const bool active = at.session != nullptr && at.session->sign.has_value();
  Answers answers("C_SignUpdate");
  judge_session(answers, at)
      .fault(!active, CKR_OPERATION_NOT_INITIALIZED)
      .fault(data.spoiled, CKR_ARGUMENTS_BAD);
  if (active) {
    judge_operation(answers, *at.session->sign);
    answers.fault(is_raw(*at.session->sign), CKR_FUNCTION_NOT_SUPPORTED);
  }
  if (answers.judge(p11().C_SignUpdate(at.handle, data.pointer(), data.size()))) {
    OperationModel& operation = *at.session->sign;
    if (!operation.updated) operation.data.clear();
    operation.updated = true;
    operation.data.insert(operation.data.end(), data.bytes.begin(), data.bytes.end());
  } else if (active) {
    at.session->sign.reset();
  }
}

void Player::sign_final() {
  const SessionChoice at = choose_session();
  Place place(input_);
  const bool active = at.session != nullptr && at.session->sign.has_value();
  Answers answers("C_SignFinal");
  judge_session(answers, at).first(!active, CKR_OPERATION_NOT_INITIALIZED);
  if (active) {
    OperationModel& operation = *at.session->sign;
    judge_operation(answers, operation);
    answers.fault(place.has_no_length(), CKR_ARGUMENTS_BAD)
        .fault(place.too_small(), CKR_BUFFER_TOO_SMALL)
        .fault(place.produces() && is_raw(operation), CKR_FUNCTION_NOT_SUPPORTED)
        .fault(place.produces() && !has_key(operation), CKR_OPERATION_NOT_INITIALIZED);
    if (!operation.updated) operation.data.clear();
  }
  const CK_RV rv = p11().C_SignFinal(at.handle, place.pointer(), place.size());
  const bool done = answers.judge(rv);
  if (done && place.produces()) check_signature(*at.session->sign, place);
  if (active && rv != CKR_BUFFER_TOO_SMALL && !(done && place.asks())) at.session->sign.reset();
}

void Player::message_sign_begin() {
  const SessionChoice at = choose_session();
  const ObjectChoice key = choose_object(at.session);
  MechanismChoice choice = choose_mechanism();
  choice.is_null = false;
  Answers answers("C_MessageSignInit");
  const OperationModel operation = judge_begin(answers, at, key, choice, CKO_PRIVATE_KEY);
  answers.fault(at.session != nullptr && at.session->message_sign.has_value(),
                CKR_OPERATION_ACTIVE);
  if (answers.judge(p11().C_MessageSignInit(at.handle, &choice.mechanism, key.handle))) {
    at.session->message_sign = MessageModel{operation};
  }
}

void Player::message_sign() {
  const SessionChoice at = choose_session();
  Data data(input_);
  Place place(input_);
  const bool active = at.session != nullptr && at.session->message_sign.has_value();
  Answers answers("C_SignMessage");
  judge_session(answers, at).first(!active, CKR_OPERATION_NOT_INITIALIZED);
  OperationModel operation{};
  if (active) {
    operation = at.session->message_sign->prototype;
    operation.data = data.bytes;
    judge_operation(answers, operation);
    answers.fault(place.has_no_length(), CKR_ARGUMENTS_BAD)
        .fault(place.too_small(), CKR_BUFFER_TOO_SMALL)
        .fault(place.produces() && data.spoiled, CKR_ARGUMENTS_BAD)
        .fault(place.produces() && at.session->message_sign->message.has_value(),
               CKR_OPERATION_ACTIVE)
        .fault(place.produces() && !has_key(operation), CKR_OPERATION_NOT_INITIALIZED)
        .fault(
            place.produces() && is_raw(operation) && (data.bytes.empty() || data.bytes.size() > 64),
            CKR_DATA_LEN_RANGE);
  }
  const CK_RV rv = p11().C_SignMessage(at.handle, nullptr, 0, data.pointer(), data.size(),
                                       place.pointer(), place.size());
  if (answers.judge(rv) && place.produces()) check_signature(operation, place);
}

void Player::message_begin() {
  const SessionChoice at = choose_session();
  const bool active = at.session != nullptr && at.session->message_sign.has_value();
  Answers answers("C_SignMessageBegin");
  judge_session(answers, at).first(!active, CKR_OPERATION_NOT_INITIALIZED);
  if (active) {
    judge_operation(answers, at.session->message_sign->prototype);
    answers.fault(at.session->message_sign->message.has_value(), CKR_OPERATION_ACTIVE);
  }
  if (answers.judge(p11().C_SignMessageBegin(at.handle, nullptr, 0))) {
    at.session->message_sign->message = at.session->message_sign->prototype;
  }
}

void Player::message_next() {
  const SessionChoice at = choose_session();
  Data data(input_);
  Place place(input_);
  const bool last = !place.has_no_length();  // without a place for a length, it is not the last
  const bool active = at.session != nullptr && at.session->message_sign.has_value();
  Answers answers("C_SignMessageNext");
  judge_session(answers, at).first(!active, CKR_OPERATION_NOT_INITIALIZED);
  MessageModel* const signing = active ? &*at.session->message_sign : nullptr;
  const bool works = !last || place.produces();
  if (active) {
    judge_operation(answers, signing->prototype);
    answers.fault(data.spoiled, CKR_ARGUMENTS_BAD)
        .fault(last && place.too_small(), CKR_BUFFER_TOO_SMALL)
        .fault(works && !signing->message, CKR_OPERATION_NOT_INITIALIZED)
        .fault(works && is_raw(signing->prototype), CKR_FUNCTION_NOT_SUPPORTED)
        .fault(last && works && !has_key(signing->prototype), CKR_OPERATION_NOT_INITIALIZED);
  }
  const CK_RV rv = p11().C_SignMessageNext(at.handle, nullptr, 0, data.pointer(), data.size(),
                                           place.pointer(), place.size());
  const bool done = answers.judge(rv);
  if (!active) return;
  if (done && works) {
    Bytes& all = signing->message->data;
    all.insert(all.end(), data.bytes.begin(), data.bytes.end());
    if (last) check_signature(*signing->message, place);
  }
  // A login that has ended is seen before the message is.
  const bool ends = done ? last && works : rv != CKR_BUFFER_TOO_SMALL;
  if (ends && (done || is_current(model_, signing->prototype))) signing->message.reset();
}

void Player::message_sign_final() {
  const SessionChoice at = choose_session();
  const bool active = at.session != nullptr && at.session->message_sign.has_value();
  Answers answers("C_MessageSignFinal");
  judge_session(answers, at)
      .first(!active, CKR_OPERATION_NOT_INITIALIZED)
      .fault(active && at.session->message_sign->message.has_value(), CKR_OPERATION_ACTIVE);
  if (answers.judge(p11().C_MessageSignFinal(at.handle))) at.session->message_sign.reset();
}

}  // namespace mayfly::test
