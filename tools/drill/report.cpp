#include "tools/drill/report.h"

#include <algorithm>
#include <iomanip>
#include <ostream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/utf8.h"

namespace mayfly::drill {
namespace {

constexpr int kResultWidth = 11;
constexpr int kNameWidth = 28;

std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return printable_utf8(text);
}

/// A text as the value of an XML attribute.
std::string xml(const std::string& text) {
  std::string result;
  for (const char c : one_line(text)) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string seconds(std::chrono::milliseconds time) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(3) << static_cast<double>(time.count()) / 1000;
  return text.str();
}

std::string junit_case(const Attempt& attempt) {
  const Scenario& scenario = *attempt.scenario;
  const std::string message = " message=\"" + xml(attempt.outcome.detail) + "\"/>";
  std::string inside;
  switch (attempt.outcome.result) {
    case Result::held:
      break;
    case Result::broken:
      inside = "<failure type=\"attack succeeded\"" + message;
      break;
    case Result::not_tried:
      inside = "<skipped" + message;
      break;
    case Result::unclear:
      inside = "<error type=\"broke off\"" + message;
      break;
  }
  return "  <testcase classname=\"mayfly.drill\" name=\"" + xml(scenario.name) + "\" time=\"" +
         seconds(attempt.took) + "\">" + inside + "</testcase>\n";
}

nlohmann::json told(const Scenario& scenario) {
  return {{"name", scenario.name},
          {"attacker", scenario.attacker},
          {"attack", scenario.attack},
          {"must", scenario.must}};
}

}  // namespace

std::size_t count(const std::vector<Attempt>& attempts, Result result) {
  return static_cast<std::size_t>(std::ranges::count_if(
      attempts, [result](const Attempt& one) { return one.outcome.result == result; }));
}

void print_line(std::ostream& out, const Attempt& attempt) {
  const Scenario& scenario = *attempt.scenario;
  const bool broken = attempt.outcome.result == Result::broken;
  out << std::left << std::setw(kResultWidth)
      << (broken ? "BROKEN" : to_string(attempt.outcome.result)) << std::setw(kNameWidth)
      << scenario.name << ' ' << one_line(attempt.outcome.detail) << '\n';
  if (broken) {
    const std::string indent(kResultWidth, ' ');
    out << indent << "the attacker has: " << scenario.attacker << '\n'
        << indent << "what he did: " << scenario.attack << '\n'
        << indent << "what must happen: " << scenario.must << '\n';
  }
  out.flush();
}

void print_sum(std::ostream& out, const std::vector<Attempt>& attempts) {
  out << '\n'
      << attempts.size() << " attacks: " << count(attempts, Result::held) << " failed, "
      << count(attempts, Result::broken) << " succeeded, " << count(attempts, Result::not_tried)
      << " not tried, " << count(attempts, Result::unclear) << " unclear\n";
}

void print_json(std::ostream& out, const Subject& subject, const std::vector<Attempt>& attempts) {
  const std::size_t broken = count(attempts, Result::broken);
  const std::size_t unclear = count(attempts, Result::unclear);
  nlohmann::json report = {{"ok", broken == 0 && unclear == 0},
                           {"mayfly", MAYFLY_VERSION},
                           {"configuration", subject.configuration},
                           {"device", subject.device},
                           {"held", count(attempts, Result::held)},
                           {"broken", broken},
                           {"not_tried", count(attempts, Result::not_tried)},
                           {"unclear", unclear},
                           {"attacks", nlohmann::json::array()}};
  for (const Attempt& attempt : attempts) {
    nlohmann::json row = told(*attempt.scenario);
    row["result"] = to_string(attempt.outcome.result);
    row["detail"] = one_line(attempt.outcome.detail);
    row["milliseconds"] = attempt.took.count();
    report["attacks"].push_back(std::move(row));
  }
  out << report.dump(2) << '\n';
}

std::string junit(const Subject& subject, const std::vector<Attempt>& attempts) {
  std::chrono::milliseconds total{0};
  for (const Attempt& attempt : attempts) total += attempt.took;
  std::ostringstream text;
  text << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"mayfly drill\" tests=\""
       << attempts.size() << "\" failures=\"" << count(attempts, Result::broken) << "\" errors=\""
       << count(attempts, Result::unclear) << "\" skipped=\"" << count(attempts, Result::not_tried)
       << "\" time=\"" << seconds(total)
       << "\">\n  <properties>\n    <property name=\"configuration\" value=\""
       << xml(subject.configuration) << "\"/>\n    <property name=\"device\" value=\""
       << xml(subject.device) << "\"/>\n  </properties>\n";
  for (const Attempt& attempt : attempts) text << junit_case(attempt);
  text << "</testsuite>\n";
  return text.str();
}

void print_list(std::ostream& out) {
  for (const Scenario& scenario : scenarios()) {
    out << std::left << std::setw(kNameWidth) << scenario.name << ' ' << scenario.attack << '\n';
  }
}

void print_list_json(std::ostream& out) {
  nlohmann::json list = nlohmann::json::array();
  for (const Scenario& scenario : scenarios()) {
    nlohmann::json row = told(scenario);
    row["safeguards"] = nlohmann::json::array();
    for (const Safeguard safeguard : scenario.safeguards) {
      row["safeguards"].push_back(name_of(safeguard));
    }
    list.push_back(std::move(row));
  }
  out << list.dump(2) << '\n';
}

}  // namespace mayfly::drill
