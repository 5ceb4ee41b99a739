// SqlRegistry's tickets.
#include "registry/record_checks.h"
#include "registry/sql_registry.h"

namespace mayfly {

using Access = SqlDatabase::Access;

namespace {

constexpr std::size_t kMostGrant = 8'192;

}  // namespace

void SqlRegistry::add_ticket(ByteView ticket_hash, const std::string& grant,
                             std::uint64_t expires) {
  check_ticket_hash(ticket_hash);
  check_text(grant, 1, kMostGrant, "a ticket's grant");
  const std::int64_t until = checked_number(expires, "a ticket's end");
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    const SqlRows rows = transaction.run(
        "INSERT INTO ticket(hash, grant_text, expires) VALUES ($1, $2, $3) "
        "ON CONFLICT (hash) DO UPDATE SET expires = excluded.expires "
        "WHERE ticket.grant_text = excluded.grant_text RETURNING expires",
        {to_bytes(ticket_hash), grant, until});
    if (rows.empty()) {
      throw Error(CKR_ARGUMENTS_BAD, "the ticket is another grant's; make a new one");
    }
  });
}

std::optional<std::string> SqlRegistry::take_ticket(ByteView ticket_hash) {
  check_ticket_hash(ticket_hash);
  std::optional<std::string> grant;
  database().transact(Access::write, [&](SqlTransaction& transaction) {
    grant.reset();
    const SqlRows rows =
        transaction.run("DELETE FROM ticket WHERE hash = $1 RETURNING grant_text, expires",
                        {to_bytes(ticket_hash)});
    if (!rows.empty() && rows[0].number(1) > transaction.now() / 1'000) grant = rows[0].text(0);
  });
  return grant;
}

}  // namespace mayfly
