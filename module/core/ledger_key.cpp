#include "core/ledger_key.h"

#include "core/device_answer.h"
#include "ledger/statement.h"

namespace mayfly {
namespace {

SignInput input_for(const Device& device, const KeySpec& spec) {
  const SignatureScheme scheme = ledger::statement_scheme(spec);
  return device.sign_input(scheme.scheme, scheme.hash);
}

/// In the order in which they cost least.
KeySpec kind_for(const Device& device) {
  for (const KeySpec& spec : {KeySpec{CKK_EC, 256}, KeySpec{CKK_EC_EDWARDS, 255},
                              KeySpec{CKK_EC, 384}, KeySpec{CKK_EC, 521}, KeySpec{CKK_RSA, 2048},
                              KeySpec{CKK_RSA, 3072}, KeySpec{CKK_RSA, 4096}}) {
    if (device.supports(spec) && input_for(device, spec) != SignInput::unsupported) return spec;
  }
  throw Error(CKR_FUNCTION_NOT_SUPPORTED, "the device has no kind of key that could seal a ledger");
}

}  // namespace

std::optional<Bytes> sign_statement(const Device& device, SessionKey& key,
                                    std::string_view statement) {
  const KeySpec& spec = key.public_key().spec();
  const SignInput wanted = input_for(device, spec);
  if (wanted == SignInput::unsupported) return std::nullopt;
  const SignatureScheme scheme = ledger::statement_scheme(spec);
  const Bytes input = wanted == SignInput::message ? to_bytes(as_bytes(statement))
                                                   : ledger::statement_input(scheme, statement);
  Bytes signature(kMaxSignatureSize);
  SessionKey::Use use(key);
  signature.resize(ask_device([&] { return use.sign({scheme, input}, signature); }));
  return signature;
}

LedgerKey::LedgerKey(Device& device, const ScopeOwner& owner)
    : device_(device), scope_(device.open_scope(owner)) {
  key_ =
      std::make_unique<SessionKey>(ask_device([&] { return scope_->generate(kind_for(device)); }));
}

Bytes LedgerKey::sign(std::string_view statement) {
  return sign_statement(device_, *key_, statement).value();
}

}  // namespace mayfly
