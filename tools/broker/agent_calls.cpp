#include "tools/broker/agent_calls.h"

#include <array>
#include <deque>

#include "api/call.h"
#include "base/error.h"
#include "base/secret.h"
#include "core/signing.h"
#include "core/task_keeper.h"
#include "wire/wire_error.h"

namespace mayfly::broker {
namespace {

using wire::Kind;
using wire::Reader;
using wire::Writer;

// After which an answer with changes is cut. One more object has its place in what is allowed.
constexpr std::size_t kMostChanges = std::size_t{256} * 1024;

/// The template of a request, under the rules for those of C functions.
Attributes to_attributes(const wire::AttributeList& list) {
  std::vector<CK_ATTRIBUTE> attributes;
  attributes.reserve(list.size());
  for (const wire::Attribute& entry : list) {
    // Not written to: the type is C's.
    attributes.push_back(
        {entry.type, const_cast<std::uint8_t*>(entry.value.data()), entry.value.size()});
  }
  return api::read_template(attributes.data(), attributes.size());
}

/// Records makes records of objects and keeps what they point to.
class Records {
 public:
  explicit Records(Token& token) : token_(token) {}

  wire::ObjectRecord of(ObjectHandle handle, const Object& object) {
    const Attributes& attributes = kept_.emplace_back(object.attributes());
    wire::ObjectRecord record;
    record.handle = handle.value;
    if (object.is_token_object()) {
      record.number = token_.task().objects().number_of(object).value_or(0);
    }
    record.attributes.reserve(attributes.size());
    for (const auto entry : attributes) record.attributes.push_back({entry.type, entry.value});
    return record;
  }
  wire::ObjectRecord of(ObjectHandle handle) { return of(handle, *token_.object(handle)); }

 private:
  Token& token_;
  std::deque<Attributes> kept_;
};

std::shared_ptr<Session> session_of(AgentApplication& agent, std::uint64_t handle) {
  return agent.application().session(SessionHandle{handle});
}

void write_ok(Writer& out) { wire::AnswerHead{}.write(out); }

template <typename Answer>
void write_answer(Writer& out, const Answer& answer) {
  write_ok(out);
  answer.write(out);
}

// One function for each kind --------------------------------------------------------------------

void open_session(AgentApplication& agent, const wire::OpenSessionRequest& request, Writer& out) {
  const SlotId slot = agent.token().task().slot();
  write_answer(out,
               wire::SessionName{agent.application().open_session(slot, request.read_write).value});
}

void close_session(AgentApplication& agent, const wire::SessionName& request, Writer& out) {
  agent.application().close_session(SessionHandle{request.session});
  write_ok(out);
}

void login(AgentApplication& agent, const wire::LoginRequest& request, Writer& out) {
  session_of(agent, request.session)->login(request.pin);
  write_ok(out);
}

void logout(AgentApplication& agent, const wire::SessionName& request, Writer& out) {
  session_of(agent, request.session)->logout();
  write_ok(out);
}

void generate(AgentApplication& agent, const wire::GenerateRequest& request, Writer& out) {
  const auto keys =
      session_of(agent, request.session)
          ->generate_key_pair(request.mechanism, to_attributes(request.public_template),
                              to_attributes(request.private_template));
  Records records(agent.token());
  write_answer(out,
               wire::GenerateAnswer{records.of(keys.public_key), records.of(keys.private_key)});
}

void create_object(AgentApplication& agent, const wire::CreateObjectRequest& request, Writer& out) {
  const auto session = session_of(agent, request.session);
  const ObjectHandle made = session->create_object(to_attributes(request.attributes));
  write_answer(out, Records(agent.token()).of(made));
}

void copy_object(AgentApplication& agent, const wire::ChangeObjectRequest& request, Writer& out) {
  const auto session = session_of(agent, request.session);
  const ObjectHandle made =
      session->copy_object(ObjectHandle{request.object}, to_attributes(request.changes));
  write_answer(out, Records(agent.token()).of(made));
}

void set_attributes(AgentApplication& agent, const wire::ChangeObjectRequest& request,
                    Writer& out) {
  const auto session = session_of(agent, request.session);
  const ObjectHandle object{request.object};
  session->set_attributes(object, to_attributes(request.changes));
  write_answer(out, Records(agent.token()).of(object));
}

void destroy_object(AgentApplication& agent, const wire::DestroyObjectRequest& request,
                    Writer& out) {
  session_of(agent, request.session)->destroy_object(ObjectHandle{request.object});
  write_ok(out);
}

void changes(AgentApplication& agent, const wire::ChangesRequest& request, Writer& out) {
  Token& token = agent.token();
  token.check_alive();
  const ObjectStore::Changes found =
      token.changes_since({request.since, request.gone_since}, kMostChanges);
  wire::ChangesAnswer answer;
  answer.now = found.now.changed;
  answer.gone_now = found.now.gone;
  answer.from_start = found.from_start;
  answer.more = found.more;
  Records records(token);
  for (const auto& [number, object] : found.changed) {
    answer.changed.push_back(records.of(token.handle_of(object), *object));
    answer.changed.back().number = number;  // also of one that has just gone
  }
  answer.removed = found.gone;
  write_answer(out, answer);
}

void sign(AgentApplication& agent, const wire::SignRequest& request, Writer& out) {
  MechanismChoice choice{request.mechanism, std::nullopt};
  if (request.pss) choice.pss = {request.pss->hash, request.pss->mgf, request.pss->salt_size};
  std::array<std::uint8_t, kMaxSignatureSize> signature;
  const std::size_t size =
      sign_prepared(agent.token(), choice, ObjectHandle{request.key}, request.input, signature);
  write_answer(out, wire::Signature{ByteView(signature).first(size)});
}

void task_info(AgentApplication& agent, const wire::Nothing&, Writer& out) {
  Task& task = agent.token().task();
  const TaskStatus status = task.keeper().status(task);
  write_answer(out, wire::TaskInfoAnswer{
                        static_cast<std::uint64_t>(status.state), status.keys, status.login_flags,
                        static_cast<std::uint64_t>(status.deadline.time_since_epoch().count())});
}

void attest(AgentApplication& agent, const wire::AttestRequest& request, Writer& out) {
  const SlotId slot = agent.token().task().slot();
  const std::string evidence =
      agent.application().attest(slot, ObjectHandle{request.key}, request.nonce);
  write_answer(out, wire::Evidence{as_bytes(evidence)});
}

void open_child(AgentApplication& agent, const wire::OpenChildRequest& request, Writer& out) {
  TaskRequest task{std::string(as_text(request.task_id)), requested_ttl(request.ttl_seconds)};
  if (!request.policy.empty()) {
    const TaskLimits& limits = agent.application().tasks().limits();
    task.policy = limits.named_policy(std::string(as_text(request.policy)));
  }
  if (!request.grant.empty()) task.grant = std::make_shared<const SecretBuffer>(request.grant);
  const auto [child, opened] = agent.open_child(task);
  wire::AnswerHead{}.write(out);
  wire::OpenChildAnswer{child, opened->serial(),
                        static_cast<std::uint64_t>(opened->deadline().time_since_epoch().count())}
      .write(out);
}

template <typename Request>
void call(void (*function)(AgentApplication&, const Request&, Writer&), AgentApplication& agent,
          Reader& in, Writer& out) {
  const Request request = Request::read(in);
  in.require_end();
  agent.application().tasks().end_due(BootClock::now());
  function(agent, request, out);
}

void close_child(AgentApplication& agent, const wire::ChildName& request, Writer& out) {
  const EndReport report = agent.close_child(request.child);
  // It may have ended before: what the device owes by then is not told apart.
  const std::size_t owed = agent.application().tasks().device().retry_pending();
  wire::AnswerHead{}.write(out);
  wire::ChildEnd{std::max(report.pending, owed)}.write(out);
}

void add_door(AgentApplication& agent, Reader& in, Descriptor passed, Writer& out) {
  const auto request = wire::AddDoorRequest::read(in);
  in.require_end();
  agent.add_door(request.child, request.for_p11kit, std::move(passed));
  wire::AnswerHead{}.write(out);
}

void dispatch(AgentApplication& agent, Kind kind, Reader& in, Descriptor passed, Writer& out) {
  switch (kind) {
    case Kind::open_child:
      return call(open_child, agent, in, out);
    case Kind::close_child:
      return call(close_child, agent, in, out);
    case Kind::add_door:
      return add_door(agent, in, std::move(passed), out);
    case Kind::open_session:
      return call(open_session, agent, in, out);
    case Kind::close_session:
      return call(close_session, agent, in, out);
    case Kind::login:
      return call(login, agent, in, out);
    case Kind::logout:
      return call(logout, agent, in, out);
    case Kind::generate:
      return call(generate, agent, in, out);
    case Kind::create_object:
      return call(create_object, agent, in, out);
    case Kind::copy_object:
      return call(copy_object, agent, in, out);
    case Kind::set_attributes:
      return call(set_attributes, agent, in, out);
    case Kind::destroy_object:
      return call(destroy_object, agent, in, out);
    case Kind::changes:
      return call(changes, agent, in, out);
    case Kind::sign:
      return call(sign, agent, in, out);
    case Kind::task_info:
      return call(task_info, agent, in, out);
    case Kind::attest:
      return call(attest, agent, in, out);
    case Kind::hello:
      break;
  }
  wire::malformed(std::string("a second ") + wire::name_of(kind));
}

/// What a client is told: of a grant that is refused, nothing but that it is.
std::string told_of(const Error& error) {
  switch (error.rv()) {
    case CKR_PIN_INCORRECT:
      return "the PIN is wrong, or the grant does not hold";
    case CKR_PIN_EXPIRED:
      return "the grant has expired, or was used before";
    default:
      return error.what();
  }
}

}  // namespace

void answer_agent(AgentApplication& agent, Kind kind, ByteView body, Descriptor passed,
                  Bytes& answer) {
  answer.clear();
  wire::AnswerHead refusal;
  try {
    Reader in(body);
    Writer out(answer);
    dispatch(agent, kind, in, std::move(passed), out);
    return;
  } catch (const wire::WireError&) {
    throw;
  } catch (const Error& error) {
    api::log_refusal(wire::name_of(kind), error);
    refusal = {error.rv(), told_of(error)};
  } catch (...) {
    refusal.rv = api::foreign_exception(wire::name_of(kind));
  }
  answer.clear();
  Writer out(answer);
  refusal.write(out);
}

}  // namespace mayfly::broker
