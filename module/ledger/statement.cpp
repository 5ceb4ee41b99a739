#include "ledger/statement.h"

#include "ledger/canonical_json.h"

namespace mayfly::ledger {

std::string seal_statement(const ChainTask& task, const ChainHead& head, std::uint64_t time_ms) {
  return canonical_json({{"entries", head.entries},
                         {"head", to_hex(head.hash)},
                         {"serial", task.serial},
                         {"task", task.id},
                         {"time", time_ms},
                         {"type", "mayfly-ledger-seal-v1"}});
}

std::string endorsement_statement(const ChainTask& task, const PublicKey& ledger_key) {
  return canonical_json({{"key", to_hex(ledger_key.subject_public_key_info())},
                         {"serial", task.serial},
                         {"task", task.id},
                         {"type", "mayfly-ledger-key-v1"}});
}

SignatureScheme statement_scheme(const KeySpec& spec) {
  switch (spec.type) {
    case CKK_EC_EDWARDS:
      return {Scheme::eddsa, Hash::none, Hash::none, 0};
    case CKK_RSA:
      return {Scheme::rsa_pkcs1, Hash::sha256, Hash::none, 0};
    default:
      break;
  }
  const Hash hash = spec.bits > 384 ? Hash::sha512 : spec.bits > 256 ? Hash::sha384 : Hash::sha256;
  return {Scheme::ecdsa, hash, Hash::none, 0};
}

Bytes statement_input(const SignatureScheme& scheme, std::string_view statement) {
  const ByteView message = as_bytes(statement);
  return scheme.hash == Hash::none ? to_bytes(message) : digest(scheme.hash, message);
}

bool is_signed(const PublicKey& key, std::string_view statement, ByteView signature) {
  const SignatureScheme scheme = statement_scheme(key.spec());
  return key.verify(scheme, statement_input(scheme, statement), signature);
}

}  // namespace mayfly::ledger
