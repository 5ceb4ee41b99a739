#include "registry/postgres/libpq.h"

#include <dlfcn.h>
#include <string>

#include "base/error.h"

namespace mayfly::postgres {
namespace {

constexpr char kLibrary[] = "libpq.so.5";

[[noreturn]] void fail() {
  const char* reason = dlerror();
  throw Error(CKR_GENERAL_ERROR, std::string("PostgreSQL's client library can't be loaded: ") +
                                     (reason == nullptr ? kLibrary : reason) +
                                     "; install Debian's package libpq5");
}

template <typename Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) fail();
}

Libpq load() {
  void* library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) fail();
  Libpq pq{};
  find(library, "PQclear", pq.clear);
  find(library, "PQcmdStatus", pq.cmdStatus);
  find(library, "PQconninfoFree", pq.conninfoFree);
  find(library, "PQconninfoParse", pq.conninfoParse);
  find(library, "PQconnectPoll", pq.connectPoll);
  find(library, "PQconnectStartParams", pq.connectStartParams);
  find(library, "PQconsumeInput", pq.consumeInput);
  find(library, "PQerrorMessage", pq.errorMessage);
  find(library, "PQfinish", pq.finish);
  find(library, "PQflush", pq.flush);
  find(library, "PQfreemem", pq.freemem);
  find(library, "PQftype", pq.ftype);
  find(library, "PQgetResult", pq.getResult);
  find(library, "PQgetisnull", pq.getisnull);
  find(library, "PQgetlength", pq.getlength);
  find(library, "PQgetvalue", pq.getvalue);
  find(library, "PQisBusy", pq.isBusy);
  find(library, "PQnfields", pq.nfields);
  find(library, "PQnotifies", pq.notifies);
  find(library, "PQntuples", pq.ntuples);
  find(library, "PQresultErrorField", pq.resultErrorField);
  find(library, "PQresultErrorMessage", pq.resultErrorMessage);
  find(library, "PQresultStatus", pq.resultStatus);
  find(library, "PQsendQuery", pq.sendQuery);
  find(library, "PQsendQueryParams", pq.sendQueryParams);
  find(library, "PQsetNoticeReceiver", pq.setNoticeReceiver);
  find(library, "PQsetnonblocking", pq.setnonblocking);
  find(library, "PQsocket", pq.socket);
  find(library, "PQstatus", pq.status);
  return pq;
}

}  // namespace

const Libpq& Libpq::get() {
  static const Libpq pq = load();
  return pq;
}

}  // namespace mayfly::postgres
