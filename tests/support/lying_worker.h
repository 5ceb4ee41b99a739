// A worker that says whatever a test wants.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "base/descriptor.h"
#include "support/temp_folder.h"
#include "wire/protocol.h"
#include "wire/seqpacket.h"

namespace mayfly::test {

/// A change page as a test wants it.
struct PageShape {
  std::size_t size = wire::kChangePageSize;
  unsigned seals = wire::kChangePageSeals;
  std::uint32_t ended = 0;  ///< ChangePageLayout::ended
};
[[nodiscard]] Descriptor make_change_page(const PageShape& shape = {});

/// A packet: the header of an answer, CKR_OK if `rv` is left out, and the body that `write` makes.
[[nodiscard]] Bytes answer_packet(const wire::Message& request, CK_RV rv = CKR_OK,
                                  const std::function<void(wire::Writer&)>& write = {});

/// LyingWorker serves the socket of a task that is none, each connection on a thread of its own. A
/// HELLO is answered as it should be, unless the test says otherwise.
class LyingWorker {
 public:
  /// Answers one request. False hangs up.
  using Script = std::function<bool(int socket, const wire::Message& request)>;

  /// @param script  Gets all but the first HELLO of a connection.
  explicit LyingWorker(Script script);
  /// @param hello  Gets the HELLOs.
  LyingWorker(Script script, Script hello);
  ~LyingWorker();
  LyingWorker(const LyingWorker&) = delete;
  LyingWorker& operator=(const LyingWorker&) = delete;

  [[nodiscard]] std::string socket() const { return (folder_.path() / "door").string(); }
  /// Connections that came so far.
  [[nodiscard]] std::size_t connections() const noexcept { return count_.load(); }

  /// What a truthful worker says.
  static bool say_hello(int socket, const wire::Message& request, Descriptor page,
                        const wire::HelloAnswer& answer = true_hello());
  [[nodiscard]] static wire::HelloAnswer true_hello();

 private:
  void accept_all();
  void serve(int socket);

  TempFolder folder_;
  const Script script_;
  const Script hello_;
  Descriptor listening_;
  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;  // guards sockets_ and threads_
  std::list<Descriptor> sockets_;
  std::list<std::thread> threads_;
  std::thread accepting_;
};

/// Sends one packet as it is.
bool send_raw(int socket, ByteView packet, int passed = -1);

}  // namespace mayfly::test
