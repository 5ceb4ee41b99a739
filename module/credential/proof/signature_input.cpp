#include "credential/proof/signature_input.h"

#include <algorithm>

#include "base/base64.h"
#include "base/error.h"
#include "credential/proof/http_message.h"

namespace mayfly::credential {
namespace {

constexpr std::size_t kMaxComponents = 64;

[[noreturn]] void refuse_field(const std::string& why) { throw Error(CKR_DATA_INVALID, why); }

std::string in_quotes(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

/// Reads the pieces of a structured field (RFC 8941), front to back.
class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : text_(text) {}

  [[nodiscard]] bool at_end() const noexcept { return text_.empty(); }
  [[nodiscard]] std::string_view rest() const noexcept { return text_; }

  /// Takes a character if it comes next.
  bool take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  void require(char c) {
    if (!take(c)) refuse_field(std::string("a '") + c + "' is missing");
  }
  /// A key: lower case, digits, and a few others (3.1.2).
  std::string key() {
    std::string name;
    while (!text_.empty() && is_key_character(text_.front())) name += next();
    if (name.empty() || (name.front() >= '0' && name.front() <= '9')) {
      refuse_field("a name is missing");
    }
    return name;
  }
  /// A string in quotes (3.3.3).
  std::string string() {
    require('"');
    std::string value;
    while (!take('"')) {
      if (text_.empty()) refuse_field("a text has no end");
      char c = next();
      if (c == '\\') {
        c = text_.empty() ? '\0' : next();
        if (c != '"' && c != '\\') refuse_field("a text has an escape that there is not");
      } else if (c < 0x20 || c > 0x7e) {
        refuse_field("a text holds what is no printable ASCII");
      }
      value += c;
    }
    return value;
  }
  /// A whole number that is not negative (3.3.1).
  std::uint64_t number() {
    std::uint64_t value = 0;
    std::size_t digits = 0;
    for (; !text_.empty() && text_.front() >= '0' && text_.front() <= '9'; ++digits) {
      value = value * 10 + static_cast<std::uint64_t>(next() - '0');
      if (digits >= 12) refuse_field("a number is too large");
    }
    if (digits == 0) refuse_field("a number is missing");
    return value;
  }

 private:
  static bool is_key_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '*' ||
           c == '.';
  }
  char next() {
    const char c = text_.front();
    text_.remove_prefix(1);
    return c;
  }

  std::string_view text_;
};

template <typename T>
void set_once(std::optional<T>& member, T value, const std::string& name) {
  if (member) refuse_field("the parameter " + name + " is there twice");
  member = std::move(value);
}

void read_parameter(FieldReader& reader, SignatureInput& input) {
  const std::string name = reader.key();
  reader.require('=');
  if (name == "created") return set_once(input.created, reader.number(), name);
  if (name == "expires") return set_once(input.expires, reader.number(), name);
  if (name == "nonce") return set_once(input.nonce, reader.string(), name);
  if (name == "alg") return set_once(input.algorithm, reader.string(), name);
  if (name == "keyid") return set_once(input.key_id, reader.string(), name);
  if (name == "tag") return set_once(input.tag, reader.string(), name);
  refuse_field("the parameter " + name + " is not known here");
}

void read_components(FieldReader& reader, SignatureInput& input) {
  reader.require('(');
  while (!reader.take(')')) {
    if (!input.components.empty()) reader.require(' ');
    std::string component = reader.string();
    if (reader.rest().starts_with(';')) {
      refuse_field("the component " + component + " has parameters, which are not known here");
    }
    if (std::ranges::find(input.components, component) != input.components.end()) {
      refuse_field("the component " + component + " is there twice");
    }
    if (input.components.size() == kMaxComponents) refuse_field("there are too many components");
    input.components.push_back(std::move(component));
  }
}

}  // namespace

std::string to_signature_params(const SignatureInput& input) {
  std::string text = "(";
  for (const std::string& component : input.components) {
    if (&component != &input.components.front()) text += ' ';
    text += in_quotes(component);
  }
  text += ')';
  if (input.created) text += ";created=" + std::to_string(*input.created);
  if (input.expires) text += ";expires=" + std::to_string(*input.expires);
  if (input.nonce) text += ";nonce=" + in_quotes(*input.nonce);
  if (input.algorithm) text += ";alg=" + in_quotes(*input.algorithm);
  if (input.key_id) text += ";keyid=" + in_quotes(*input.key_id);
  if (input.tag) text += ";tag=" + in_quotes(*input.tag);
  return text;
}

SignatureFields parse_signature_fields(std::string_view input, std::string_view signature) {
  if (input.size() > kMaxSignatureField || signature.size() > kMaxSignatureField) {
    refuse_field("a field is too long");
  }
  SignatureFields fields;
  FieldReader reader(input);
  const std::string label = reader.key();
  reader.require('=');
  fields.params = reader.rest();
  read_components(reader, fields.input);
  while (reader.take(';')) read_parameter(reader, fields.input);
  if (!reader.at_end()) refuse_field("Signature-Input holds more than one signature");

  FieldReader other(signature);
  if (other.key() != label) refuse_field("Signature has another label than Signature-Input");
  other.require('=');
  other.require(':');
  const std::string_view rest = other.rest();
  const auto bytes =
      rest.ends_with(':') ? parse_base64(rest.substr(0, rest.size() - 1)) : std::optional<Bytes>();
  if (!bytes || bytes->empty()) refuse_field("Signature holds no one signature in base64");
  fields.signature = *bytes;
  return fields;
}

}  // namespace mayfly::credential
