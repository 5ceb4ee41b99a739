#include "tools/grant_text.h"

#include <iomanip>
#include <ostream>

#include "base/joined.h"
#include "config/config.h"
#include "grant/claims.h"
#include "tools/utc_text.h"
#include "tools/whole_file.h"

namespace mayfly::tools {
namespace {

constexpr std::size_t kMostRead = 64 * 1024;

std::string children_text(unsigned depth) {
  if (depth == 0) return "none";
  return depth == 1 ? "one level deep" : "up to " + std::to_string(depth) + " levels deep";
}

}  // namespace

std::string read_grant(const std::string& path) {
  std::string text = read_whole_file(path, kMostRead);
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

void print_grant(std::ostream& out, const grant::Grant& grant) {
  const auto line = [&out](const char* name, const std::string& value) {
    out << std::left << std::setw(13) << name << value << '\n';
  };
  const auto limit = [](const std::optional<std::uint64_t>& count) {
    return count ? "at most " + std::to_string(*count) : std::string("as the broker's policy says");
  };
  line("task", grant.task);
  if (grant.parent) line("child of", *grant.parent);
  line("agent", grant.agent);
  line("issuer", grant.issuer);
  line("id", grant.id);
  line("for", joined(grant.audience, ", "));
  line("issued", utc_text(grant.issued_at));
  if (grant.not_before) line("not before", utc_text(*grant.not_before));
  line("opens until", utc_text(grant.expires));
  line("lives", format_duration(grant.ttl) + " at most");
  line("signatures", limit(grant.max_signatures));
  line("keys", limit(grant.max_keys));
  line("mechanisms",
       grant.mechanisms.empty() ? "as the broker's policy says" : joined(grant.mechanisms, ", "));
  if (!grant.scope.empty()) line("scope", joined(grant.scope, ", "));
  line("children", children_text(grant.children));
}

nlohmann::json claims_json(const grant::Grant& grant) {
  return nlohmann::json::parse(grant::to_json(grant));
}

}  // namespace mayfly::tools
