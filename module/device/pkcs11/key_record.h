// Where a key pair is on the device.
#pragma once

#include <atomic>
#include <list>
#include <memory>

#include "device/pkcs11/session_pool.h"

namespace mayfly::pkcs11 {

/// A key pair that the device holds, counted in DeviceSession::keys of its session.
struct KeyRecord {
  std::shared_ptr<const void> scope;  ///< lives as long as somebody has a key of it
  std::shared_ptr<DeviceSession> session;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  std::atomic<bool> destroyed{false};
};

/// Records travel in list nodes, so that handing one over can't fail for want of memory.
using KeyRecords = std::list<std::shared_ptr<KeyRecord>>;

}  // namespace mayfly::pkcs11
