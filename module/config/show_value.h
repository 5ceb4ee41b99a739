// Values of the configuration, as they are written in its file. Empty for what is not set.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"
#include "config/toml_text.h"

namespace mayfly {

inline std::string show_text(std::string_view text) { return text.empty() ? "" : toml_text(text); }
inline std::string show_bool(bool value) { return value ? "true" : "false"; }
inline std::string show_duration(std::chrono::seconds value) {
  return toml_text(format_duration(value));
}

inline std::string show_pin_source(const PinSource& source) {
  if (source.value.empty()) return "";
  return toml_text(source.kind == PinSource::Kind::command ? "command:" + source.value
                                                           : source.describe());
}

inline std::string show_number(const std::optional<std::uint64_t>& value) {
  return value ? std::to_string(*value) : "";
}

/// Names that are apart by ", ", as a list of texts.
inline std::string show_names(std::string_view names) {
  std::string list = "[";
  while (!names.empty()) {
    const std::size_t end = std::min(names.find(", "), names.size());
    list += (list.size() == 1 ? "" : ", ") + toml_text(names.substr(0, end));
    names.remove_prefix(std::min(end + 2, names.size()));
  }
  return list + "]";
}

template <typename Ids>
std::string show_ids(const std::optional<Ids>& ids) {
  if (!ids) return "";
  std::string list = "[";
  for (const auto id : *ids) list += (list.size() == 1 ? "" : ", ") + std::to_string(id);
  return list + "]";
}

template <typename Ids>
std::string show_some_ids(const Ids& ids) {
  return ids.empty() ? "" : show_ids(std::optional<Ids>(ids));
}

/// The entry of a list separated by `|` that stands at `index`.
inline std::string_view entry(std::string_view list, std::size_t index) {
  for (; index > 0; --index) list.remove_prefix(list.find('|') + 1);
  return list.substr(0, list.find('|'));
}

inline std::string show_variables(const std::map<std::string, std::string>& variables) {
  if (variables.empty()) return "";
  std::string text = "{";
  for (const auto& [name, value] : variables) {
    text += (text.size() == 1 ? " " : ", ") + name + " = " + toml_text(value);
  }
  return text + " }";
}

}  // namespace mayfly
