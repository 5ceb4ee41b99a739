#include "registry/postgres/libpq.h"

#include "base/late_library.h"

namespace mayfly::postgres {
namespace {

Libpq load() {
  const LateLibrary library("libpq.so.5", "PostgreSQL's client library", "libpq5");
  Libpq pq{};
  library.find("PQclear", pq.clear);
  library.find("PQcmdStatus", pq.cmdStatus);
  library.find("PQconninfoFree", pq.conninfoFree);
  library.find("PQconninfoParse", pq.conninfoParse);
  library.find("PQconnectPoll", pq.connectPoll);
  library.find("PQconnectStartParams", pq.connectStartParams);
  library.find("PQconsumeInput", pq.consumeInput);
  library.find("PQerrorMessage", pq.errorMessage);
  library.find("PQfinish", pq.finish);
  library.find("PQflush", pq.flush);
  library.find("PQfreemem", pq.freemem);
  library.find("PQftype", pq.ftype);
  library.find("PQgetResult", pq.getResult);
  library.find("PQgetisnull", pq.getisnull);
  library.find("PQgetlength", pq.getlength);
  library.find("PQgetvalue", pq.getvalue);
  library.find("PQisBusy", pq.isBusy);
  library.find("PQnfields", pq.nfields);
  library.find("PQnotifies", pq.notifies);
  library.find("PQntuples", pq.ntuples);
  library.find("PQresultErrorField", pq.resultErrorField);
  library.find("PQresultErrorMessage", pq.resultErrorMessage);
  library.find("PQresultStatus", pq.resultStatus);
  library.find("PQsendQuery", pq.sendQuery);
  library.find("PQsendQueryParams", pq.sendQueryParams);
  library.find("PQsetNoticeReceiver", pq.setNoticeReceiver);
  library.find("PQsetnonblocking", pq.setnonblocking);
  library.find("PQsocket", pq.socket);
  library.find("PQstatus", pq.status);
  return pq;
}

}  // namespace

const Libpq& Libpq::get() {
  static const Libpq pq = load();
  return pq;
}

}  // namespace mayfly::postgres
