// What `mayfly doctor` found.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace mayfly::tools {

enum class Verdict { ok, warn, fail, skipped };

/// One thing that was looked at.
struct Finding {
  std::string name;  ///< "device login"
  Verdict verdict = Verdict::ok;
  std::string detail;  ///< what was found; unless all is well, what is wrong and how to mend it
};

/// The findings of one run, in order.
class Report {
 public:
  void ok(const std::string& name, const std::string& detail);
  void warn(const std::string& name, const std::string& problem);
  void fail(const std::string& name, const std::string& problem);
  /// @param missing  The finding that this one can't be made without.
  void skip(const std::string& name, const std::string& missing);

  /// Whether anything failed.
  [[nodiscard]] bool failed() const noexcept;

  /// A line for each finding.
  void print_text(std::ostream& out) const;
  /// {"ok": …, "checks": [{"name", "status", "detail"}, …]}
  void print_json(std::ostream& out) const;

 private:
  std::vector<Finding> findings_;
};

}  // namespace mayfly::tools
