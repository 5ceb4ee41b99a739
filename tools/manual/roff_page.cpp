#include "tools/manual/roff_page.h"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace mayfly::tools {
namespace {

std::string upper(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

/// An argument of a macro.
std::string macro_argument(std::string_view text) {
  std::string result = "\"";
  for (const char c : roff_text(text)) {
    if (c == '"') {
      result += "\\(dq";
    } else {
      result += c;
    }
  }
  return result + "\"";
}

bool stands_as_it_is(std::string_view line) { return line.starts_with("  "); }

}  // namespace

std::string roff_text(std::string_view text) {
  std::string result;
  bool bold = false;
  const bool paired = std::ranges::count(text, '`') % 2 == 0;
  for (const char c : text) {
    if (c == '`' && paired) {
      bold = !bold;
      result += bold ? "\\fB" : "\\fR";
    } else if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else if (c == '\'') {
      result += "\\(aq";
    } else if ((c == '.') && (result.empty() || result.back() == '\n')) {
      result += "\\&.";
    } else {
      result += c;
    }
  }
  return result;
}

RoffPage::RoffPage(std::string_view name, int section, std::string_view manual,
                   std::string_view summary) {
  raw(".TH " + macro_argument(upper(name)) + " " + std::to_string(section) +
      " \"\" \"mayfly " MAYFLY_VERSION "\" " + macro_argument(manual));
  raw(".nh");
  raw(".ad l");
  this->section("Name");
  raw(std::string(roff_text(name)) + " \\- " + roff_text(summary));
}

void RoffPage::section(std::string_view title) { raw(".SH " + macro_argument(upper(title))); }

void RoffPage::subsection(std::string_view title) { raw(".SS " + macro_argument(title)); }

void RoffPage::paragraph() { raw(".PP"); }

void RoffPage::prose(std::string_view text) {
  // As a whole, since what is between backticks may go over lines.
  std::istringstream lines(roff_text(text));
  bool example = false;
  for (std::string line; std::getline(lines, line);) {
    if (example && !stands_as_it_is(line) && !line.empty()) {
      raw(".EE");
      raw(".PP");
      example = false;
    } else if (!example && stands_as_it_is(line)) {
      raw(".PP");
      raw(".EX");
      example = true;
    } else if (line.empty() && !example) {
      raw(".PP");
    }
    if (!line.empty()) raw(line);
  }
  if (example) raw(".EE");
}

void RoffPage::item(std::string_view term, std::string_view value, std::string_view text) {
  raw(".TP");
  std::string head = term.empty() ? "" : "\\fB" + roff_text(term) + "\\fR";
  if (!term.empty() && !value.empty()) head += ' ';
  if (!value.empty()) head += "\\fI" + roff_text(value) + "\\fR";
  raw(head);
  raw(roff_text(text));
}

void RoffPage::raw(std::string_view line) {
  text_ += line;
  text_ += '\n';
}

}  // namespace mayfly::tools
