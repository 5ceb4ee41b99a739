#include "wire/protocol.h"

#include <algorithm>
#include <fcntl.h>

#include "base/device_evidence.h"
#include "base/secret.h"
#include "wire/seqpacket.h"
#include "wire/wire_error.h"

namespace mayfly::wire {

static_assert(kChangePageSeals ==
              (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE));

namespace {

constexpr std::size_t kOnePacket = kMaxPacket - 8;
// A template at the door of p11-kit's client has this at most as well.
constexpr std::size_t kMaxTemplates = std::size_t{1} << 20;
constexpr std::size_t kMaxObjects = std::size_t{4} << 20;

// The code, a length, and the text.
constexpr std::size_t kMaxEvidence = attestation::kMaxEvidenceSize + 12;

constexpr std::size_t kMaxSpecs = 64;
constexpr std::size_t kMaxSignInputs = 64;
constexpr std::size_t kMaxMechanisms = 64;
constexpr std::size_t kLeastAttribute = 12;
constexpr std::size_t kLeastObject = 20;

Scheme read_scheme(Reader& in) {
  const std::uint8_t value = in.u8();
  if (value > static_cast<std::uint8_t>(Scheme::rsa_pss)) malformed("an unknown scheme");
  return static_cast<Scheme>(value);
}

Hash read_hash(Reader& in) {
  const std::uint8_t value = in.u8();
  if (value > static_cast<std::uint8_t>(Hash::sha512)) malformed("an unknown hash");
  return static_cast<Hash>(value);
}

std::size_t count_up_to(Reader& in, std::size_t least, std::size_t most) {
  const std::size_t items = in.count(least);
  if (items > most) malformed("a list has too many items");
  return items;
}

std::string printable(std::string_view text) {
  std::string result(text.substr(0, kMaxText));
  std::ranges::replace_if(
      result, [](char c) { return c < ' ' || c > '~'; }, '?');
  return result;
}

}  // namespace

const char* name_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::hello:
      return "HELLO";
    case Kind::open_session:
      return "OPEN_SESSION";
    case Kind::close_session:
      return "CLOSE_SESSION";
    case Kind::login:
      return "LOGIN";
    case Kind::logout:
      return "LOGOUT";
    case Kind::generate:
      return "GENERATE";
    case Kind::create_object:
      return "CREATE_OBJECT";
    case Kind::copy_object:
      return "COPY_OBJECT";
    case Kind::set_attributes:
      return "SET_ATTRIBUTES";
    case Kind::destroy_object:
      return "DESTROY_OBJECT";
    case Kind::changes:
      return "CHANGES";
    case Kind::sign:
      return "SIGN";
    case Kind::task_info:
      return "TASK_INFO";
    case Kind::attest:
      return "ATTEST";
    case Kind::open_child:
      return "OPEN_CHILD";
    case Kind::add_door:
      return "ADD_DOOR";
    case Kind::close_child:
      return "CLOSE_CHILD";
  }
  return "an unknown request";
}

std::size_t most_of_request(std::uint8_t kind) noexcept {
  if (kind == 0 || kind > kLastKind) return 0;
  switch (static_cast<Kind>(kind)) {
    case Kind::generate:
    case Kind::create_object:
    case Kind::copy_object:
    case Kind::set_attributes:
      return kMaxTemplates;
    case Kind::sign:
      return kMaxSignedMessage + kOnePacket;
    default:
      return kOnePacket;
  }
}

std::size_t most_of_digest_request(std::uint8_t kind) noexcept {
  const std::size_t most = most_of_request(kind);
  return static_cast<Kind>(kind) == Kind::sign ? std::min(most, kOnePacket) : most;
}

std::size_t most_of_first_request(std::uint8_t kind) noexcept {
  return std::min(most_of_request(kind), kOnePacket);
}

std::size_t most_of_answer(std::uint8_t kind) noexcept {
  if (kind == 0 || kind > kLastKind) return 0;
  switch (static_cast<Kind>(kind)) {
    case Kind::generate:
    case Kind::create_object:
    case Kind::copy_object:
    case Kind::set_attributes:
    case Kind::changes:
      return kMaxObjects;
    case Kind::attest:
      return kMaxEvidence;
    default:
      return kOnePacket;
  }
}

void AnswerHead::write(Writer& out) const {
  out.u64(rv);
  if (rv != CKR_OK) out.text(printable(text));
}

AnswerHead AnswerHead::read(Reader& in) {
  AnswerHead result;
  result.rv = in.u64();
  if (result.rv != CKR_OK) result.text = printable(in.text(kMaxText));
  return result;
}

void write_attributes(Writer& out, const AttributeList& attributes) {
  out.count(attributes.size());
  for (const Attribute& attribute : attributes) {
    out.u64(attribute.type);
    out.bytes(attribute.value);
  }
}

AttributeList read_attributes(Reader& in) {
  AttributeList result(count_up_to(in, kLeastAttribute, kMaxAttributes));
  for (Attribute& attribute : result) {
    attribute.type = in.u64();
    attribute.value = in.bytes();
  }
  return result;
}

void ObjectRecord::write(Writer& out) const {
  out.u64(handle);
  out.u64(number);
  write_attributes(out, attributes);
}

ObjectRecord ObjectRecord::read(Reader& in) {
  ObjectRecord result;
  result.handle = in.u64();
  result.number = in.u64();
  result.attributes = read_attributes(in);
  return result;
}

void HelloRequest::write(Writer& out) const {
  out.u32(version);
  out.bytes(join);
}

HelloRequest HelloRequest::read(Reader& in) {
  HelloRequest result;
  result.version = in.u32();
  result.join = in.bytes(kLaneKeySize);
  return result;
}

void HelloAnswer::write(Writer& out) const {
  out.u32(version);
  out.bytes(lane_key);
  out.text(task_id);
  out.text(serial);
  out.u64(deadline);
  out.flag(login_required);
  for (const std::string* text : {&manufacturer, &model, &device_serial, &firmware}) {
    out.text(*text);
  }
  out.flag(hardware);
  out.count(key_specs.size());
  for (const KeySpec& spec : key_specs) {
    out.u64(spec.type);
    out.u32(spec.bits);
  }
  out.count(sign_inputs.size());
  for (const SignInputRow& row : sign_inputs) {
    out.u8(static_cast<std::uint8_t>(row.scheme));
    out.u8(static_cast<std::uint8_t>(row.hash));
    out.flag(row.message);
  }
  out.count(mechanisms.size());
  for (const CK_MECHANISM_TYPE mechanism : mechanisms) out.u64(mechanism);
  out.u64(max_sessions);
  out.flag(attests);
}

HelloAnswer HelloAnswer::read(Reader& in) {
  HelloAnswer result;
  result.version = in.u32();
  result.lane_key = to_bytes(in.bytes(kLaneKeySize));
  result.task_id = in.text(kMaxText);
  result.serial = in.text(kMaxText);
  result.deadline = in.u64();
  result.login_required = in.flag();
  for (std::string* text :
       {&result.manufacturer, &result.model, &result.device_serial, &result.firmware}) {
    *text = in.text(kMaxText);
  }
  result.hardware = in.flag();
  result.key_specs.resize(count_up_to(in, 12, kMaxSpecs));
  for (KeySpec& spec : result.key_specs) {
    spec.type = in.u64();
    spec.bits = in.u32();
  }
  result.sign_inputs.resize(count_up_to(in, 3, kMaxSignInputs));
  for (SignInputRow& row : result.sign_inputs) {
    row.scheme = read_scheme(in);
    row.hash = read_hash(in);
    row.message = in.flag();
  }
  result.mechanisms.resize(count_up_to(in, 8, kMaxMechanisms));
  for (CK_MECHANISM_TYPE& mechanism : result.mechanisms) mechanism = in.u64();
  result.max_sessions = in.u64();
  result.attests = in.flag();
  return result;
}

void LoginRequest::write(Writer& out) const {
  out.u64(session);
  out.bytes(pin);
}

LoginRequest LoginRequest::read(Reader& in) {
  LoginRequest result;
  result.session = in.u64();
  result.pin = in.bytes(kMaxPinSize);
  return result;
}

void GenerateRequest::write(Writer& out) const {
  out.u64(session);
  out.u64(mechanism);
  write_attributes(out, public_template);
  write_attributes(out, private_template);
}

GenerateRequest GenerateRequest::read(Reader& in) {
  GenerateRequest result;
  result.session = in.u64();
  result.mechanism = in.u64();
  result.public_template = read_attributes(in);
  result.private_template = read_attributes(in);
  return result;
}

void GenerateAnswer::write(Writer& out) const {
  public_key.write(out);
  private_key.write(out);
}

GenerateAnswer GenerateAnswer::read(Reader& in) {
  GenerateAnswer result;
  result.public_key = ObjectRecord::read(in);
  result.private_key = ObjectRecord::read(in);
  return result;
}

void CreateObjectRequest::write(Writer& out) const {
  out.u64(session);
  write_attributes(out, attributes);
}

CreateObjectRequest CreateObjectRequest::read(Reader& in) {
  CreateObjectRequest result;
  result.session = in.u64();
  result.attributes = read_attributes(in);
  return result;
}

void ChangeObjectRequest::write(Writer& out) const {
  out.u64(session);
  out.u64(object);
  write_attributes(out, changes);
}

ChangeObjectRequest ChangeObjectRequest::read(Reader& in) {
  ChangeObjectRequest result;
  result.session = in.u64();
  result.object = in.u64();
  result.changes = read_attributes(in);
  return result;
}

void DestroyObjectRequest::write(Writer& out) const {
  out.u64(session);
  out.u64(object);
}

DestroyObjectRequest DestroyObjectRequest::read(Reader& in) {
  DestroyObjectRequest result;
  result.session = in.u64();
  result.object = in.u64();
  return result;
}

void ChangesRequest::write(Writer& out) const {
  out.u64(since);
  out.u64(gone_since);
}

ChangesRequest ChangesRequest::read(Reader& in) {
  ChangesRequest result;
  result.since = in.u64();
  result.gone_since = in.u64();
  return result;
}

void ChangesAnswer::write(Writer& out) const {
  out.u64(now);
  out.u64(gone_now);
  out.flag(from_start);
  out.flag(more);
  out.count(changed.size());
  for (const ObjectRecord& object : changed) object.write(out);
  out.count(removed.size());
  for (const std::uint64_t number : removed) out.u64(number);
}

ChangesAnswer ChangesAnswer::read(Reader& in) {
  ChangesAnswer result;
  result.now = in.u64();
  result.gone_now = in.u64();
  result.from_start = in.flag();
  result.more = in.flag();
  const std::size_t objects = in.count(kLeastObject);
  for (std::size_t i = 0; i < objects; ++i) result.changed.push_back(ObjectRecord::read(in));
  result.removed.resize(in.count(sizeof(std::uint64_t)));
  for (std::uint64_t& number : result.removed) number = in.u64();
  return result;
}

void SignRequest::write(Writer& out) const {
  out.u64(key);
  out.u64(mechanism);
  out.flag(pss.has_value());
  if (pss) {
    out.u64(pss->hash);
    out.u64(pss->mgf);
    out.u64(pss->salt_size);
  }
  out.bytes(input);
}

SignRequest SignRequest::read(Reader& in) {
  SignRequest result;
  result.key = in.u64();
  result.mechanism = in.u64();
  if (in.flag()) {
    Pss pss;
    pss.hash = in.u64();
    pss.mgf = in.u64();
    pss.salt_size = in.u64();
    result.pss = pss;
  }
  result.input = in.bytes(kMaxSignedMessage);
  return result;
}

void TaskInfoAnswer::write(Writer& out) const {
  out.u64(state);
  out.u64(keys);
  out.u64(login_flags);
  out.u64(deadline);
}

TaskInfoAnswer TaskInfoAnswer::read(Reader& in) {
  TaskInfoAnswer result;
  result.state = in.u64();
  result.keys = in.u64();
  result.login_flags = in.u64();
  result.deadline = in.u64();
  return result;
}

void AttestRequest::write(Writer& out) const {
  out.u64(key);
  out.bytes(nonce);
}

AttestRequest AttestRequest::read(Reader& in) {
  AttestRequest result;
  result.key = in.u64();
  result.nonce = in.bytes(attestation::kMaxNonceSize);
  return result;
}

Evidence Evidence::read(Reader& in) {
  Evidence result{in.bytes(attestation::kMaxEvidenceSize)};
  if (result.text.empty()) malformed("evidence that is empty");
  return result;
}

void OpenChildRequest::write(Writer& out) const {
  out.bytes(task_id);
  out.u64(ttl_seconds);
  out.bytes(policy);
  out.bytes(grant);
}

OpenChildRequest OpenChildRequest::read(Reader& in) {
  OpenChildRequest result;
  result.task_id = in.bytes(kMaxText);
  result.ttl_seconds = in.u64();
  result.policy = in.bytes(kMaxText);
  result.grant = in.bytes(SecretBuffer::kMaxSize);
  return result;
}

void OpenChildAnswer::write(Writer& out) const {
  out.u64(child);
  out.text(serial);
  out.u64(deadline);
}

OpenChildAnswer OpenChildAnswer::read(Reader& in) {
  OpenChildAnswer result;
  result.child = in.u64();
  result.serial = in.text(kMaxText);
  result.deadline = in.u64();
  return result;
}

void AddDoorRequest::write(Writer& out) const {
  out.u64(child);
  out.flag(for_p11kit);
}

AddDoorRequest AddDoorRequest::read(Reader& in) {
  AddDoorRequest result;
  result.child = in.u64();
  result.for_p11kit = in.flag();
  return result;
}

}  // namespace mayfly::wire
