// What outlives a process: the keys that it may have left on a device.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"

namespace mayfly {

/// A key pair that a device stores, or may store: recorded before it is made, removed when it is
/// known to be gone.
struct StoredKeyRecord {
  Bytes id;
  std::string label;
  std::string device;
  std::string task_id;

  bool operator==(const StoredKeyRecord&) const = default;
};

/// Registry is shared by all processes of one machine that run with one configuration. Safe to use
/// from several threads and processes, and after a fork.
class Registry {
 public:
  virtual ~Registry() = default;
  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// 12 hexadecimal digits of this registry on this machine. A copy of it on another machine has
  /// others, and so has a new one on the same machine.
  [[nodiscard]] virtual const std::string& host() const noexcept = 0;

  /// Records a key. The record survives a crash of the machine when this returns.
  /// @throws Error CKR_FUNCTION_FAILED "FILE: what is wrong; how to mend it".
  virtual void add_stored_key(const StoredKeyRecord& record) = 0;

  /// Removes a record, if there is one. @throws Error as add_stored_key().
  virtual void remove_stored_key(ByteView id) = 0;

  /// The records of one device, oldest first. @throws Error as add_stored_key().
  [[nodiscard]] virtual std::vector<StoredKeyRecord> stored_keys(const std::string& device) = 0;
};

}  // namespace mayfly
