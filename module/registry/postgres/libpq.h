// PostgreSQL's client library, loaded when it is first needed.
//
// It is not linked: with it would come LDAP, Kerberos and TLS into every process that loads
// libmayfly.so, wanted or not.
#pragma once

#include <libpq-fe.h>

namespace mayfly::postgres {

/// The functions of libpq that are used, under their names without PQ.
struct Libpq {
  decltype(&PQclear) clear;
  decltype(&PQcmdStatus) cmdStatus;
  decltype(&PQconninfoFree) conninfoFree;
  decltype(&PQconninfoParse) conninfoParse;
  decltype(&PQconnectPoll) connectPoll;
  decltype(&PQconnectStartParams) connectStartParams;
  decltype(&PQconsumeInput) consumeInput;
  decltype(&PQerrorMessage) errorMessage;
  decltype(&PQfinish) finish;
  decltype(&PQflush) flush;
  decltype(&PQfreemem) freemem;
  decltype(&PQftype) ftype;
  decltype(&PQgetResult) getResult;
  decltype(&PQgetisnull) getisnull;
  decltype(&PQgetlength) getlength;
  decltype(&PQgetvalue) getvalue;
  decltype(&PQisBusy) isBusy;
  decltype(&PQnfields) nfields;
  decltype(&PQnotifies) notifies;
  decltype(&PQntuples) ntuples;
  decltype(&PQresultErrorField) resultErrorField;
  decltype(&PQresultErrorMessage) resultErrorMessage;
  decltype(&PQresultStatus) resultStatus;
  decltype(&PQsendQuery) sendQuery;
  decltype(&PQsendQueryParams) sendQueryParams;
  decltype(&PQsetNoticeReceiver) setNoticeReceiver;
  decltype(&PQsetnonblocking) setnonblocking;
  decltype(&PQsocket) socket;
  decltype(&PQstatus) status;

  /// The library, which is never unloaded again.
  /// @throws Error CKR_GENERAL_ERROR when it is not installed or too old.
  [[nodiscard]] static const Libpq& get();
};

}  // namespace mayfly::postgres
