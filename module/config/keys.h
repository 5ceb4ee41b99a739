// The table of all keys that a configuration file can hold.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "config/config.h"
#include "config/toml_text.h"

namespace mayfly {

class Value;

/// A table of the file.
struct ConfigTable {
  std::string_view name;
  std::string_view doc;  ///< one sentence or more; a page of the documentation is docs/NAME.md
};

/// For which devices a key is there.
enum class KeyFor { any, pkcs11, tpm };

/// A key of the file: what it is for, and how it gets into a Config. Whoever adds a key adds a row;
/// reading, checking, suggestions and the reference page all go by the rows.
struct ConfigKey {
  std::string_view table;
  std::string_view name;
  std::string_view type;  ///< for people: "text", "path", "true or false", "whole number, 1 to 9"
  std::string_view doc;   ///< one or two sentences
  std::string_view example;  ///< for a key without a default: a value as the file would write it
  bool required;
  KeyFor device;  ///< a key for another device.type than the configured one is refused
  void (*set)(Config& config, const Value& value);
  /// What a Config holds, as the file would write it; empty for what is not set. Of Config{}, the
  /// default.
  std::string (*show)(const Config& config);

  /// Whether a file for this kind of device may hold the key.
  [[nodiscard]] bool is_for(DeviceType kind) const noexcept;

  /// "device.module".
  [[nodiscard]] std::string full_name() const;
};

[[nodiscard]] std::span<const ConfigTable> config_tables() noexcept;
[[nodiscard]] std::span<const ConfigKey> config_keys() noexcept;

}  // namespace mayfly
