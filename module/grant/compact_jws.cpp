#include "grant/compact_jws.h"

#include "base/base64url.h"
#include "base/json_reader.h"
#include "grant/grant.h"
#include "grant/refused.h"

namespace mayfly::grant {
namespace {

constexpr std::size_t kMaxHeader = 1024;

/// Members by which a header would say which key to believe (RFC 7515, 4.1.2 to 4.1.8).
constexpr const char* kKeyMembers[] = {"jwk", "jku", "x5c", "x5u", "x5t", "x5t#S256"};

Bytes decode(std::string_view part, const char* name) {
  std::optional<Bytes> bytes = parse_base64url(part);
  if (!bytes || bytes->empty()) {
    throw Refused(Reason::malformed, std::string("its ") + name + " is no base64url");
  }
  return *std::move(bytes);
}

void read_header(std::string_view text, CompactJws& jws) {
  const nlohmann::json json = parse_json(text, kMaxHeader);
  JsonObject header(json, "header");
  if (header.has("crit")) throw Refused(Reason::critical);
  for (const char* member : kKeyMembers) {
    if (header.has(member)) throw Refused(Reason::key_in_header, member);
  }
  if (header.text("typ") != kType) throw Refused(Reason::type);
  const auto algorithm = find_algorithm(header.text("alg"));
  if (!algorithm) throw Refused(Reason::algorithm);
  jws.algorithm = *algorithm;
  if (header.has("kid")) jws.key_id = header.printable_text("kid", kMaxKeyId);
  header.finish();
}

}  // namespace

CompactJws parse_compact_jws(std::string_view text) {
  if (text.size() > kMaxGrantSize) throw Refused(Reason::too_long);
  const std::size_t first = text.find('.');
  const std::size_t second = first == text.npos ? text.npos : text.find('.', first + 1);
  if (second == text.npos || text.find('.', second + 1) != text.npos) {
    throw Refused(Reason::malformed, "it has not two dots");
  }
  CompactJws jws;
  const Bytes header = decode(text.substr(0, first), "header");
  const Bytes payload = decode(text.substr(first + 1, second - first - 1), "payload");
  jws.signature = decode(text.substr(second + 1), "signature");
  jws.signed_text = text.substr(0, second);
  jws.payload = as_text(payload);
  try {
    read_header(as_text(header), jws);
  } catch (const JsonError& error) {
    throw Refused(Reason::header, error.what());
  }
  return jws;
}

std::string signed_text(Algorithm algorithm, const std::string& key_id, std::string_view payload) {
  nlohmann::json header = {{"alg", name_of(algorithm)}, {"typ", kType}};
  if (!key_id.empty()) header["kid"] = key_id;
  const std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return to_base64url(as_bytes(text)) + "." + to_base64url(as_bytes(payload));
}

}  // namespace mayfly::grant
