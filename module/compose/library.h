// From a configuration to working objects: the only place that names concrete devices.
#pragma once

#include <memory>
#include <string>

#include "compose/registry_book.h"
#include "config/config.h"
#include "core/task_table.h"
#include "device/device.h"

namespace mayfly {

/// What a device is opened for.
enum class DeviceUse {
  tasks,    ///< keys
  reaping,  ///< Device::reap(), also where the configuration does not store keys any more
};

/// Opens the device that the configuration names and logs in to it.
/// @throws Error what the device says, a PIN source, or the registry.
[[nodiscard]] std::unique_ptr<Device> open_device(const Config& config,
                                                  DeviceUse use = DeviceUse::tasks);

/// Library models one working instance of mayfly: a device, and the tasks over it. Where the
/// configuration names a broker's socket, that is the broker's device and the one task behind it.
class Library {
 public:
  /// @throws Error as open_device() and task_policy(); CKR_DEVICE_ERROR if the broker can't be
  /// reached.
  /// @param policy  The name of the policy that confines its tasks, beside [policy]; empty for
  /// none.
  /// @param upkeep  Of the registry, if one is configured.
  explicit Library(Config config, const std::string& policy = {},
                   BookUpkeep upkeep = BookUpkeep::calls);

  /// With tasks that are recorded elsewhere.
  Library(Config config, std::shared_ptr<TaskBook> book);

  [[nodiscard]] const Config& config() const noexcept { return config_; }
  [[nodiscard]] Device& device() const noexcept { return *device_; }
  [[nodiscard]] TaskTable& tasks() const noexcept { return *tasks_; }
  /// Where its tasks are recorded; null without a registry.
  [[nodiscard]] const std::shared_ptr<RegistryBook>& book() const noexcept { return book_; }
  /// The most sessions that an application may have open.
  [[nodiscard]] std::size_t max_sessions() const noexcept { return config_.limits.max_sessions; }

  /// Ends all tasks and gives the device back. No call may be under way or follow. A Library that
  /// is dropped without it leaves the device alone: for a process that exits, or a forked child.
  EndReport close() noexcept;

 private:
  void open_tasks(const std::string& policy, std::shared_ptr<TaskBook> book);
  void join_broker();

  Config config_;
  std::unique_ptr<Device> device_;
  std::shared_ptr<RegistryBook> book_;
  std::unique_ptr<TaskTable> tasks_;
};

}  // namespace mayfly
