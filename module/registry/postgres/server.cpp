#include "registry/postgres/server.h"

#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/utf8.h"
#include "registry/postgres/libpq.h"

namespace mayfly::postgres {

std::string describe(const Server& server) {
  const Libpq& pq = Libpq::get();
  char* reason = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      pq.conninfoParse(server.url.c_str(), &reason), pq.conninfoFree);
  pq.freemem(reason);  // which may repeat a password
  if (!options) {
    throw Error(CKR_GENERAL_ERROR,
                "registry.url is no URL of PostgreSQL; write "
                "postgresql://USER@HOST:PORT/DATABASE");
  }
  std::string host = "a local socket";
  std::string database = "of the user's name";
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr || *option->val == '\0') continue;
    const std::string_view keyword = option->keyword;
    if (keyword == "password" || keyword == "sslpassword") {
      throw Error(CKR_GENERAL_ERROR,
                  "registry.url holds a password, and no password belongs there; use the key "
                  "registry.password-source");
    }
    if (keyword == "host" || (keyword == "hostaddr" && host.empty())) host = option->val;
    if (keyword == "dbname") database = option->val;
  }
  return "PostgreSQL " + printable_utf8(database) + " at " + printable_utf8(host);
}

}  // namespace mayfly::postgres
