#include "tools/audit_page.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ostream>

#include "base/task_binding.h"
#include "tools/audit_chains.h"
#include "tools/audit_entries.h"
#include "tools/markup.h"
#include "tools/utc_text.h"

namespace mayfly::tools {
namespace {

using ledger::Event;

// Of one chain. A browser shows more only slowly; --since and --until show the rest.
constexpr std::size_t kMostRows = 20'000;

constexpr char kHead[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" "
    "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>mayfly audit</title>\n<style>\n"
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;"
    "color:#1b1f24;background:#fff}\n"
    "h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:3rem;overflow-wrap:anywhere}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}\n"
    "dt{color:#57606a}dd{margin:0;overflow-wrap:anywhere}\n"
    ".verdict{display:inline-block;padding:.1rem .6rem;border-radius:1rem;color:#fff;"
    "background:#9a6700}\n"
    ".sealed{background:#1a7f37}.tampered{background:#cf222e}\n"
    "svg{width:100%;height:auto;margin:1rem 0;border:1px solid #d0d7de;border-radius:6px}\n"
    "table{border-collapse:collapse;width:100%;margin-bottom:1.5rem}\n"
    "th,td{text-align:left;vertical-align:top;padding:.2rem .6rem;border-top:1px solid #d0d7de}\n"
    "td:nth-child(-n+2){white-space:nowrap;font-variant-numeric:tabular-nums}\n"
    "td:last-child{overflow-wrap:anywhere}\n"
    ".refusal td:last-child{color:#cf222e}\n"
    "</style>\n</head>\n<body>\n<h1>What was done with the keys of tasks</h1>\n";

/// Where moments lie in a drawing.
class Scale {
 public:
  static constexpr int kLeft = 190;
  static constexpr int kRight = 980;

  Scale(std::uint64_t from_ms, std::uint64_t to_ms)
      : from_ms_(from_ms), length_ms_(std::max<std::uint64_t>(to_ms - from_ms, 1)) {}

  [[nodiscard]] double x(std::uint64_t time_ms) const {
    const std::uint64_t since = time_ms < from_ms_ ? 0 : time_ms - from_ms_;
    const double part =
        static_cast<double>(std::min(since, length_ms_)) / static_cast<double>(length_ms_);
    return kLeft + part * (kRight - kLeft);
  }
  [[nodiscard]] std::uint64_t at(int quarter) const {
    return from_ms_ + length_ms_ * static_cast<std::uint64_t>(quarter) / 4;
  }
  [[nodiscard]] std::uint64_t to_ms() const { return from_ms_ + length_ms_; }

 private:
  std::uint64_t from_ms_;
  std::uint64_t length_ms_;
};

/// A number with one digit behind the point, whatever the locale.
std::string number(double value) {
  const auto tenths = static_cast<long>(value * 10 + 0.5);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

constexpr int kLane = 26;
constexpr int kTop = 34;
constexpr std::size_t kColumns = 158;  // of signatures, five units wide each

/// How many of some entries fall into each column of a lane.
using Columns = std::array<std::uint64_t, kColumns>;

template <typename IsCounted>
Columns count(const ShownChain& chain, const Scale& scale, const IsCounted& is_counted) {
  Columns columns{};
  for (const ledger::Entry& entry : chain.entries) {
    if (!is_counted(entry)) continue;
    const double place = (scale.x(entry.time_ms) - Scale::kLeft) / 5;
    ++columns[std::min(static_cast<std::size_t>(place), kColumns - 1)];
  }
  return columns;
}

void print_columns(std::ostream& out, const Columns& columns, int y, const char* color,
                   const char* what) {
  const std::uint64_t most = std::max<std::uint64_t>(*std::ranges::max_element(columns), 1);
  for (std::size_t i = 0; i < kColumns; ++i) {
    if (columns[i] == 0) continue;
    const double height = 4 + 14 * static_cast<double>(columns[i]) / static_cast<double>(most);
    out << "<rect x=\"" << Scale::kLeft + 5 * static_cast<int>(i) << "\" y=\""
        << number(y + 18 - height) << "\" width=\"4\" height=\"" << number(height) << "\" fill=\""
        << color << "\"><title>" << columns[i] << ' ' << what << "</title></rect>\n";
  }
}

void print_axis(std::ostream& out, const Scale& scale, int bottom) {
  for (int quarter = 0; quarter <= 4; ++quarter) {
    const std::uint64_t time = scale.at(quarter);
    const std::string x = number(scale.x(time));
    const char* anchor = quarter == 0 ? "start" : quarter == 4 ? "end" : "middle";
    out << "<line x1=\"" << x << "\" y1=\"24\" x2=\"" << x << "\" y2=\"" << bottom
        << "\" stroke=\"#d0d7de\"/><text x=\"" << x << "\" y=\"18\" text-anchor=\"" << anchor
        << "\">" << utc_text_ms(time).substr(11, 12) << "</text>\n";
  }
}

void print_key(std::ostream& out, const ShownChain& chain, const Scale& scale,
               const std::string& name, const ledger::ChainKey& key, int y) {
  const double from = scale.x(key.made_ms);
  const double to = scale.x(key.destroyed_ms.value_or(scale.to_ms()));
  const bool alive = !key.destroyed_ms || key.pending;
  out << "<text x=\"8\" y=\"" << y + 14 << "\">" << escaped_markup(short_key(name)) << "</text>\n"
      << "<rect class=\"life\" x=\"" << number(from) << "\" y=\"" << y << "\" width=\""
      << number(std::max(to - from, 2.0)) << "\" height=\"18\" rx=\"3\" fill=\""
      << (alive ? "#ffd8b5" : "#b6e3ff") << "\"><title>" << escaped_markup(name) << ", "
      << escaped_markup(key.kind) << "</title></rect>\n";
  print_columns(out,
                count(chain, scale,
                      [&](const ledger::Entry& entry) {
                        return entry.event == Event::signature &&
                               entry.data.value("key", std::string()) == name;
                      }),
                y, "#0969da", "signatures");
}

void print_timeline(std::ostream& out, const ShownChain& chain) {
  const ledger::ChainSummary& sum = chain.found.summary;
  const Scale scale(sum.opened_ms, sum.last_ms);
  const int lanes = static_cast<int>(sum.keys.size()) + 1;
  const int bottom = kTop + lanes * kLane;
  out << "<svg viewBox=\"0 0 1000 " << bottom + 8
      << "\" role=\"img\" font-size=\"12\" font-family=\"system-ui,sans-serif\" "
         "fill=\"#1b1f24\">\n<title>The life of each key and what was done with it</title>\n";
  print_axis(out, scale, bottom);
  out << "<text x=\"8\" y=\"" << kTop + 14 << "\">refusals</text>\n";
  print_columns(
      out,
      count(chain, scale, [](const ledger::Entry& entry) { return entry.event == Event::refusal; }),
      kTop, "#cf222e", "refusals");
  int y = kTop + kLane;
  for (const auto& [name, key] : sum.keys) {
    print_key(out, chain, scale, name, key, y);
    y += kLane;
  }
  const std::uint64_t deadline = sum.deadline_unix_s * 1000;
  if (deadline >= sum.opened_ms && deadline <= sum.last_ms) {
    const std::string x = number(scale.x(deadline));
    out << "<line x1=\"" << x << "\" y1=\"24\" x2=\"" << x << "\" y2=\"" << bottom
        << "\" stroke=\"#cf222e\" stroke-dasharray=\"4 3\"><title>deadline</title></line>\n";
  }
  out << "</svg>\n";
}

void print_facts(std::ostream& out, const ShownChain& chain) {
  const ledger::ChainSummary& sum = chain.found.summary;
  const auto fact = [&out](const char* name, const std::string& value) {
    if (!value.empty()) out << "<dt>" << name << "</dt><dd>" << escaped_markup(value) << "</dd>\n";
  };
  const char* verdict = to_string(chain.found.verdict);
  out << "<dl>\n<dt>verdict</dt><dd><span class=\"verdict " << verdict << "\">" << verdict
      << "</span> " << escaped_markup(problem_text(chain.found)) << "</dd>\n";
  fact("file", chain.file);
  fact("serial", sum.task.serial);
  fact("agent", sum.permission.agent);
  fact("allowed by", approver_text(sum.permission));
  fact("grant", sum.permission.grant);
  fact("scope", sum.permission.scope);
  fact("child of", sum.permission.parent);
  fact("opened", utc_text_ms(sum.opened_ms));
  fact("deadline", utc_text(sum.deadline_unix_s));
  fact("ended", sum.end ? std::string(to_string(*sum.end)) + ", " + utc_text_ms(sum.last_ms)
                        : "not known; written by " + owner_text(sum.owner));
  fact("signatures", std::to_string(sum.signatures));
  fact("refusals", std::to_string(sum.refusals));
  if (sum.ledger_key) fact("ledger key", to_hex(thumbprint(*sum.ledger_key)));
  out << "</dl>\n";
}

void print_keys(std::ostream& out, const ledger::ChainSummary& sum) {
  if (sum.keys.empty()) return;
  out << "<table class=\"keys\">\n<tr><th>key</th><th>kind</th><th>made</th><th>destroyed</th>"
         "<th>signatures</th></tr>\n";
  for (const auto& [name, key] : sum.keys) {
    out << "<tr><td title=\"" << escaped_markup(name) << "\">" << escaped_markup(short_key(name))
        << "</td><td>" << escaped_markup(key.kind) << "</td><td>" << utc_text_ms(key.made_ms)
        << "</td><td>"
        << (!key.destroyed_ms ? "not known"
            : key.pending     ? "still owed by the device"
                              : utc_text_ms(*key.destroyed_ms))
        << "</td><td>" << key.signatures << "</td></tr>\n";
  }
  out << "</table>\n";
}

void print_entries(std::ostream& out, const std::vector<ledger::Entry>& entries) {
  const std::size_t shown = std::min(entries.size(), kMostRows);
  out << "<table class=\"entries\">\n<tr><th>entry</th><th>time (UTC)</th><th>what</th></tr>\n";
  for (std::size_t i = 0; i < shown; ++i) {
    const ledger::Entry& entry = entries[i];
    out << "<tr class=\"" << to_string(entry.event) << "\"><td>" << entry.number << "</td><td>"
        << utc_text_ms(entry.time_ms).substr(0, 23) << "</td><td>"
        << escaped_markup(entry_text(entry)) << "</td></tr>\n";
  }
  out << "</table>\n";
  if (shown < entries.size()) {
    out << "<p>" << entries.size() - shown
        << " more entries are left out: choose a part with --since and --until.</p>\n";
  }
}

}  // namespace

void print_page(std::ostream& out, const std::vector<ShownChain>& chains) {
  out << kHead;
  if (chains.empty()) out << "<p>No chain matches.</p>\n";
  for (const ShownChain& chain : chains) {
    const ledger::ChainSummary& sum = chain.found.summary;
    out << "<section>\n<h2>" << escaped_markup(sum.task.id.empty() ? chain.file : sum.task.id)
        << "</h2>\n";
    print_facts(out, chain);
    if (sum.head.entries != 0) print_timeline(out, chain);
    print_keys(out, sum);
    print_entries(out, chain.entries);
    out << "</section>\n";
  }
  out << "</body>\n</html>\n";
}

}  // namespace mayfly::tools
