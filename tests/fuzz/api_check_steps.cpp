// Steps of the hostile client: verification, digests, and calls that need little.
#include "fuzz/api_functions.h"
#include "fuzz/api_player.h"

namespace mayfly::test {
void Player::verify_begin() {
  const SessionChoice at = choose_session();
  const ObjectChoice key = choose_object(at.session);
  MechanismChoice choice = choose_mechanism();
  choice.is_null = false;
  Answers answers("C_VerifyInit");
  const OperationModel operation = judge_begin(answers, at, key, choice, CKO_PUBLIC_KEY);
  answers.fault(at.session != nullptr && at.session->verify.has_value(), CKR_OPERATION_ACTIVE);
  if (answers.judge(p11().C_VerifyInit(at.handle, &choice.mechanism, key.handle))) {
    at.session->verify = operation;
  }
}

void Player::verify() {
  const SessionChoice at = choose_session();
  const std::uint8_t which = input_.byte();
  const bool made_up = signatures_.empty() || which >= 0xe0;
  Bytes data =
      made_up ? to_bytes(input_.short_piece()) : signatures_[which % signatures_.size()].data;
  Bytes value =
      made_up ? to_bytes(input_.short_piece()) : signatures_[which % signatures_.size()].value;
  const bool active = at.session != nullptr && at.session->verify.has_value();
  Answers answers("C_Verify");
  judge_session(answers, at).first(!active, CKR_OPERATION_NOT_INITIALIZED);
  if (active) {
    const OperationModel& operation = *at.session->verify;
    const bool good = !made_up &&
                      signatures_[which % signatures_.size()].key == operation.key->key &&
                      signatures_[which % signatures_.size()].mechanism == operation.mechanism;
    answers.fault(operation.updated, CKR_OPERATION_NOT_INITIALIZED)
        .fault(!good, CKR_SIGNATURE_INVALID)
        .fault(value.size() != 64, CKR_SIGNATURE_LEN_RANGE)
        .fault(operation.mechanism == CKM_ECDSA && (data.empty() || data.size() > 64),
               CKR_DATA_LEN_RANGE)
        .fault(value.empty(), CKR_ARGUMENTS_BAD);
  }
  const CK_RV rv = p11().C_Verify(at.handle, data.data(), data.size(), value.data(), value.size());
  answers.judge(rv);
  if (active) at.session->verify.reset();
}

void Player::verify_update() {
  const SessionChoice at = choose_session();
  Bytes part = to_bytes(input_.short_piece());
  const bool active = at.session != nullptr && at.session->verify.has_value();
  Answers answers("C_VerifyUpdate");
  judge_session(answers, at)
      .first(!active, CKR_OPERATION_NOT_INITIALIZED)
      .fault(active && at.session->verify->mechanism == CKM_ECDSA, CKR_FUNCTION_NOT_SUPPORTED);
  if (answers.judge(p11().C_VerifyUpdate(at.handle, part.data(), part.size()))) {
    at.session->verify->updated = true;
  } else if (active) {
    at.session->verify.reset();
  }
}

void Player::digest() {
  const SessionChoice at = choose_session();
  Bytes data = to_bytes(input_.short_piece());
  Bytes room(input_.byte() % 64);
  CK_MECHANISM mechanism{CKM_SHA256, nullptr, 0};
  Answers begin("C_DigestInit");
  if (!judge_session(begin, at).judge(p11().C_DigestInit(at.handle, &mechanism))) return;
  CK_ULONG size = room.size();
  Answers answers("C_Digest");
  answers.fault(!room.empty() && room.size() < 32, CKR_BUFFER_TOO_SMALL);
  const CK_RV rv = p11().C_Digest(at.handle, data.data(), data.size(), room.data(), &size);
  const bool done = answers.judge(rv);
  require(size == 32, "the size of a digest is told");
  if (done && !room.empty()) {
    room.resize(size);
    require(room == mayfly::digest(Hash::sha256, data), "a digest is the data's");
    return;
  }
  require(p11().C_SessionCancel(at.handle, CKF_DIGEST) == CKR_OK, "a digest can be ended");
}

void Player::cancel() {
  const SessionChoice at = choose_session();
  const CK_FLAGS flags = input_.number(4);
  Answers answers("C_SessionCancel");
  if (!judge_session(answers, at).judge(p11().C_SessionCancel(at.handle, flags))) return;
  if ((flags & CKF_SIGN) != 0) at.session->sign.reset();
  if ((flags & CKF_VERIFY) != 0) at.session->verify.reset();
  if ((flags & CKF_MESSAGE_SIGN) != 0) at.session->message_sign.reset();
  if ((flags & CKF_FIND_OBJECTS) != 0) at.session->searching = false;
}

void Player::call_what_is_not_offered() {
  const SessionChoice at = choose_session();
  const ObjectChoice key = choose_object(at.session);
  const std::uint8_t which = input_.byte() % 4;
  CK_MECHANISM mechanism{input_.number(8), nullptr, input_.number(8)};
  CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
  CK_ULONG size = ~0UL;
  Answers answers("what is not offered");
  judge_session(answers, at).fault(true, CKR_FUNCTION_NOT_SUPPORTED);
  CK_RV rv = CKR_OK;
  if (which == 0)
    rv = p11().C_UnwrapKey(at.handle, &mechanism, key.handle, nullptr, ~0UL, nullptr, ~0UL, &made);
  if (which == 1) rv = p11().C_DeriveKey(at.handle, &mechanism, key.handle, nullptr, ~0UL, &made);
  if (which == 2)
    rv = p11().C_WrapKey(at.handle, &mechanism, key.handle, key.handle, nullptr, &size);
  if (which == 3) rv = p11().C_Decrypt(at.handle, nullptr, ~0UL, nullptr, nullptr);
  answers.judge(rv);
}

void Player::random() {
  const SessionChoice at = choose_session();
  Bytes room(input_.byte());
  Answers answers("C_GenerateRandom");
  judge_session(answers, at).judge(p11().C_GenerateRandom(at.handle, room.data(), room.size()));
}

}  // namespace mayfly::test
