#include "config/value.h"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "base/error.h"
#include "base/utf8.h"

namespace mayfly {
namespace {

const char* type_of(const toml::node& node) noexcept {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number with a fraction";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

bool is_variable_name(std::string_view name) noexcept {
  const auto letter = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && !digit(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || digit(c); });
}

}  // namespace

void toml_is_at_a_loss() { throw std::logic_error("toml++ met what it holds for impossible"); }

bool Value::boolean() const {
  if (!node_.is_boolean()) {
    fail(std::string("must be true or false, not ") + type_of(node_) +
         "; write true or false without quotes");
  }
  return node_.as_boolean()->get();
}

std::size_t Value::number(std::size_t least, std::size_t most) const {
  if (!node_.is_integer()) {
    fail(std::string("must be a whole number, not ") + type_of(node_) +
         "; write it in digits without quotes");
  }
  const std::int64_t value = node_.as_integer()->get();
  if (value < 0 || static_cast<std::uint64_t>(value) < least ||
      static_cast<std::uint64_t>(value) > most) {
    fail("is " + std::to_string(value) + ", out of range; choose " + std::to_string(least) +
         " to " + std::to_string(most));
  }
  return static_cast<std::size_t>(value);
}

std::string_view Value::string(std::string_view wanted) const {
  if (!node_.is_string()) {
    fail("must be " + std::string(wanted) + " in quotes, not " + type_of(node_) +
         "; put it in quotes");
  }
  return node_.as_string()->get();
}

std::string Value::text() const {
  const std::string_view text = string("a text");
  if (text.empty()) fail("is empty; give it a value or leave the key out");
  if (!is_printable_utf8(text)) fail("holds control characters; leave them out");
  return std::string(text);
}

std::filesystem::path Value::path() const {
  const std::string_view path = string("a path");
  if (path.empty()) fail("is empty; give it a path or leave the key out");
  if (!is_printable_utf8(path)) fail("holds control characters; leave them out");
  if (path.front() == '~') fail("starts with ~, which is not expanded; write the full path");
  return (file_.parent_path() / path).lexically_normal();
}

std::filesystem::path Value::library() const {
  const std::filesystem::path absolute = path();
  const std::string_view written = string("a path");
  return written.find('/') == written.npos ? std::filesystem::path(written) : absolute;
}

std::string Value::program() const {
  const std::string line = text();
  if (line.front() != '/') fail("does not start with a program's full path; write it whole");
  return line;
}

std::chrono::seconds Value::duration() const {
  const auto duration = parse_duration(string("a length of time"));
  if (!duration) {
    fail(
        "is no length of time from 1s to 3650d; write a whole number with s, m, h or d, such as "
        "\"15m\"");
  }
  return *duration;
}

PinSource Value::pin_source() const {
  const std::string_view text = string("a PIN source");
  try {
    return PinSource::parse(text, file_.parent_path());
  } catch (const Error& error) {
    fail(std::string("is wrong: ") + error.what());
  }
}

std::string Value::token_uri() const {
  static constexpr std::string_view kScheme = "pkcs11:";
  const std::string uri = text();
  if (uri.compare(0, kScheme.size(), kScheme) != 0 || uri.size() == kScheme.size()) {
    fail("is no PKCS#11 URI that names a token; write \"pkcs11:token=LABEL\"");
  }
  for (const char* attribute : {"pin-value", "pin-source"}) {
    if (uri.find(attribute) != std::string::npos) {
      fail(std::string("holds ") + attribute +
           ", but no PIN belongs into a URI; use the key device.pin-source");
    }
  }
  return uri;
}

std::string Value::postgresql_url() const {
  const std::string url = text();
  const std::size_t scheme = url.find("://");
  const std::string_view name = std::string_view(url).substr(0, scheme);
  if (scheme == url.npos || (name != "postgresql" && name != "postgres")) {
    fail("is no URL of PostgreSQL; write \"postgresql://USER@HOST/DATABASE\"");
  }
  const std::string_view rest = std::string_view(url).substr(scheme + 3);
  const std::string_view before_path = rest.substr(0, rest.find_first_of("/?"));
  const std::size_t at = before_path.rfind('@');
  const bool in_user = at != rest.npos && before_path.substr(0, at).find(':') != rest.npos;
  if (in_user || rest.find("password=") != rest.npos) {
    fail(
        "holds a password, but no password belongs into a URL; use the key "
        "registry.password-source");
  }
  return url;
}

std::string Value::http_uri() const {
  static constexpr std::size_t kLongest = 1024;
  const std::string uri = text();
  const std::size_t scheme = uri.find("://");
  const bool is_ascii = std::ranges::all_of(uri, [](char c) { return c > ' ' && c <= '~'; });
  if (!is_ascii || uri.size() > kLongest || scheme == uri.npos || scheme + 3 == uri.size() ||
      (uri.substr(0, scheme) != "https" && uri.substr(0, scheme) != "http")) {
    fail("is no URI of at most 1024 bytes with http or https; write \"https://HOST/PATH\"");
  }
  return uri;
}

ListenAddress Value::listen_address() const {
  const auto address = ListenAddress::parse(text());
  if (!address) fail("is no address with a port; write it in digits, such as \"127.0.0.1:9464\"");
  return *address;
}

std::size_t Value::choice(std::string_view choices) const {
  const std::string_view text = string("a text");
  std::string listed;
  std::size_t index = 0;
  for (std::size_t start = 0; start <= choices.size(); ++index) {
    const std::size_t end = std::min(choices.find('|', start), choices.size());
    const std::string_view choice = choices.substr(start, end - start);
    if (choice == text) return index;
    listed += (listed.empty() ? "\"" : ", \"") + std::string(choice) + "\"";
    start = end + 1;
  }
  fail("is none of its values; choose one of " + listed);
}

std::map<std::string, std::string> Value::environment() const {
  const toml::table* table = node_.as_table();
  if (table == nullptr) {
    fail(std::string("must be a table, not ") + type_of(node_) + "; write [" + name_ +
         "] and NAME = \"value\" lines below it");
  }
  std::map<std::string, std::string> variables;
  for (const auto& [key, node] : *table) {
    const Value value(node, name_ + "." + printable(key.str()), file_);
    if (!is_variable_name(key.str())) {
      value.fail("is no name of an environment variable; use letters, digits and _");
    }
    const std::string_view text = value.string("a text");
    if (text.find('\0') != text.npos) value.fail("holds a zero byte; leave it out");
    variables.emplace(key.str(), text);
  }
  return variables;
}

void Value::fail(const std::string& problem) const {
  fail_at(file_, node_.source().begin.line, name_ + " " + problem);
}

void fail_at(const std::filesystem::path& file, std::size_t line, const std::string& problem) {
  throw Error(CKR_GENERAL_ERROR, file.string() + ":" + std::to_string(line) + ": " + problem);
}

std::string printable(std::string_view key) {
  static constexpr std::size_t kMaxSize = 64;
  std::string text(utf8_prefix(key, kMaxSize));
  if (!is_printable_utf8(text)) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  }
  return text;
}

}  // namespace mayfly
