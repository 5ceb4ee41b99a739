#include "tools/report.h"

#include <algorithm>
#include <iomanip>
#include <ostream>

#include <nlohmann/json.hpp>

namespace mayfly::tools {
namespace {

const char* word(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::ok:
      return "ok";
    case Verdict::warn:
      return "warn";
    case Verdict::fail:
      return "fail";
    case Verdict::skipped:
      break;
  }
  return "skipped";
}

}  // namespace

void Report::ok(const std::string& name, const std::string& detail) {
  findings_.push_back({name, Verdict::ok, detail});
}

void Report::warn(const std::string& name, const std::string& problem) {
  findings_.push_back({name, Verdict::warn, problem});
}

void Report::fail(const std::string& name, const std::string& problem) {
  findings_.push_back({name, Verdict::fail, problem});
}

void Report::skip(const std::string& name, const std::string& missing) {
  findings_.push_back({name, Verdict::skipped, "needs " + missing});
}

bool Report::failed() const noexcept {
  return std::any_of(findings_.begin(), findings_.end(),
                     [](const Finding& finding) { return finding.verdict == Verdict::fail; });
}

void Report::print_text(std::ostream& out) const {
  for (const Finding& finding : findings_) {
    const bool plain = finding.verdict == Verdict::ok || finding.verdict == Verdict::skipped;
    out << std::left << std::setw(9) << word(finding.verdict) << std::setw(20) << finding.name
        << (plain ? "" : "— ") << finding.detail << '\n';
  }
}

void Report::print_json(std::ostream& out) const {
  using Json = nlohmann::ordered_json;
  Json checks = Json::array();
  for (const Finding& finding : findings_) {
    checks.push_back(
        {{"name", finding.name}, {"status", word(finding.verdict)}, {"detail", finding.detail}});
  }
  // A device's texts are not ours: what is no UTF-8 must not make the report fail.
  out << Json{{"ok", !failed()}, {"checks", std::move(checks)}}.dump(2, ' ', false,
                                                                     Json::error_handler_t::replace)
      << '\n';
}

}  // namespace mayfly::tools
