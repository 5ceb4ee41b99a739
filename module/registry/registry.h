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
  bool given_up = false;  ///< its process could not destroy it and does not try any more

  bool operator==(const StoredKeyRecord&) const = default;
};

/// Registry is shared by all processes of one machine that run with one configuration. Safe to use
/// from several threads and processes. A child that is forked while another thread uses it may find
/// it locked for good, which is an Error there.
class Registry {
 public:
  virtual ~Registry() = default;
  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// 12 hexadecimal digits of this registry on this machine: of a number in it and machine-id(5). A
  /// machine that is cloned while it has a registry must get a new ID, or a new registry.
  [[nodiscard]] virtual const std::string& host() const noexcept = 0;

  /// Records a key. The record survives a crash of the machine when this returns.
  /// @throws Error CKR_FUNCTION_FAILED "FILE: what is wrong; how to mend it".
  virtual void add_stored_key(const StoredKeyRecord& record) = 0;

  /// Removes a record, if there is one. @throws Error as add_stored_key().
  virtual void remove_stored_key(ByteView id) = 0;

  /// Marks a record as given up, if there is one. @throws Error as add_stored_key().
  virtual void give_up_stored_key(ByteView id) = 0;

  /// The records of one device, oldest first. @throws Error as add_stored_key().
  [[nodiscard]] virtual std::vector<StoredKeyRecord> stored_keys(const std::string& device) = 0;
};

}  // namespace mayfly
