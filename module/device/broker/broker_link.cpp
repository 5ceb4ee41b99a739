#include "device/broker/broker_link.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <system_error>

#include "base/log.h"
#include "base/secret.h"
#include "device/broker/lane_descriptors.h"

namespace mayfly::agent {
namespace {

using std::chrono::milliseconds;
using wire::Kind;

// In which a device that is fast has signed.
constexpr std::chrono::microseconds kEager{100};

[[noreturn]] void fail(const std::string& doing) {
  throw Error(CKR_DEVICE_ERROR, doing + ": " + std::generic_category().message(errno));
}

/// Clients act on these: they come back with a larger buffer, or initialise.
bool is_for_this_side_to_say(CK_RV rv) noexcept {
  return rv == CKR_BUFFER_TOO_SMALL || rv == CKR_CRYPTOKI_NOT_INITIALIZED ||
         rv == CKR_CRYPTOKI_ALREADY_INITIALIZED;
}

/// A request on its way: whatever comes of it, no PIN stays in memory, and no long message.
class SentRequest {
 public:
  SentRequest(Bytes& request, bool secret) noexcept : request_(request), secret_(secret) {}
  ~SentRequest() {
    if (secret_) zeroise(request_);
    if (request_.capacity() > wire::kMaxPacket) Bytes().swap(request_);
  }
  SentRequest(const SentRequest&) = delete;
  SentRequest& operator=(const SentRequest&) = delete;

 private:
  Bytes& request_;
  const bool secret_;
};

bool takes_the_device_long(Kind kind) noexcept {
  switch (kind) {
    case Kind::close_session:
    case Kind::logout:
    case Kind::generate:
    case Kind::destroy_object:
    case Kind::attest:
    case Kind::close_child:
    case Kind::open_child:  // where somebody may be asked first
      return true;
    default:
      return false;
  }
}

}  // namespace

BrokerLink::Lane::Lane(Descriptor socket, const Patience& patience)
    : connection(std::move(socket), {patience.usual, patience.usual, kEager},
                 wire::most_of_answer) {
  note_lane(connection.descriptor());
}

BrokerLink::Lane::~Lane() { forget_lane(connection.descriptor()); }

BrokerLink::BrokerLink(std::string socket, Patience patience)
    : socket_(std::move(socket)), patience_(patience) {
  lanes_.reserve(kMostLanes);
  free_.reserve(kMostLanes);
  try {
    std::unique_ptr<Lane> first = connect(patience_.usual);
    Descriptor memory;
    try {
      hello_ = say_hello(*first, patience_.usual, {}, &memory);
    } catch (const Error& refusal) {  // its CK_RV is the worker's choice
      throw Error(CKR_DEVICE_ERROR, "the broker at " + socket_ + ": " + refusal.what());
    }
    page_ = std::make_unique<ChangePage>(memory);
    free_.push_back(first.get());
    lanes_.push_back(std::move(first));
  } catch (const wire::WireError& error) {
    throw Error(CKR_DEVICE_ERROR, "the broker at " + socket_ + ": " + error.what());
  }
}

BrokerLink::~BrokerLink() { shut(); }

std::unique_ptr<BrokerLink::Lane> BrokerLink::connect(milliseconds patience) const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path) {
    throw Error(CKR_ARGUMENTS_BAD, "the path of the broker's socket has not 1 to 107 bytes");
  }
  socket_.copy(address.sun_path, sizeof address.sun_path - 1);
  Descriptor socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) fail("a socket for the broker");
  wire::set_timeout(socket.number(), SO_SNDTIMEO, patience);  // connect(2) heeds it
  int result = 0;
  do {
    result =
        ::connect(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    fail("the broker at " + socket_ + " can't be reached; its task has ended, or is none");
  }
  return std::make_unique<Lane>(std::move(socket), patience_);
}

wire::HelloAnswer BrokerLink::say_hello(Lane& lane, milliseconds patience, ByteView join,
                                        Descriptor* page) {
  wire::Writer writer(lane.request);
  wire::HelloRequest{wire::kVersion, join}.write(writer);
  wire::Reader reader = exchange(lane, Kind::hello, patience, page);
  wire::HelloAnswer answer = wire::HelloAnswer::read(reader);
  reader.require_end();
  if (answer.version != wire::kVersion || answer.lane_key.size() != wire::kLaneKeySize) {
    wire::malformed("a HELLO of another version");
  }
  return answer;
}

wire::Reader BrokerLink::exchange(Lane& lane, Kind kind, int passed) {
  return exchange(lane, kind, takes_the_device_long(kind) ? patience_.device : patience_.usual,
                  nullptr, passed);
}

wire::Reader BrokerLink::exchange(Lane& lane, Kind kind, milliseconds patience,
                                  Descriptor* received, int passed) {
  const auto number = static_cast<std::uint8_t>(kind);
  if (lane.request.size() > wire::most_of_request(number)) {
    throw Error(CKR_ARGUMENTS_BAD,
                std::string(wire::name_of(kind)) + ": more than a broker takes in one request");
  }
  {
    const SentRequest sent(lane.request, kind == Kind::login || kind == Kind::open_child);
    lane.connection.send({number, ++lane.number, lane.request}, passed);
  }
  const wire::Message answer = lane.connection.receive(received, patience);
  if (answer.kind != number || answer.number != lane.number) {
    wire::malformed("an answer to something else");
  }
  wire::Reader reader(answer.body);
  const wire::AnswerHead head = wire::AnswerHead::read(reader);
  if (is_for_this_side_to_say(head.rv)) wire::malformed("a refusal that no worker has cause for");
  if (head.rv != CKR_OK) throw Error(head.rv, "the broker says: " + head.text);
  return reader;
}

Error BrokerLink::gone() {
  return Error(CKR_DEVICE_REMOVED, "the connection to the broker is gone, and the task with it");
}

BrokerLink::Lane& BrokerLink::take_lane() {
  const Clock::time_point deadline = Clock::now() + patience_.device;
  std::unique_lock lock(mutex_);
  while (true) {
    if (down_.load()) throw gone();
    if (!free_.empty()) {
      Lane& lane = *free_.back();
      free_.pop_back();
      return lane;
    }
    const Clock::time_point now = Clock::now();
    const bool is_room = lanes_.size() + opening_ < kMostLanes;
    if (is_room && now >= next_lane_) {
      ++opening_;
      lock.unlock();
      Lane* const lane = open_lane();
      if (lane != nullptr) return *lane;
      lock.lock();
    } else if (now >= deadline) {
      throw Error(CKR_FUNCTION_FAILED, "all connections to the broker are busy for too long");
    } else {
      lane_freed_.wait_until(lock, is_room ? std::min(deadline, next_lane_) : deadline);
    }
  }
}

/// Null if there is none to be had for a while: those that are there do.
BrokerLink::Lane* BrokerLink::open_lane() noexcept {
  std::unique_ptr<Lane> lane;
  try {
    lane = connect(patience_.extra_lane);
    static_cast<void>(say_hello(*lane, patience_.extra_lane, hello_.lane_key, nullptr));
  } catch (const std::exception& error) {
    log::warn("one more connection to the broker was not to be had", error);
    lane.reset();
  }
  const std::scoped_lock lock(mutex_);
  --opening_;
  if (lane == nullptr || down_.load()) {
    next_lane_ = Clock::now() + patience_.pause;
    return nullptr;
  }
  return lanes_.emplace_back(std::move(lane)).get();
}

void BrokerLink::give_back(Lane& lane) noexcept {
  {
    const std::scoped_lock lock(mutex_);
    free_.push_back(&lane);
  }
  lane_freed_.notify_one();
}

/// False if it was shut already.
bool BrokerLink::shut() noexcept {
  if (down_.exchange(true)) return false;
  {
    const std::scoped_lock lock(mutex_);
    // Whoever waits for an answer finds that the worker has hung up.
    for (const auto& lane : lanes_) shutdown(lane->connection.descriptor(), SHUT_RDWR);
  }
  lane_freed_.notify_all();
  return true;
}

Error BrokerLink::give_up(const std::string& why) {
  if (shut() && page_->ended() == 0) {  // else it hung up because the task has ended
    log::error("the broker at " + socket_ + " is given up, and the task with it: " + why);
  }
  return gone();
}

void BrokerLink::look_after() noexcept {
  if (down_.load()) return;
  char byte = 0;
  const ssize_t size =
      recv(lanes_.front()->connection.descriptor(), &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
  if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) {
    if (shut() && page_->ended() == 0) log::error("the broker hung up: the task is lost");
  }
}

}  // namespace mayfly::agent
