#include "tools/broker/agent_door.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <optional>
#include <system_error>

#include "api/call.h"
#include "base/error.h"
#include "tools/broker/agent_calls.h"

namespace mayfly::broker {
namespace {

using wire::Kind;
using wire::WireError;

// For the rest of a request that came in pieces, and for a client to make room for an answer.
constexpr std::chrono::seconds kPatience{10};
// At least three messages of the greatest length at once.
constexpr std::size_t kLongRequests = 4 * kMaxSignedMessage;
constexpr std::size_t kUsualAnswer = std::size_t{8} * 1024;

Descriptor duplicate(int socket) {
  Descriptor copy(fcntl(socket, F_DUPFD_CLOEXEC, 0));
  if (!copy) throw std::system_error(errno, std::generic_category(), "F_DUPFD_CLOEXEC");
  return copy;
}

std::vector<KeySpec> specs_of(const Offer& offer) {
  std::vector<KeySpec> result;
  for (const KeySpec& spec : known_key_specs()) {
    if (offer.includes(spec)) result.push_back(spec);
  }
  return result;
}

std::vector<CK_MECHANISM_TYPE> signing_mechanisms_of(const Offer& offer) {
  std::vector<CK_MECHANISM_TYPE> result;
  for (const Mechanism& row : known_mechanisms()) {
    if (row.use == MechanismUse::sign && offer.includes(row)) result.push_back(row.type);
  }
  return result;
}

std::vector<wire::SignInputRow> sign_inputs_of(const Device& device) {
  std::vector<wire::SignInputRow> rows;
  for (const Scheme scheme : {Scheme::ecdsa, Scheme::eddsa, Scheme::rsa_pkcs1, Scheme::rsa_pss}) {
    for (const Hash hash : {Hash::none, Hash::sha224, Hash::sha256, Hash::sha384, Hash::sha512}) {
      const SignInput input = device.sign_input(scheme, hash);
      if (input != SignInput::unsupported) {
        rows.push_back({scheme, hash, input == SignInput::message});
      }
    }
  }
  return rows;
}

}  // namespace

/// Conversation models one lane, from HELLO to its end.
class AgentDoor::Conversation {
 public:
  Conversation(AgentDoor& door, int socket, pid_t process)
      : door_(door),
        socket_(socket),
        process_(process),
        lane_(duplicate(socket), {std::nullopt, kPatience, kEagerForRequest},
              wire::most_of_first_request, &door.long_requests_) {}

  /// @throws WireError when it is over.
  void run() {
    greet();
    lane_.set_limits(door_.takes_messages_ ? wire::most_of_request : wire::most_of_digest_request);
    while (true) {
      Descriptor passed;
      const wire::Message request = lane_.receive(&passed);
      answer_agent(presence_->application(), static_cast<Kind>(request.kind), request.body,
                   std::move(passed), answer_);
      send(request);
    }
  }

 private:
  void greet() {
    const wire::Message request = lane_.receive();
    if (static_cast<Kind>(request.kind) != Kind::hello) wire::malformed("no HELLO came first");
    wire::Reader in(request.body);
    const auto hello = wire::HelloRequest::read(in);
    in.require_end();
    try {
      enter(hello);
    } catch (const Error& error) {
      api::log_refusal(wire::name_of(Kind::hello), error);
      write(wire::AnswerHead{error.rv(), error.what()});
      send(request);
      throw WireError(WireError::Cause::hung_up, error.what());
    }
    const wire::HelloAnswer answer = door_.describe(presence_->application());
    answer_.clear();
    wire::Writer out(answer_);
    wire::AnswerHead{}.write(out);
    answer.write(out);
    send(request, hello.join.empty() ? door_.page_->descriptor() : -1);
  }

  void enter(const wire::HelloRequest& hello) {
    if (hello.version != wire::kVersion) {
      throw Error(CKR_FUNCTION_NOT_SUPPORTED,
                  "this worker speaks version " + std::to_string(wire::kVersion) +
                      " of its protocol, the client version " + std::to_string(hello.version));
    }
    const bool first = hello.join.empty();
    presence_.emplace(first ? door_.make(process_) : door_.find(hello.join, process_), socket_,
                      first);
  }

  void write(const wire::AnswerHead& head) {
    answer_.clear();
    wire::Writer out(answer_);
    head.write(out);
  }

  void send(const wire::Message& request, int passed = -1) {
    const wire::Message answer{request.kind, request.number, answer_};
    lane_.drop();  // before the client takes its time to read
    lane_.send(answer, passed);
    if (answer_.capacity() > kUsualAnswer) Bytes().swap(answer_);
  }

  AgentDoor& door_;
  const int socket_;
  const pid_t process_;
  wire::Seqpacket lane_;
  std::optional<AgentApplication::Lane> presence_;
  Bytes answer_;
};

AgentDoor::AgentDoor(TaskTable& tasks, std::shared_ptr<Task> task, std::size_t sessions,
                     ChildTasks& children)
    : tasks_(tasks),
      task_(std::move(task)),
      sessions_(sessions),
      children_(children),
      takes_messages_(
          std::ranges::any_of(sign_inputs_of(task_->device()),
                              [](const wire::SignInputRow& row) { return row.message; })),
      page_(std::make_shared<ChangeNotice>()),
      long_requests_(kLongRequests) {
  task_->objects().keep_changes([page = page_](ChangeLog::Moment now) { page->tell_changes(now); });
  task_->add_observer(page_);
}

std::string AgentDoor::serve(int socket, const ucred& peer) {
  try {
    Conversation(*this, socket, peer.pid).run();
  } catch (const WireError& problem) {
    if (problem.cause() != WireError::Cause::hung_up) return problem.what();
  }
  return {};
}

std::shared_ptr<AgentApplication> AgentDoor::make(pid_t process) {
  auto agent = std::make_shared<AgentApplication>(tasks_, task_, sessions_, process, children_);
  const std::scoped_lock lock(mutex_);
  std::erase_if(agents_, [](const auto& known) { return known.expired(); });
  agents_.push_back(agent);
  return agent;
}

std::shared_ptr<AgentApplication> AgentDoor::find(ByteView lane_key, pid_t process) {
  const std::scoped_lock lock(mutex_);
  for (const auto& known : agents_) {
    const auto agent = known.lock();
    if (agent != nullptr && agent->may_join(lane_key, process)) return agent;
  }
  throw Error(CKR_FUNCTION_REJECTED,
              "no application of process " + std::to_string(process) + " has that lane key");
}

wire::HelloAnswer AgentDoor::describe(const AgentApplication& agent) const {
  const Device& device = task_->device();
  const DeviceInfo& info = device.info();
  wire::HelloAnswer answer;
  answer.lane_key = to_bytes(agent.lane_key());
  answer.task_id = task_->id();
  answer.serial = task_->serial();
  answer.deadline = static_cast<std::uint64_t>(task_->deadline().time_since_epoch().count());
  answer.login_required = task_->login_required();
  answer.manufacturer = info.manufacturer;
  answer.model = info.model;
  answer.device_serial = info.serial;
  answer.firmware = info.firmware;
  answer.hardware = info.hardware;
  answer.key_specs = specs_of(task_->offer());
  answer.sign_inputs = sign_inputs_of(device);
  answer.mechanisms = signing_mechanisms_of(task_->offer());
  answer.max_sessions = sessions_;
  answer.attests = device.attests();
  return answer;
}

}  // namespace mayfly::broker
