#include "tools/bench_figures.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <ostream>

#include "tools/markup.h"

namespace mayfly::tools {
namespace {

constexpr double kHardly = 1e-9;

/// The value below which a share of sorted times lies, by nearest rank.
double percentile(const std::vector<double>& sorted, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted.at(std::clamp<std::size_t>(rank, 1, sorted.size()) - 1);
}

const Figures* find_figures(const Way& way, const std::string& operation) {
  const auto found = way.operations.find(operation);
  return found == way.operations.end() ? nullptr : &found->second;
}

/// What others are compared with.
const Figures* first_of(const std::vector<Way>& ways, const std::string& operation) {
  for (const Way& way : ways) {
    if (const Figures* figures = find_figures(way, operation)) return figures;
  }
  return nullptr;
}

/// "12.3 us", "4.56 ms": three digits that say something.
std::string duration_text(double microseconds) {
  const bool long_one = microseconds >= 1'000;
  const double value = long_one ? microseconds / 1'000 : microseconds;
  std::ostringstream text;
  text << std::fixed
       << std::setprecision(value < 10    ? 2
                            : value < 100 ? 1
                                          : 0)
       << value << (long_one ? " ms" : " us");
  return text.str();
}

}  // namespace

Figures figures_of(std::vector<double> times, double seconds) {
  std::sort(times.begin(), times.end());
  return {times.size(), percentile(times, 0.5), percentile(times, 0.99),
          static_cast<double>(times.size()) / std::max(seconds, kHardly)};
}

nlohmann::json to_json(const Way& way) {
  nlohmann::json operations = nlohmann::json::object();
  for (const auto& [name, figures] : way.operations) {
    operations[name] = {{"count", figures.count},
                        {"median_us", figures.median_us},
                        {"p99_us", figures.p99_us},
                        {"per_second", figures.per_second}};
  }
  nlohmann::json object = {{"way", way.name}, {"operations", std::move(operations)}};
  if (!way.problem.empty()) object["problem"] = way.problem;
  return object;
}

Way way_from(const nlohmann::json& object) {
  Way way{object.at("way"), {}, object.value("problem", "")};
  for (const auto& [name, figures] : object.at("operations").items()) {
    way.operations[name] = {figures.at("count"), figures.at("median_us"), figures.at("p99_us"),
                            figures.at("per_second")};
  }
  return way;
}

void print_ways(std::ostream& out, const std::vector<Way>& ways) {
  std::size_t width = 0;
  for (const Way& way : ways) width = std::max(width, way.name.size());
  out << std::left << std::setw(10) << "operation" << std::setw(static_cast<int>(width) + 2)
      << "way" << std::right << std::setw(10) << "median" << std::setw(10) << "p99" << std::setw(12)
      << "per second" << std::setw(8) << "ratio" << '\n';
  for (const char* const operation : kOperations) {
    const Figures* const first = first_of(ways, operation);
    for (const Way& way : ways) {
      const Figures* const figures = find_figures(way, operation);
      if (figures == nullptr) continue;
      out << std::left << std::setw(10) << operation << std::setw(static_cast<int>(width) + 2)
          << way.name << std::right << std::setw(10) << duration_text(figures->median_us)
          << std::setw(10) << duration_text(figures->p99_us) << std::setw(12) << std::fixed
          << std::setprecision(1) << figures->per_second << std::setw(8) << std::setprecision(2)
          << figures->median_us / std::max(first->median_us, kHardly) << '\n';
    }
  }
  for (const Way& way : ways) {
    if (!way.problem.empty()) out << way.name << ": " << way.problem << '\n';
  }
}

void draw_ways(std::ostream& out, const std::vector<Way>& ways, const std::string& title) {
  constexpr int kWidth = 900;
  constexpr int kNames = 190;  // where bars begin
  constexpr int kBars = 520;   // how long they are at most
  constexpr int kRow = 22;
  std::ostringstream rows;
  int y = 40;
  for (const char* const operation : kOperations) {
    double most = kHardly;
    for (const Way& way : ways) {
      if (const Figures* figures = find_figures(way, operation)) {
        most = std::max(most, figures->p99_us);
      }
    }
    if (first_of(ways, operation) == nullptr) continue;
    y += kRow;
    rows << "<text x=\"10\" y=\"" << y << "\" class=\"operation\">" << operation << "</text>\n";
    for (const Way& way : ways) {
      const Figures* const figures = find_figures(way, operation);
      if (figures == nullptr) continue;
      y += kRow;
      const double median = kBars * figures->median_us / most;
      const double p99 = kBars * figures->p99_us / most;
      rows << "<text x=\"20\" y=\"" << y << "\">" << escaped_markup(way.name) << "</text>"
           << "<rect x=\"" << kNames << "\" y=\"" << y - 12 << "\" width=\"" << median
           << "\" height=\"14\"/><line x1=\"" << kNames + median << "\" x2=\"" << kNames + p99
           << "\" y1=\"" << y - 5 << "\" y2=\"" << y - 5 << "\"/><text x=\"" << kNames + p99 + 6
           << "\" y=\"" << y << "\">" << duration_text(figures->median_us) << ", p99 "
           << duration_text(figures->p99_us) << "</text>\n";
    }
    y += kRow / 2;
  }
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << kWidth << "\" height=\""
      << y + kRow << "\" font-family=\"sans-serif\" font-size=\"13\">\n"
      << "<style>rect{fill:#0969da}line{stroke:#0969da;stroke-width:2}"
         ".operation{font-weight:bold}</style>\n"
      << "<rect width=\"100%\" height=\"100%\" style=\"fill:#fff\"/>\n"
      << "<text x=\"10\" y=\"24\" font-size=\"16\">" << escaped_markup(title) << "</text>\n"
      << rows.str() << "</svg>\n";
}

}  // namespace mayfly::tools
