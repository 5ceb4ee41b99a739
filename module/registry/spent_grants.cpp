#include "registry/spent_grants.h"

#include "registry/record_checks.h"
#include "registry/registry_refused.h"

namespace mayfly {
namespace {

// Of a revoked grant only the name is known: longer than any grant lives.
constexpr std::chrono::hours kLongestLife{24 * 365 * 10};

[[noreturn]] void refuse(RegistryRefusal reason, const GrantName& name, const char* why) {
  const CK_RV rv = reason == RegistryRefusal::grant_revoked ? CKR_PIN_INCORRECT : CKR_PIN_EXPIRED;
  throw RegistryRefused(reason, rv, "grant " + name.id + " of " + name.issuer + " " + why);
}

/// Until when a grant's use is remembered, in seconds since 1970.
std::int64_t keep_until(std::uint64_t expires) {
  return checked_number(expires, "a grant's exp") + std::chrono::seconds(kGrantMargin).count();
}

}  // namespace

void spend(SqlTransaction& transaction, const GrantUse& grant) {
  const GrantName& name = grant.name;
  const std::int64_t until = keep_until(grant.expires);
  if (until <= transaction.now() / 1'000) {
    refuse(RegistryRefusal::grant_expired, name, "expired long ago");
  }
  if (!transaction.run("SELECT 1 FROM revoked_grant WHERE id = $1", {name.id}).empty()) {
    refuse(RegistryRefusal::grant_revoked, name, "was revoked");
  }
  const SqlRows spent = transaction.run(
      "INSERT INTO spent_grant(id, issuer, revoked, keep_until) VALUES ($1, $2, 0, $3) "
      "ON CONFLICT DO NOTHING RETURNING id",
      {name.id, name.issuer, until});
  if (!spent.empty()) return;
  const SqlRows before = transaction.run(
      "SELECT revoked FROM spent_grant WHERE id = $1 AND issuer = $2", {name.id, name.issuer});
  if (before.at(0).number(0) != 0) refuse(RegistryRefusal::grant_revoked, name, "was revoked");
  refuse(RegistryRefusal::grant_spent, name, "has opened its one task");
}

void revoke(SqlTransaction& transaction, const GrantName& name) {
  const std::int64_t until = transaction.now() / 1'000 + std::chrono::seconds(kLongestLife).count();
  if (name.issuer.empty()) {
    transaction.run(
        "INSERT INTO revoked_grant(id, keep_until) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        {name.id, until});
    return;
  }
  transaction.run(
      "INSERT INTO spent_grant(id, issuer, revoked, keep_until) VALUES ($1, $2, 1, $3) "
      "ON CONFLICT (id, issuer) DO UPDATE SET revoked = 1",
      {name.id, name.issuer, until});
}

}  // namespace mayfly
