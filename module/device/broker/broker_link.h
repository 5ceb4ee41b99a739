// An agent's connection to the worker of its task.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "device/broker/change_page.h"
#include "wire/protocol.h"
#include "wire/seqpacket.h"

namespace mayfly::agent {

/// BrokerLink sends requests to a worker and takes its answers. A request has a lane, a connection
/// of its own, for as long as it takes; more lanes are opened when threads ask at the same time.
///
/// Nothing that comes from the worker is believed. When it hangs up, takes too long or talks
/// nonsense, all lanes are shut for good; that request and all later ones throw Error
/// CKR_DEVICE_REMOVED. No threads, no signals; a forked child has no connection.
class BrokerLink {
 public:
  static constexpr std::size_t kMostLanes = 8;

  struct Patience {
    std::chrono::milliseconds usual = std::chrono::seconds(60);
    /// For what has a device make or destroy keys, or attest one: others may come first.
    std::chrono::milliseconds device = std::chrono::minutes(10);
    /// For one more lane, to connect and for its HELLO each: the lanes that are there do as well.
    std::chrono::milliseconds extra_lane = std::chrono::seconds(1);
    /// How long to do with the lanes that are there when one more was not to be had.
    std::chrono::milliseconds pause = std::chrono::seconds(5);
  };

  /// Connects and says HELLO.
  /// @throws Error CKR_DEVICE_ERROR if there is no worker of this version.
  explicit BrokerLink(std::string socket, Patience patience);
  explicit BrokerLink(std::string socket) : BrokerLink(std::move(socket), Patience()) {}
  /// No request may be under way.
  ~BrokerLink();
  BrokerLink(const BrokerLink&) = delete;
  BrokerLink& operator=(const BrokerLink&) = delete;

  [[nodiscard]] const wire::HelloAnswer& hello() const noexcept { return hello_; }
  [[nodiscard]] const Patience& patience() const noexcept { return patience_; }
  [[nodiscard]] const ChangePage& page() const noexcept { return *page_; }
  [[nodiscard]] bool is_up() const noexcept { return !down_.load(); }

  /// Makes one request.
  /// @param passed  A descriptor that goes with the request; -1 for none.
  /// @param take  Gets the answer, which points into memory that is good until it returns. May
  ///              throw WireError for an answer that makes no sense.
  /// @return what `take` returns.
  /// @throws Error what the worker answered; CKR_ARGUMENTS_BAD for what is too long to be sent;
  ///         CKR_FUNCTION_FAILED if all lanes are busy; CKR_DEVICE_REMOVED when the link is down.
  template <typename Answer, typename Request, typename Take>
  auto call(wire::Kind kind, const Request& request, Take&& take, int passed = -1) {
    Turn turn(*this);
    Lane& lane = turn.lane();
    try {
      lane.request.clear();
      lane.request.reserve(kUsualRequest);
      wire::Writer writer(lane.request);
      request.write(writer);
      wire::Reader reader = exchange(lane, kind, passed);
      Answer answer = Answer::read(reader);
      reader.require_end();
      return std::forward<Take>(take)(answer);
    } catch (const Error&) {  // a refusal: the lane is as good as before
      throw;
    } catch (const wire::WireError& error) {
      throw give_up(error.what());
    } catch (...) {  // in the middle of a message
      static_cast<void>(give_up("out of memory"));
      throw;
    }
  }

  /// The same, of an answer that holds nothing.
  template <typename Request>
  void call(wire::Kind kind, const Request& request, int passed = -1) {
    call<wire::Nothing>(
        kind, request, [](const wire::Nothing&) {}, passed);
  }

  /// Shuts all lanes for good and logs why.
  /// @return what to throw: CKR_DEVICE_REMOVED.
  [[nodiscard]] Error give_up(const std::string& why);
  /// Gives up if the worker has hung up. Waits for nothing.
  void look_after() noexcept;
  /// Readable when look_after() has something to see.
  [[nodiscard]] int descriptor() const noexcept { return lanes_.front()->connection.descriptor(); }
  /// Shuts all lanes for good: the worker then destroys what belongs to this process's sessions.
  void close() noexcept { shut(); }

 private:
  /// Room for any PIN: one that had to move would leave a copy behind.
  static constexpr std::size_t kUsualRequest = kMaxPinSize + 1024;

  struct Lane {
    explicit Lane(Descriptor socket, const Patience& patience);
    ~Lane();
    Lane(const Lane&) = delete;
    Lane& operator=(const Lane&) = delete;

    wire::Seqpacket connection;
    Bytes request;
    std::uint32_t number = 0;
  };
  /// A lane for the length of one request.
  class Turn {
   public:
    explicit Turn(BrokerLink& link) : link_(link), lane_(link.take_lane()) {}
    ~Turn() { link_.give_back(lane_); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    [[nodiscard]] Lane& lane() noexcept { return lane_; }

   private:
    BrokerLink& link_;
    Lane& lane_;
  };

  using Clock = std::chrono::steady_clock;

  [[nodiscard]] std::unique_ptr<Lane> connect(std::chrono::milliseconds patience) const;
  [[nodiscard]] wire::HelloAnswer say_hello(Lane& lane, std::chrono::milliseconds patience,
                                            ByteView join, Descriptor* page);
  [[nodiscard]] wire::Reader exchange(Lane& lane, wire::Kind kind, int passed);
  [[nodiscard]] wire::Reader exchange(Lane& lane, wire::Kind kind,
                                      std::chrono::milliseconds patience, Descriptor* received,
                                      int passed = -1);
  [[nodiscard]] Lane& take_lane();
  [[nodiscard]] Lane* open_lane() noexcept;
  void give_back(Lane& lane) noexcept;
  bool shut() noexcept;
  [[nodiscard]] static Error gone();

  const std::string socket_;
  const Patience patience_;
  wire::HelloAnswer hello_;
  std::unique_ptr<ChangePage> page_;
  std::atomic<bool> down_{false};

  std::mutex mutex_;  // guards what follows
  std::condition_variable lane_freed_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // none goes before the link does
  std::vector<Lane*> free_;                   // the last one is taken first: it is the warmest
  std::size_t opening_ = 0;
  Clock::time_point next_lane_;  // when one more may be tried
};

}  // namespace mayfly::agent
