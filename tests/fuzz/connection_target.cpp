// Whatever an agent sends to its worker's socket. After it, the connection must have ended, and
// when the task has ended, the device must hold no key.
#include <signal.h>

#include "compose/library.h"
#include "fuzz/finding.h"
#include "fuzz/fuzzed_device.h"
#include "fuzz/input.h"
#include "fuzz/remote_client.h"
#include "fuzz/socket_pair.h"
#include "fuzz/worker_end.h"
#include "tools/broker/connection_set.h"
#include "tools/broker/p11kit_door.h"

namespace mayfly::test {
namespace {

using std::chrono::seconds;

/// A worker of a task, but for its process.
struct Worker {
  Worker() : library(Config::load(device.write_config(false))) { signal(SIGPIPE, SIG_IGN); }

  const FuzzedDevice device;
  Library library;
  broker::P11kitDoor door{library.tasks(), 16};
  broker::ConnectionSet connections{{.connections = 4}};
};

/// The first byte says whether the rest is a stream as it is, or messages with two bytes of length
/// before each.
void play(RemoteClient& client, Input& input) {
  if (input.byte() == 0) {
    client.send_raw(input.rest());
    return;
  }
  bool open = client.greet();
  while (open && !input.empty()) open = client.call(input.piece(input.number(2)));
}

void serve(Worker& worker, Input& input) {
  const auto task = worker.library.tasks().open({"fuzzed", seconds(3600)});
  {
    auto [ours, theirs] = socket_pair(SOCK_STREAM);
    worker.connections.serve(std::move(theirs), worker.door);
    RemoteClient client(ours.number(), worker.connections.finished());
    play(client, input);
  }
  await_end(worker.connections);
  check_worker_end(worker.library, worker.device, *task);
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly;
  static test::Worker worker;
  test::Input input(data, size);
  test::serve(worker, input);
  return 0;
}
