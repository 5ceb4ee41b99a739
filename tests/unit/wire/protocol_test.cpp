// Each request and each answer comes back as it was sent; cut anywhere, or with a byte more, it is
// none.
#include "wire/protocol.h"

#include <gtest/gtest.h>

#include "base/device_evidence.h"
#include "base/secret.h"
#include "wire/wire_error.h"

namespace mayfly::wire {
namespace {

template <typename T>
Bytes bytes_of(const T& value) {
  Bytes body;
  Writer out(body);
  value.write(out);
  return body;
}

template <typename T>
T read_whole(ByteView body) {
  Reader in(body);
  T value = T::read(in);
  in.require_end();
  return value;
}

/// Reads it back and writes it again: the same bytes. No shorter or longer body is one.
template <typename T>
void expect_exact(const T& value, const char* what) {
  const Bytes body = bytes_of(value);
  EXPECT_EQ(to_hex(bytes_of(read_whole<T>(body))), to_hex(body)) << what;
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_THROW(static_cast<void>(read_whole<T>(ByteView(body).first(size))), WireError)
        << what << ", " << size << " bytes of " << body.size();
  }
  Bytes longer = body;
  longer.push_back(0);
  EXPECT_THROW(static_cast<void>(read_whole<T>(longer)), WireError) << what;
}

const Bytes kValue = {1, 2, 3};
const AttributeList kAttributes = {{CKA_LABEL, as_bytes("label")}, {CKA_ID, kValue}, {CKA_ID, {}}};
const ObjectRecord kObject = {11, 12, kAttributes};

HelloAnswer hello() {
  HelloAnswer answer;
  answer.lane_key = Bytes(kLaneKeySize, 7);
  answer.task_id = std::string(255, 'x');
  answer.serial = "0123456789abcdef";
  answer.deadline = 1'000'000'000'000;
  answer.login_required = true;
  answer.manufacturer = "manufacturer";
  answer.model = "model";
  answer.device_serial = "serial";
  answer.firmware = "1.0";
  answer.hardware = true;
  answer.key_specs = {{CKK_EC, 256}, {CKK_RSA, 4096}};
  answer.sign_inputs = {{Scheme::rsa_pss, Hash::sha512, true}, {Scheme::ecdsa, Hash::none, false}};
  answer.max_sessions = 100;
  answer.mechanisms = {CKM_ECDSA, CKM_ECDSA_SHA256};
  answer.attests = true;
  return answer;
}

TEST(Protocol, EachBodyIsExact) {
  expect_exact(HelloRequest{1, Bytes(kLaneKeySize, 7)}, "HELLO");
  expect_exact(hello(), "HELLO's answer");
  expect_exact(OpenSessionRequest{true}, "OPEN_SESSION");
  expect_exact(SessionName{17}, "CLOSE_SESSION");
  expect_exact(LoginRequest{17, as_bytes("1234")}, "LOGIN");
  expect_exact(GenerateRequest{17, CKM_EC_KEY_PAIR_GEN, kAttributes, kAttributes}, "GENERATE");
  expect_exact(GenerateAnswer{kObject, kObject}, "GENERATE's answer");
  expect_exact(CreateObjectRequest{17, kAttributes}, "CREATE_OBJECT");
  expect_exact(ChangeObjectRequest{17, 18, kAttributes}, "SET_ATTRIBUTES");
  expect_exact(DestroyObjectRequest{17, 18}, "DESTROY_OBJECT");
  expect_exact(ChangesRequest{17, 18}, "CHANGES");
  expect_exact(ChangesAnswer{17, 18, true, true, {kObject, kObject}, {1, 2, 3}},
               "CHANGES's answer");
  expect_exact(SignRequest{17, CKM_ECDSA, std::nullopt, kValue}, "SIGN");
  expect_exact(SignRequest{17, CKM_RSA_PKCS_PSS, {{CKM_SHA256, CKG_MGF1_SHA256, 32}}, kValue},
               "SIGN with PSS");
  expect_exact(Signature{kValue}, "SIGN's answer");
  expect_exact(TaskInfoAnswer{1, 2, 3, 4}, "TASK_INFO's answer");
  expect_exact(AttestRequest{17, Bytes(64, 7)}, "ATTEST");
  expect_exact(Evidence{as_bytes("{}")}, "ATTEST's answer");
  expect_exact(AnswerHead{CKR_DEVICE_ERROR, "why"}, "a refusal");
  expect_exact(AnswerHead{}, "no refusal");
}

TEST(Protocol, TheFormatIsTheOneThatIsWrittenDown) {
  EXPECT_EQ(to_hex(bytes_of(SignRequest{0x11, CKM_ECDSA, std::nullopt, kValue})),
            "1100000000000000411000000000000000"
            "03000000010203");
  EXPECT_EQ(to_hex(bytes_of(ObjectRecord{1, 2, {{CKA_ID, kValue}}})),
            "01000000000000000200000000000000"
            "01000000"
            "0201000000000000"
            "03000000010203");
}

TEST(Protocol, ARefusalIsOneLineOfPrintableText) {
  const Bytes body = bytes_of(AnswerHead{CKR_DEVICE_ERROR, std::string(1'000, 'x') + "\n"});
  EXPECT_EQ(read_whole<AnswerHead>(body).text, std::string(kMaxText, 'x'));
  Bytes dirty;
  Writer out(dirty);
  out.u64(CKR_DEVICE_ERROR);
  out.text("a\x1b[31m\n\xff");
  EXPECT_EQ(read_whole<AnswerHead>(dirty).text, "a?[31m??");
}

TEST(Protocol, ListsAndNamesHaveLimits) {
  const auto refused = [](HelloAnswer answer) {
    EXPECT_THROW(static_cast<void>(read_whole<HelloAnswer>(bytes_of(answer))), WireError);
  };
  HelloAnswer answer = hello();
  answer.task_id = std::string(kMaxText + 1, 'x');
  refused(answer);
  answer = hello();
  answer.key_specs.resize(65);
  refused(answer);
  answer = hello();
  answer.sign_inputs.resize(65);
  refused(answer);
  answer = hello();
  answer.lane_key.resize(33);
  refused(answer);
  answer = hello();
  answer.sign_inputs[0].scheme = static_cast<Scheme>(4);
  refused(answer);
  answer = hello();
  answer.sign_inputs[0].hash = static_cast<Hash>(5);
  refused(answer);
  const CreateObjectRequest many{1, AttributeList(kMaxAttributes + 1)};
  EXPECT_THROW(static_cast<void>(read_whole<CreateObjectRequest>(bytes_of(many))), WireError);
  const Bytes too_long(kMaxPinSize + 1);
  const LoginRequest pin{1, too_long};
  EXPECT_THROW(static_cast<void>(read_whole<LoginRequest>(bytes_of(pin))), WireError);
  const Bytes long_nonce(attestation::kMaxNonceSize + 1);
  const AttestRequest question{1, long_nonce};
  EXPECT_THROW(static_cast<void>(read_whole<AttestRequest>(bytes_of(question))), WireError);
  for (const std::size_t size : {std::size_t{0}, attestation::kMaxEvidenceSize + 1}) {
    const Bytes text(size, 'x');
    EXPECT_THROW(static_cast<void>(read_whole<Evidence>(bytes_of(Evidence{text}))), WireError);
  }
  const Bytes most(attestation::kMaxEvidenceSize, 'x');
  EXPECT_EQ(read_whole<Evidence>(bytes_of(Evidence{most})).text.size(), most.size());
  EXPECT_EQ(bytes_of(Evidence{most}).size() + sizeof(std::uint64_t),
            most_of_answer(static_cast<std::uint8_t>(Kind::attest)));
}

TEST(Protocol, EachKindHasANameAndLimits) {
  for (unsigned kind = 0; kind < 256; ++kind) {
    const auto number = static_cast<std::uint8_t>(kind);
    const bool known = kind >= 1 && kind <= kLastKind;
    EXPECT_EQ(most_of_request(number) != 0, known) << kind;
    EXPECT_EQ(most_of_answer(number) != 0, known) << kind;
    EXPECT_EQ(std::string_view(name_of(static_cast<Kind>(kind))) != "an unknown request", known);
  }
}

}  // namespace
}  // namespace mayfly::wire
