// One value of the configuration file, read as the type that its key wants.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace mayfly {
/// Throws std::logic_error: toml++ met what it holds for impossible. Some texts bring it there
/// ("[=" in 3.3), and by itself it would end the process, or go on with undefined behaviour.
[[noreturn]] void toml_is_at_a_loss();
}  // namespace mayfly
#define TOML_ASSERT(condition) ((condition) ? static_cast<void>(0) : ::mayfly::toml_is_at_a_loss())

// With NDEBUG, toml++ would take the macro away.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

#include "config/config.h"

namespace mayfly {

/// A value in the file, with its full name and its place for messages.
///
/// The functions that read it throw Error CKR_GENERAL_ERROR "FILE:LINE: NAME …; how to mend it".
/// The messages never repeat a text of the file.
class Value {
 public:
  Value(const toml::node& node, std::string name, const std::filesystem::path& file)
      : node_(node), name_(std::move(name)), file_(file) {}

  [[nodiscard]] bool boolean() const;
  /// A whole number from `least` to `most`.
  [[nodiscard]] std::size_t number(std::size_t least, std::size_t most) const;
  /// A text that is neither empty nor holds control characters.
  [[nodiscard]] std::string text() const;
  /// A path; a relative one becomes absolute from the configuration's folder.
  [[nodiscard]] std::filesystem::path path() const;
  /// A path of a library: as path(), but a name without a slash stays as it is.
  [[nodiscard]] std::filesystem::path library() const;
  /// The full path of a program, with its arguments apart by spaces.
  [[nodiscard]] std::string program() const;
  [[nodiscard]] std::chrono::seconds duration() const;
  [[nodiscard]] PinSource pin_source() const;
  /// A PKCS#11 URI that names a token. Only what no token could ever match is refused here.
  [[nodiscard]] std::string token_uri() const;
  /// A URL of a PostgreSQL database, without a password.
  [[nodiscard]] std::string postgresql_url() const;
  /// A URI with http or https, of printable ASCII without spaces.
  [[nodiscard]] std::string http_uri() const;
  /// A numeric address with a port.
  [[nodiscard]] ListenAddress listen_address() const;
  /// The place of the text among `choices`, which are separated by `|`.
  [[nodiscard]] std::size_t choice(std::string_view choices) const;
  /// A list of names of signing mechanisms.
  [[nodiscard]] MechanismSet mechanisms() const;
  /// A list of names of kinds of key pairs.
  [[nodiscard]] KeySpecSet key_kinds() const;
  /// A list of users or groups of this machine, by name or number.
  [[nodiscard]] std::set<uid_t> users() const;
  [[nodiscard]] std::set<gid_t> groups() const;
  /// A table from names of environment variables to texts.
  [[nodiscard]] std::map<std::string, std::string> environment() const;

  [[noreturn]] void fail(const std::string& problem) const;

 private:
  template <typename Take>
  void for_each(std::string_view wanted, Take&& take) const;
  template <typename Id, typename Find>
  [[nodiscard]] std::set<Id> accounts(const char* what, Find&& find) const;
  [[nodiscard]] std::string_view string(std::string_view wanted) const;

  const toml::node& node_;
  std::string name_;
  const std::filesystem::path& file_;
};

/// Throws Error CKR_GENERAL_ERROR "FILE:LINE: PROBLEM".
[[noreturn]] void fail_at(const std::filesystem::path& file, std::size_t line,
                          const std::string& problem);

/// A key of the file as messages show it: cut at 64 bytes, without control characters.
[[nodiscard]] std::string printable(std::string_view key);

}  // namespace mayfly
