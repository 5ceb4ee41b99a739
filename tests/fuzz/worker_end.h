// What must hold of a worker when its only client has gone.
#pragma once

#include <array>

#include "compose/library.h"
#include "fuzz/await.h"
#include "fuzz/finding.h"
#include "fuzz/fuzzed_device.h"
#include "tools/broker/connection_set.h"

namespace mayfly::test {

/// Waits until the connection of a client that has hung up has ended.
inline void await_end(broker::ConnectionSet& connections) {
  std::array<pollfd, 1> entries{{{connections.finished(), POLLIN, 0}}};
  require(await(entries), "a connection ends when the client has hung up");
  connections.reap();
}

/// Checks the keys that are left, ends the task, and checks that none is.
inline void check_worker_end(const Library& library, const FuzzedDevice& device, Task& task) {
  Attributes private_keys;
  private_keys.set_number(CKA_CLASS, CKO_PRIVATE_KEY);
  // By whatever name.
  require(task.key_count() <= task.objects().find(private_keys).size(),
          "a client that has gone leaves only keys that live with the task");
  require(device.private_keys() == task.key_count(),
          "the device holds the task's keys, and no others");
  const auto report = library.tasks().end(task.slot(), TaskState::closed);
  require(report && report->pending == 0, "a task's end is confirmed by the device");
  require(device.keys() == 0, "no key is left on the device");
}

}  // namespace mayfly::test
