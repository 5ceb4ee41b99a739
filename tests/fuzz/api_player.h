// A hostile client: each step is one call that the input decides, judged by the model.
#pragma once

#include <vector>

#include "fuzz/api_model.h"
#include "fuzz/finding.h"
#include "fuzz/input.h"

namespace mayfly::test {

/// The answers that a call may give. Where several things are wrong, each of their answers is
/// right; where nothing is, only CKR_OK.
class Answers {
 public:
  explicit Answers(const char* call) noexcept : call_(call) {}

  /// Something that the standard looks at before all else: nothing else may be answered then.
  Answers& first(bool wrong, CK_RV rv) {
    if (wrong && only_ == CKR_OK) only_ = rv;
    return *this;
  }
  Answers& fault(bool wrong, CK_RV rv) {
    if (wrong) faults_.push_back(rv);
    return *this;
  }

  /// @return whether the call was done.
  bool judge(CK_RV rv) const;

 private:
  const char* call_;
  CK_RV only_ = CKR_OK;
  std::vector<CK_RV> faults_;
};

/// Player plays an input against the module. The module must be initialised, without tasks.
class Player {
 public:
  Player(Input& input, ApiModel& model) noexcept : input_(input), model_(model) {}

  /// One call. The first byte says which.
  void step();

  /// Starts the module anew, as the input may have finalised it.
  CK_RV (*initialize)() = nullptr;

 private:
  struct SessionChoice {
    CK_SESSION_HANDLE handle;
    SessionModel* session;  ///< null if the handle is none of an open session
  };
  struct ObjectChoice {
    CK_OBJECT_HANDLE handle;
    ObjectModel* object;
  };
  struct MechanismChoice {
    CK_MECHANISM mechanism;
    bool is_null;
  };
  struct Signature {
    KeyModel* key;
    CK_MECHANISM_TYPE mechanism;
    Bytes data;
    Bytes value;
  };
  /// Where a signature goes, in memory of exactly that size.
  struct Place;

  // api_player.cpp
  SessionChoice choose_session();
  ObjectChoice choose_object(const SessionModel* session);
  CK_SLOT_ID choose_slot();
  MechanismChoice choose_mechanism();
  Answers& judge_session(Answers& answers, const SessionChoice& choice) const;

  // api_library_steps.cpp
  void open_task();
  void close_task();
  void finalize();
  void initialize_again();
  void ask_slot();
  void open_session();
  void close_session();
  void close_all_sessions();
  void ask_session();
  void log_in();
  void log_out();

  // api_object_steps.cpp
  void generate();
  void add_pair(SessionModel& session, bool token, CK_OBJECT_HANDLE public_handle,
                CK_OBJECT_HANDLE private_handle);
  void create_object();
  void copy_object();
  void destroy_object();
  void get_attribute();
  void set_attribute();
  void search_begin();
  void search_next();
  void check_found(const SessionModel& session, const std::vector<CK_OBJECT_HANDLE>& found);

  // api_sign_steps.cpp
  void sign_begin();
  void sign();
  void sign_update();
  void sign_final();
  void message_sign_begin();
  void message_sign();
  void message_begin();
  void message_next();
  void message_sign_final();
  OperationModel judge_begin(Answers& answers, const SessionChoice& at, const ObjectChoice& key,
                             const MechanismChoice& choice, CK_OBJECT_CLASS wanted) const;
  void judge_operation(Answers& answers, const OperationModel& operation) const;
  void check_signature(const OperationModel& operation, const Place& place);

  // api_check_steps.cpp
  void verify_begin();
  void verify();
  void verify_update();
  void digest();
  void cancel();
  void call_what_is_not_offered();
  void random();

  Input& input_;
  ApiModel& model_;
  std::vector<Signature> signatures_;
};

}  // namespace mayfly::test
