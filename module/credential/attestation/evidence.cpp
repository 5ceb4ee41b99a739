#include "credential/attestation/evidence.h"

#include "base/json_reader.h"
#include "base/task_binding.h"
#include "credential/attestation/refused.h"

namespace mayfly::attestation {
namespace {

constexpr char kEvidenceFormat[] = "mayfly-attestation";
constexpr std::uint64_t kEvidenceVersion = 1;

// More than any structure of a known key takes: RSA 4096 needs about 600 bytes.
constexpr std::size_t kMaxStructure = 2048;
constexpr std::size_t kMaxCertificates = 8;
constexpr std::size_t kMaxCertificate = 16 * 1024;
constexpr std::size_t kMaxTaskId = 255;

nlohmann::json statement_json(const Statement& statement) {
  return {{"info", to_hex(statement.info)}, {"signature", to_hex(statement.signature)}};
}

nlohmann::json policy_json(const PolicyClaim& policy) {
  nlohmann::json json = nlohmann::json::object();
  if (policy.deadline) {
    json["deadline"] = {{"time_limit_ms", policy.deadline->time_limit_ms},
                        {"resets", policy.deadline->resets},
                        {"restarts", policy.deadline->restarts}};
  }
  if (policy.kill_switch) {
    json["kill_switch"] = {{"index", to_hex(policy.kill_switch->index_public)},
                           {"value", policy.kill_switch->value}};
  }
  return json;
}

Statement read_statement(JsonObject object) {
  Statement statement{object.bytes("info", 1, kMaxStructure),
                      object.bytes("signature", 1, kMaxStructure)};
  object.finish();
  return statement;
}

PolicyClaim read_policy(JsonObject object) {
  PolicyClaim policy;
  if (object.has("deadline")) {
    JsonObject deadline = object.object("deadline");
    policy.deadline = {deadline.number("time_limit_ms", kMaxJsonNumber),
                       static_cast<std::uint32_t>(deadline.number("resets", UINT32_MAX)),
                       static_cast<std::uint32_t>(deadline.number("restarts", UINT32_MAX))};
    deadline.finish();
  }
  if (object.has("kill_switch")) {
    JsonObject kill_switch = object.object("kill_switch");
    policy.kill_switch = {kill_switch.bytes("index", 1, kMaxStructure),
                          kill_switch.number("value", kMaxJsonNumber)};
    kill_switch.finish();
  }
  object.finish();
  return policy;
}

void read_task(JsonObject object, Evidence& evidence) {
  evidence.task_id = object.text("id");
  if (evidence.task_id.empty() || evidence.task_id.size() > kMaxTaskId) {
    object.refuse("id", "is no task ID");
  }
  evidence.serial = to_hex(object.bytes("serial", 8, 8));
  evidence.deadline_unix_s = object.number("deadline", kMaxJsonNumber);
  evidence.policy_digest = object.bytes("policy_digest", kBindingDigestSize, kBindingDigestSize);
  object.finish();
}

void read_attestation_key(JsonObject object, Evidence& evidence) {
  evidence.attestation_key_public = object.bytes("public", 1, kMaxStructure);
  const nlohmann::json& certificates = object.at("certificates");
  if (!certificates.is_array() || certificates.size() > kMaxCertificates) {
    object.refuse("certificates", "is no list of at most eight");
  }
  for (const nlohmann::json& certificate : certificates) {
    if (!certificate.is_string() ||
        certificate.get_ref<const std::string&>().size() > kMaxCertificate) {
      object.refuse("certificates", "holds something that is no PEM text");
    }
    evidence.certificates.push_back(certificate.get<std::string>());
  }
  object.finish();
}

Evidence read_evidence(std::string_view text) {
  const nlohmann::json json = parse_json(text, kMaxEvidenceSize);
  JsonObject object(json, "evidence");
  object.require_format(kEvidenceFormat, kEvidenceVersion);
  Evidence evidence;
  read_task(object.object("task"), evidence);
  evidence.nonce = object.bytes("nonce", kMinNonceSize, kMaxNonceSize);
  JsonObject key = object.object("key");
  evidence.key_public = key.bytes("public", 1, kMaxStructure);
  evidence.parent_public = key.bytes("parent", 1, kMaxStructure);
  key.finish();
  evidence.policy = read_policy(object.object("policy"));
  evidence.certification = read_statement(object.object("certification"));
  if (object.has("time")) evidence.time = read_statement(object.object("time"));
  read_attestation_key(object.object("attestation_key"), evidence);
  object.finish();
  return evidence;
}

}  // namespace

std::string to_json(const Evidence& evidence) {
  nlohmann::json json = {
      {"format", kEvidenceFormat},
      {"version", kEvidenceVersion},
      {"task",
       {{"id", evidence.task_id},
        {"serial", evidence.serial},
        {"deadline", evidence.deadline_unix_s},
        {"policy_digest", to_hex(evidence.policy_digest)}}},
      {"nonce", to_hex(evidence.nonce)},
      {"key",
       {{"public", to_hex(evidence.key_public)}, {"parent", to_hex(evidence.parent_public)}}},
      {"policy", policy_json(evidence.policy)},
      {"certification", statement_json(evidence.certification)},
      {"attestation_key",
       {{"public", to_hex(evidence.attestation_key_public)},
        {"certificates", evidence.certificates}}}};
  if (evidence.time) json["time"] = statement_json(*evidence.time);
  return json.dump(2) + "\n";
}

Evidence evidence_from_json(std::string_view text) {
  return read_format([text] { return read_evidence(text); });
}

}  // namespace mayfly::attestation
