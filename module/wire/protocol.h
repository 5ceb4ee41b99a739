// What an agent's process and its task's worker say to each other (docs/door-protocol.md).
//
// Every request and every answer is a structure here, with its two halves side by side: write() and
// read(). What is read points into the body that it was read from.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/pkcs11.h"
#include "base/public_key.h"
#include "wire/message.h"

namespace mayfly::wire {

/// The version of all that follows. There is one; a worker refuses others.
inline constexpr std::uint32_t kVersion = 1;

/// Kinds of requests. An answer has the kind of its request.
enum class Kind : std::uint8_t {
  hello = 1,
  open_session = 2,
  close_session = 3,
  login = 4,
  logout = 5,
  generate = 6,
  create_object = 7,
  copy_object = 8,
  set_attributes = 9,
  destroy_object = 10,
  changes = 11,
  sign = 12,
  task_info = 13,
  attest = 14,
  open_child = 15,
  add_door = 16,
  close_child = 17,
};
inline constexpr std::uint8_t kLastKind = 17;

/// "SIGN": for messages.
[[nodiscard]] const char* name_of(Kind kind) noexcept;

/// How much a request of a kind may have in its body, and an answer; 0 for kinds that are none.
[[nodiscard]] std::size_t most_of_request(std::uint8_t kind) noexcept;
/// The same where no mechanism of the task takes a whole message: SIGN has one packet.
[[nodiscard]] std::size_t most_of_digest_request(std::uint8_t kind) noexcept;
/// The same before a HELLO: nothing that takes more than a packet.
[[nodiscard]] std::size_t most_of_first_request(std::uint8_t kind) noexcept;
[[nodiscard]] std::size_t most_of_answer(std::uint8_t kind) noexcept;

/// The longest text of a refusal, PIN, name and the like.
inline constexpr std::size_t kMaxText = 256;
inline constexpr std::size_t kLaneKeySize = 32;

// Answers ----------------------------------------------------------------------------------------

/// The beginning of every answer: a CK_RV, and if it is not CKR_OK, a sentence in place of the
/// body.
struct AnswerHead {
  CK_RV rv = CKR_OK;
  std::string text;  ///< printable ASCII, at most kMaxText bytes; empty with CKR_OK

  void write(Writer& out) const;
  [[nodiscard]] static AnswerHead read(Reader& in);
};

/// A body that holds nothing.
struct Nothing {
  void write(Writer&) const {}
  [[nodiscard]] static Nothing read(Reader&) { return {}; }
};

// Pieces -----------------------------------------------------------------------------------------

struct Attribute {
  CK_ATTRIBUTE_TYPE type = 0;
  ByteView value;
};
using AttributeList = std::vector<Attribute>;

/// The most attributes of one template, or object.
inline constexpr std::size_t kMaxAttributes = 1024;

void write_attributes(Writer& out, const AttributeList& attributes);
/// In the order in which they were written; a type may come twice.
[[nodiscard]] AttributeList read_attributes(Reader& in);

/// One object as the application sees it.
struct ObjectRecord {
  std::uint64_t handle = 0;  ///< names it in requests of this application
  std::uint64_t number = 0;  ///< names a token object in ChangesAnswer; 0 for session objects
  AttributeList attributes;

  void write(Writer& out) const;
  [[nodiscard]] static ObjectRecord read(Reader& in);
};

// HELLO ------------------------------------------------------------------------------------------

/// The first request of a connection. `join` is empty for a new application, else the lane key of
/// the one that the connection is one more lane of.
struct HelloRequest {
  std::uint32_t version = kVersion;
  ByteView join;

  void write(Writer& out) const;
  [[nodiscard]] static HelloRequest read(Reader& in);
};

/// What the device wants to be given for a scheme with a hash.
struct SignInputRow {
  Scheme scheme = Scheme::ecdsa;
  Hash hash = Hash::none;
  bool message = false;  ///< the message itself, not its digest
};

/// Everything that does not change while the task lives. The answer to a HELLO that made an
/// application carries the change page as a descriptor.
struct HelloAnswer {
  std::uint32_t version = kVersion;
  Bytes lane_key;  ///< kLaneKeySize bytes
  std::string task_id;
  std::string serial;
  std::uint64_t deadline = 0;  ///< nanoseconds of CLOCK_BOOTTIME
  bool login_required = false;
  std::string manufacturer;  ///< of the device, as the next ones
  std::string model;
  std::string device_serial;
  std::string firmware;
  bool hardware = false;
  std::vector<KeySpec> key_specs;             ///< what the task's policy leaves of the device's
  std::vector<SignInputRow> sign_inputs;      ///< what is not listed is not supported
  std::vector<CK_MECHANISM_TYPE> mechanisms;  ///< those that sign, under the task's policy
  std::uint64_t max_sessions = 0;
  bool attests = false;  ///< the device gives evidence of its keys

  void write(Writer& out) const;
  [[nodiscard]] static HelloAnswer read(Reader& in);
};

// Sessions ---------------------------------------------------------------------------------------

struct OpenSessionRequest {
  bool read_write = false;

  void write(Writer& out) const { out.flag(read_write); }
  [[nodiscard]] static OpenSessionRequest read(Reader& in) { return {in.flag()}; }
};

/// The answer of OPEN_SESSION; the request of CLOSE_SESSION and LOGOUT.
struct SessionName {
  std::uint64_t session = 0;

  void write(Writer& out) const { out.u64(session); }
  [[nodiscard]] static SessionName read(Reader& in) { return {in.u64()}; }
};

struct LoginRequest {
  std::uint64_t session = 0;
  ByteView pin;

  void write(Writer& out) const;
  [[nodiscard]] static LoginRequest read(Reader& in);
};

// Objects ----------------------------------------------------------------------------------------

struct GenerateRequest {
  std::uint64_t session = 0;
  CK_MECHANISM_TYPE mechanism = 0;
  AttributeList public_template;
  AttributeList private_template;

  void write(Writer& out) const;
  [[nodiscard]] static GenerateRequest read(Reader& in);
};

struct GenerateAnswer {
  ObjectRecord public_key;
  ObjectRecord private_key;

  void write(Writer& out) const;
  [[nodiscard]] static GenerateAnswer read(Reader& in);
};

/// The answer is an ObjectRecord.
struct CreateObjectRequest {
  std::uint64_t session = 0;
  AttributeList attributes;

  void write(Writer& out) const;
  [[nodiscard]] static CreateObjectRequest read(Reader& in);
};

/// COPY_OBJECT, whose answer is the new ObjectRecord, and SET_ATTRIBUTES, whose answer is the
/// object's as it is then.
struct ChangeObjectRequest {
  std::uint64_t session = 0;
  std::uint64_t object = 0;
  AttributeList changes;

  void write(Writer& out) const;
  [[nodiscard]] static ChangeObjectRequest read(Reader& in);
};

struct DestroyObjectRequest {
  std::uint64_t session = 0;
  std::uint64_t object = 0;

  void write(Writer& out) const;
  [[nodiscard]] static DestroyObjectRequest read(Reader& in);
};

/// Asks which token objects came or changed after a moment, and which went after another; 0 is the
/// beginning.
struct ChangesRequest {
  std::uint64_t since = 0;
  std::uint64_t gone_since = 0;

  void write(Writer& out) const;
  [[nodiscard]] static ChangesRequest read(Reader& in);
};

struct ChangesAnswer {
  std::uint64_t now = 0;       ///< what to ask with next time, as `since`
  std::uint64_t gone_now = 0;  ///< and this as `gone_since`
  bool from_start = false;     ///< forget all token objects first
  bool more = false;           ///< ask again at once
  std::vector<ObjectRecord> changed;
  std::vector<std::uint64_t> removed;  ///< ObjectRecord::number; also of such as were never told of

  void write(Writer& out) const;
  [[nodiscard]] static ChangesAnswer read(Reader& in);
};

// Signing ----------------------------------------------------------------------------------------

/// A whole signing operation. The answer is a Signature.
struct SignRequest {
  /// CK_RSA_PKCS_PSS_PARAMS.
  struct Pss {
    std::uint64_t hash = 0;
    std::uint64_t mgf = 0;
    std::uint64_t salt_size = 0;
  };

  std::uint64_t key = 0;  ///< the handle of a private key
  CK_MECHANISM_TYPE mechanism = 0;
  std::optional<Pss> pss;
  /// For a mechanism that hashes: the digest, unless HelloAnswer::sign_inputs says that the device
  /// wants the message. For the others what C_Sign is given.
  ByteView input;

  void write(Writer& out) const;
  [[nodiscard]] static SignRequest read(Reader& in);
};

struct Signature {
  ByteView value;

  void write(Writer& out) const { out.bytes(value); }
  [[nodiscard]] static Signature read(Reader& in) { return {in.bytes()}; }
};

// TASK_INFO --------------------------------------------------------------------------------------

struct TaskInfoAnswer {
  std::uint64_t state = 0;  ///< MAYFLY_TASK_… of mayfly/mayfly.h
  std::uint64_t keys = 0;   ///< key pairs that live now
  std::uint64_t login_flags = 0;
  /// Nanoseconds of CLOCK_BOOTTIME. A grant that a login brought may have moved it closer than
  /// HelloAnswer::deadline.
  std::uint64_t deadline = 0;

  void write(Writer& out) const;
  [[nodiscard]] static TaskInfoAnswer read(Reader& in);
};

// ATTEST -----------------------------------------------------------------------------------------

/// Asks for evidence of a key by the device. The answer is an Evidence.
struct AttestRequest {
  std::uint64_t key = 0;  ///< the handle of a private key
  ByteView nonce;

  void write(Writer& out) const;
  [[nodiscard]] static AttestRequest read(Reader& in);
};

/// The file of docs/attestation.md.
struct Evidence {
  ByteView text;

  void write(Writer& out) const { out.bytes(text); }
  [[nodiscard]] static Evidence read(Reader& in);
};

// Tasks below the task ---------------------------------------------------------------------------

/// Opens a task below the one of this door. It ends with the application that opened it.
struct OpenChildRequest {
  ByteView task_id;               ///< 1 to 255 bytes
  std::uint64_t ttl_seconds = 0;  ///< 0 takes what is usual
  ByteView policy;                ///< the NAME of a policy; empty for none
  ByteView grant;                 ///< a grant, or a ticket for one; empty for none

  void write(Writer& out) const;
  [[nodiscard]] static OpenChildRequest read(Reader& in);
};

struct OpenChildAnswer {
  std::uint64_t child = 0;  ///< names it in AddDoorRequest
  std::string serial;
  std::uint64_t deadline = 0;  ///< nanoseconds of CLOCK_BOOTTIME

  void write(Writer& out) const;
  [[nodiscard]] static OpenChildAnswer read(Reader& in);
};

/// Has a task below be served at the socket that comes with the request as a descriptor.
struct AddDoorRequest {
  std::uint64_t child = 0;
  bool for_p11kit = false;  ///< for p11-kit's clients, else for libmayfly.so

  void write(Writer& out) const;
  [[nodiscard]] static AddDoorRequest read(Reader& in);
};

/// CLOSE_CHILD: ends a task below.
struct ChildName {
  std::uint64_t child = 0;

  void write(Writer& out) const { out.u64(child); }
  [[nodiscard]] static ChildName read(Reader& in) { return {in.u64()}; }
};

struct ChildEnd {
  std::uint64_t pending = 0;  ///< key pairs whose destruction the device has not confirmed

  void write(Writer& out) const { out.u64(pending); }
  [[nodiscard]] static ChildEnd read(Reader& in) { return {in.u64()}; }
};

// The change page --------------------------------------------------------------------------------

/// The first bytes of the page that comes with HELLO: hints that there is something to ask for. The
/// worker writes them, an agent maps them read-only. Both are atomic.
struct ChangePageLayout {
  std::uint64_t changes;  ///< differs from gone_now if token objects came, changed, went
  std::uint32_t ended;    ///< 0 while the task lives, then its final state: MAYFLY_TASK_…
};
inline constexpr std::size_t kChangePageSize = 4096;
/// The seals that the page has, at least: it can't shrink under an agent, and nobody but the worker
/// can write to it.
inline constexpr unsigned kChangePageSeals = 0x1 | 0x2 | 0x4 | 0x10;  // F_SEAL_…

}  // namespace mayfly::wire
