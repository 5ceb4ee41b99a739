// A task that lives in this process.
#pragma once

#include "core/task_keeper.h"

namespace mayfly {

/// LocalKeeper has objects checked by the rules of core, and kept in the task and its tokens.
class LocalKeeper final : public TaskKeeper {
 public:
  TaskStatus status(Task& task) override;

  [[nodiscard]] std::unique_lock<std::mutex> session_turn() override { return {}; }
  void open_session(Task&, SessionHandle, bool) override {}
  EndReport close_session(Task&, SessionHandle) noexcept override { return {}; }
  void login(Task& task, SessionHandle session, ByteView pin) override;
  void logout(Task&, SessionHandle) override {}

  void refresh(Task&) override {}
  ObjectHandle create(Session& session, const Attributes& wanted) override;
  ObjectHandle copy(Session& session, const Object& original, const Attributes& changes) override;
  KeyPairHandles generate(Session& session, CK_MECHANISM_TYPE mechanism,
                          const Attributes& public_wanted,
                          const Attributes& private_wanted) override;
  void change(Session& session, Object& object, const Attributes& changes) override;
  void destroy(Session& session, const std::shared_ptr<Object>& object) override;
  [[nodiscard]] TaskState cause_of_loss() noexcept override { return TaskState::lost; }
  std::size_t sign(SessionKey::Use& key, const SignRequest& request, ByteSpan out) override;
  std::string attest(Task& task, const Object& key, ByteView nonce) override;
};

}  // namespace mayfly
