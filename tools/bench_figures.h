// What `mayfly bench` has measured.
#pragma once

#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace mayfly::tools {

/// What one operation took.
struct Figures {
  std::size_t count = 0;  ///< how often it was done
  double median_us = 0;
  double p99_us = 0;  ///< the 99th percentile: of a hundred, one took longer
  double per_second = 0;
};

/// @param times    In microseconds; not empty.
/// @param seconds  What all of them took together, by the clock on the wall.
[[nodiscard]] Figures figures_of(std::vector<double> times, double seconds);

/// One way to the device.
struct Way {
  std::string name;
  std::map<std::string, Figures> operations;  ///< by their names in kOperations
  std::string problem;                        ///< why there is nothing more; empty for no reason
};

/// The operations, in the order of a report.
inline constexpr const char* kOperations[] = {"generate", "sign", "cycle", "task"};

[[nodiscard]] nlohmann::json to_json(const Way& way);
/// Understands what to_json() has made.
/// @throws nlohmann::json::exception
[[nodiscard]] Way way_from(const nlohmann::json& object);

/// A table for people. Ratios are of medians, against the first way that has the operation.
void print_ways(std::ostream& out, const std::vector<Way>& ways);

/// The same as a picture: SVG 1.1, complete in itself.
/// @param title  Any text.
void draw_ways(std::ostream& out, const std::vector<Way>& ways, const std::string& title);

}  // namespace mayfly::tools
