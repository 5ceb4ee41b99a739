#include "fuzz/api_player.h"

#include <algorithm>

#include "api/function_lists.h"

namespace mayfly::test {

bool Answers::judge(CK_RV rv) const {
  const bool right = only_ != CKR_OK   ? rv == only_
                     : faults_.empty() ? rv == CKR_OK
                                       : std::ranges::count(faults_, rv) != 0;
  if (right) return rv == CKR_OK;
  std::string text = std::string(call_) + " answers " + std::to_string(rv) + ", which is none of";
  if (only_ != CKR_OK) {
    text += ' ' + std::to_string(only_);
  } else {
    for (const CK_RV fault : faults_) text += ' ' + std::to_string(fault);
    if (faults_.empty()) text += " CKR_OK";
  }
  report_finding(text);
}

Player::SessionChoice Player::choose_session() {
  const std::uint8_t which = input_.byte();
  CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;
  if (which < 0xf0 && !model_.sessions.empty()) {
    handle = model_.sessions[which % model_.sessions.size()].handle;  // open or stale
  } else if (which < 0xf8 && !model_.objects.empty()) {
    handle = model_.objects[which % model_.objects.size()].handle;
  } else if (which >= 0xfc) {
    handle = input_.number(8);
  }
  return {handle, model_.session(handle)};
}

Player::ObjectChoice Player::choose_object(const SessionModel* session) {
  const std::uint8_t which = input_.byte();
  CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
  if (which < 0xf0 && !model_.objects.empty()) {
    handle = model_.objects[which % model_.objects.size()].handle;  // of any task, alive or not
  } else if (which >= 0xfc) {
    handle = input_.number(8);
  }
  // The task's data object is not in the model, and its handle can be guessed.
  for (const ObjectModel& object : model_.objects) {
    if (object.handle == handle)
      return {handle, session ? model_.object(*session, handle) : nullptr};
  }
  return {CK_INVALID_HANDLE, nullptr};
}

CK_SLOT_ID Player::choose_slot() {
  const std::uint8_t which = input_.byte();
  if (which < 0xf0 && !model_.tasks.empty()) return model_.tasks[which % model_.tasks.size()].slot;
  return which < 0xf8 ? CK_INVALID_HANDLE : ~CK_SLOT_ID{0} - which;
}

Player::MechanismChoice Player::choose_mechanism() {
  static constexpr CK_MECHANISM_TYPE kTypes[] = {CKM_ECDSA, CKM_ECDSA_SHA256, CKM_EDDSA,
                                                 CKM_RSA_PKCS, CKM_ECDH1_DERIVE};
  const std::uint8_t which = input_.byte();
  return {{kTypes[which % std::size(kTypes)], nullptr, 0}, which >= 0xfa};
}

Answers& Player::judge_session(Answers& answers, const SessionChoice& choice) const {
  return answers.first(!model_.initialized, CKR_CRYPTOKI_NOT_INITIALIZED)
      .first(choice.session == nullptr, CKR_SESSION_HANDLE_INVALID);
}

void Player::step() {
  static constexpr void (Player::*kSteps[])() = {
      &Player::open_task,
      &Player::open_session,
      &Player::log_in,
      &Player::generate,
      &Player::sign_begin,
      &Player::sign,
      &Player::sign_update,
      &Player::sign_final,
      &Player::message_sign_begin,
      &Player::message_sign,
      &Player::message_begin,
      &Player::message_next,
      &Player::message_sign_final,
      &Player::verify_begin,
      &Player::verify,
      &Player::verify_update,
      &Player::digest,
      &Player::cancel,
      &Player::create_object,
      &Player::copy_object,
      &Player::destroy_object,
      &Player::get_attribute,
      &Player::set_attribute,
      &Player::search_begin,
      &Player::search_next,
      &Player::log_out,
      &Player::close_session,
      &Player::close_all_sessions,
      &Player::close_task,
      &Player::ask_slot,
      &Player::ask_session,
      &Player::call_what_is_not_offered,
      &Player::random,
      &Player::finalize,
      &Player::initialize_again,
  };
  (this->*input_.pick(kSteps))();
}

}  // namespace mayfly::test
