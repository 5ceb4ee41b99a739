// A task that another process holds.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "core/change_log.h"
#include "core/object_mirror.h"
#include "core/task_host.h"
#include "core/task_keeper.h"

namespace mayfly {

/// HostedKeeper asks the task's host and mirrors what it answers: sessions and handles are of this
/// process, the host's are behind them. It serves one application, since it is one for the host.
///
/// Nothing is judged twice: what a client may do is for the host to say. When the host says that
/// the task has ended, or is given up, the task ends here as well.
class HostedKeeper final : public TaskKeeper {
 public:
  explicit HostedKeeper(std::shared_ptr<TaskHost> host) : host_(std::move(host)) {}

  TaskStatus status(Task& task) override;

  [[nodiscard]] std::unique_lock<std::mutex> session_turn() override {
    return std::unique_lock(session_turn_);
  }
  void open_session(Task& task, SessionHandle session, bool read_write) override;
  EndReport close_session(Task& task, SessionHandle session) noexcept override;
  void login(Task& task, SessionHandle session, ByteView pin) override;
  void logout(Task& task, SessionHandle session) override;

  void refresh(Task& task) override;
  ObjectHandle create(Session& session, const Attributes& wanted) override;
  ObjectHandle copy(Session& session, const Object& original, const Attributes& changes) override;
  KeyPairHandles generate(Session& session, CK_MECHANISM_TYPE mechanism,
                          const Attributes& public_wanted,
                          const Attributes& private_wanted) override;
  void change(Session& session, Object& object, const Attributes& changes) override;
  void destroy(Session& session, const std::shared_ptr<Object>& object) override;
  [[nodiscard]] TaskState cause_of_loss() noexcept override;
  std::size_t sign(SessionKey::Use& key, const SignRequest& request, ByteSpan out) override;
  std::string attest(Task& task, const Object& key, ByteView nonce) override;

 private:
  template <typename Call>
  decltype(auto) ask(Task& task, Call&& call);
  [[nodiscard]] TaskHost::SessionNumber number_of(SessionHandle session) const;
  ObjectHandle enter(Session& session, const HostedObject& made, const ChangeLog::Position& before);
  void take_back(Session& session, const HostedObject& made) noexcept;
  ObjectHandle keep(Session& session, const HostedObject& made, const ChangeLog::Position& before);
  void take_changes(Task& task);
  void start_over();
  [[nodiscard]] ChangeLog::Position told();
  void hear_again(const ChangeLog::Position& before) noexcept;

  const std::shared_ptr<TaskHost> host_;
  std::mutex session_turn_;
  ObjectMirror mirror_;

  // What TaskHost::change_count() was before the mirror was last refreshed, unless it is stale.
  std::atomic<std::uint64_t> seen_{0};
  std::atomic<bool> stale_{true};
  std::mutex refresh_turn_;  // guards what follows; held while the host tells of changes
  ChangeLog::Position told_;

  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<CK_ULONG, TaskHost::SessionNumber> sessions_;
};

}  // namespace mayfly
