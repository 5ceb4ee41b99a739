// A task that another process holds, as core meets it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "core/attributes.h"
#include "core/change_log.h"
#include "core/task.h"
#include "device/device.h"

namespace mayfly {

/// An object of a task, as its host tells of it.
struct HostedObject {
  std::uint64_t handle = 0;  ///< names it in calls to the host
  std::uint64_t number = 0;  ///< names a token object for as long as it is there; else 0
  Attributes attributes;
};

/// TaskHost models the process that holds a task. It decides; what it refuses comes as an Error
/// with the CK_RV that the client gets. Nothing that it says is believed further than that.
///
/// Each call has an end: when the host can't be reached, takes too long or talks nonsense, it is
/// given up for good, and that call and all later ones throw Error CKR_DEVICE_REMOVED. Functions
/// may be called from any thread.
class TaskHost {
 public:
  virtual ~TaskHost() = default;
  TaskHost() = default;
  TaskHost(const TaskHost&) = delete;
  TaskHost& operator=(const TaskHost&) = delete;

  /// A number of the host's for a session.
  using SessionNumber = std::uint64_t;

  [[nodiscard]] virtual SessionNumber open_session(bool read_write) = 0;
  virtual void close_session(SessionNumber session) = 0;
  virtual void login(SessionNumber session, ByteView pin) = 0;
  virtual void logout(SessionNumber session) = 0;

  struct KeyPair {
    HostedObject public_key;
    HostedObject private_key;
  };
  [[nodiscard]] virtual KeyPair generate(SessionNumber session, CK_MECHANISM_TYPE mechanism,
                                         const Attributes& public_wanted,
                                         const Attributes& private_wanted) = 0;
  [[nodiscard]] virtual HostedObject create(SessionNumber session, const Attributes& wanted) = 0;
  [[nodiscard]] virtual HostedObject copy(SessionNumber session, std::uint64_t original,
                                          const Attributes& changes) = 0;
  /// @return the object as it is then.
  [[nodiscard]] virtual HostedObject change(SessionNumber session, std::uint64_t object,
                                            const Attributes& changes) = 0;
  virtual void destroy(SessionNumber session, std::uint64_t object) = 0;

  /// What signs with a private key of the host's. Its destroy() does nothing: the host destroys
  /// keys.
  /// @param half  The public half, as the object tells.
  [[nodiscard]] virtual std::unique_ptr<DeviceKey> key(std::uint64_t object, PublicKey half) = 0;

  /// Evidence by the device of a private key.
  [[nodiscard]] virtual std::string attest(std::uint64_t object, ByteView nonce) = 0;

  [[nodiscard]] virtual TaskStatus status() = 0;

  /// A number that is another one whenever token objects of the task came, changed or went. Costs
  /// next to nothing.
  [[nodiscard]] virtual std::uint64_t change_count() const noexcept = 0;
  struct Changes {
    ChangeLog::Position now;  ///< what to ask with next time
    bool from_start = false;  ///< what is not told of from here on is gone
    bool more = false;        ///< ask again at once
    std::vector<HostedObject> changed;
    std::vector<std::uint64_t> removed;  ///< their HostedObject::number
  };
  /// Which token objects came, changed or went since the host told last.
  /// @param told  How far: nothing yet, or Changes::now.
  [[nodiscard]] virtual Changes changes_since(const ChangeLog::Position& told) = 0;

  /// How long all of its changes may take to be told.
  [[nodiscard]] virtual std::chrono::milliseconds patience() const noexcept = 0;

  /// How the task ended, if the host says that it did or was given up. Costs next to nothing.
  [[nodiscard]] virtual std::optional<TaskState> end() const noexcept = 0;
  /// Gives the host up if it has hung up. Costs a system call and waits for nothing.
  virtual void look_after() noexcept = 0;
  /// Gives the host up: what it said makes no sense.
  /// @return what to throw: CKR_DEVICE_REMOVED.
  [[nodiscard]] virtual Error give_up(const std::string& why) = 0;
};

}  // namespace mayfly
