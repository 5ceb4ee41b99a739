#include "compose/broker_host.h"

#include "base/secret.h"
#include "device/broker/broker_key.h"

namespace mayfly {
namespace {

using wire::Kind;

wire::AttributeList to_wire(const Attributes& attributes) {
  wire::AttributeList list;
  list.reserve(attributes.size());
  for (const auto entry : attributes) list.push_back({entry.type, entry.value});
  return list;
}

/// Of objects too, a type comes once.
HostedObject from_wire(const wire::ObjectRecord& record) {
  HostedObject object{record.handle, record.number, {}};
  for (const wire::Attribute& attribute : record.attributes) {
    if (object.attributes.contains(attribute.type)) wire::malformed("an attribute comes twice");
    object.attributes.set(attribute.type, attribute.value);
  }
  return object;
}

TaskState state_from_wire(std::uint64_t state) {
  if (state > static_cast<std::uint64_t>(TaskState::lost)) wire::malformed("an unknown state");
  return static_cast<TaskState>(state);
}

}  // namespace

BootClock::time_point deadline_from_wire(std::uint64_t nanoseconds) noexcept {
  constexpr auto kLatest = BootClock::time_point::max();
  const auto latest = static_cast<std::uint64_t>(kLatest.time_since_epoch().count());
  if (nanoseconds >= latest) return kLatest;
  return BootClock::time_point(std::chrono::nanoseconds(nanoseconds));
}

TaskHost::SessionNumber BrokerHost::open_session(bool read_write) {
  return link_->call<wire::SessionName>(Kind::open_session, wire::OpenSessionRequest{read_write},
                                        [](const wire::SessionName& name) { return name.session; });
}

void BrokerHost::close_session(SessionNumber session) {
  link_->call(Kind::close_session, wire::SessionName{session});
}

void BrokerHost::login(SessionNumber session, ByteView pin) {
  // The worker would take it for nonsense and hang up; it is no PIN of any task.
  if (pin.size() > kMaxPinSize) throw Error(CKR_PIN_INCORRECT, "the PIN is too long");
  link_->call(Kind::login, wire::LoginRequest{session, pin});
}

void BrokerHost::logout(SessionNumber session) {
  link_->call(Kind::logout, wire::SessionName{session});
}

TaskHost::KeyPair BrokerHost::generate(SessionNumber session, CK_MECHANISM_TYPE mechanism,
                                       const Attributes& public_wanted,
                                       const Attributes& private_wanted) {
  return link_->call<wire::GenerateAnswer>(
      Kind::generate,
      wire::GenerateRequest{session, mechanism, to_wire(public_wanted), to_wire(private_wanted)},
      [](const wire::GenerateAnswer& answer) -> KeyPair {
        return {from_wire(answer.public_key), from_wire(answer.private_key)};
      });
}

HostedObject BrokerHost::create(SessionNumber session, const Attributes& wanted) {
  return link_->call<wire::ObjectRecord>(
      Kind::create_object, wire::CreateObjectRequest{session, to_wire(wanted)}, from_wire);
}

HostedObject BrokerHost::copy(SessionNumber session, std::uint64_t original,
                              const Attributes& changes) {
  return link_->call<wire::ObjectRecord>(
      Kind::copy_object, wire::ChangeObjectRequest{session, original, to_wire(changes)}, from_wire);
}

HostedObject BrokerHost::change(SessionNumber session, std::uint64_t object,
                                const Attributes& changes) {
  return link_->call<wire::ObjectRecord>(
      Kind::set_attributes, wire::ChangeObjectRequest{session, object, to_wire(changes)},
      from_wire);
}

void BrokerHost::destroy(SessionNumber session, std::uint64_t object) {
  link_->call(Kind::destroy_object, wire::DestroyObjectRequest{session, object});
}

std::unique_ptr<DeviceKey> BrokerHost::key(std::uint64_t object, PublicKey half) {
  return std::make_unique<agent::BrokerKey>(link_, object, std::move(half));
}

std::string BrokerHost::attest(std::uint64_t object, ByteView nonce) {
  return link_->call<wire::Evidence>(
      Kind::attest, wire::AttestRequest{object, nonce},
      [](const wire::Evidence& evidence) { return std::string(as_text(evidence.text)); });
}

TaskStatus BrokerHost::status() {
  return link_->call<wire::TaskInfoAnswer>(
      Kind::task_info, wire::Nothing(), [](const wire::TaskInfoAnswer& answer) -> TaskStatus {
        return {state_from_wire(answer.state), answer.keys, answer.login_flags,
                deadline_from_wire(answer.deadline)};
      });
}

std::uint64_t BrokerHost::change_count() const noexcept { return link_->page().changes(); }

TaskHost::Changes BrokerHost::changes_since(const ChangeLog::Position& told) {
  return link_->call<wire::ChangesAnswer>(
      Kind::changes, wire::ChangesRequest{told.changed, told.gone},
      [](wire::ChangesAnswer& answer) {
        Changes changes{{answer.now, answer.gone_now},
                        answer.from_start,
                        answer.more,
                        {},
                        std::move(answer.removed)};
        changes.changed.reserve(answer.changed.size());
        for (const wire::ObjectRecord& record : answer.changed) {
          changes.changed.push_back(from_wire(record));
        }
        return changes;
      });
}

std::optional<TaskState> BrokerHost::end() const noexcept {
  if (const std::uint32_t told = link_->page().ended(); told != 0) {
    const bool is_one = told <= static_cast<std::uint32_t>(TaskState::lost) &&
                        is_final(static_cast<TaskState>(told));
    return is_one ? static_cast<TaskState>(told) : TaskState::lost;
  }
  if (!link_->is_up()) return TaskState::lost;
  return std::nullopt;
}

}  // namespace mayfly
