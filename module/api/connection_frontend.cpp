#include "api/connection_frontend.h"

#include "base/error.h"

namespace mayfly::api {

ConnectionFrontend::ConnectionFrontend(TaskTable& tasks, std::size_t max_sessions)
    : tasks_(tasks), max_sessions_(max_sessions) {}

ConnectionFrontend::~ConnectionFrontend() = default;

void ConnectionFrontend::initialize(const InitializeArguments&) {
  if (application_) {
    throw Error(CKR_CRYPTOKI_ALREADY_INITIALIZED, "this connection is initialised already");
  }
  // An Ed25519 key makes Debian's libp11 crash, and p11-kit's client can't carry CKM_EDDSA.
  application_.emplace(tasks_, max_sessions_, ShownKeys::all_but(CKK_EC_EDWARDS));
}

void ConnectionFrontend::finalize() {
  if (!application_) {
    throw Error(CKR_CRYPTOKI_NOT_INITIALIZED, "this connection is not initialised");
  }
  const EndReport report = application_->finish();
  application_.reset();
  report.require_destroyed();
}

Application& ConnectionFrontend::enter(std::size_t&) {
  if (!application_) {
    throw Error(CKR_CRYPTOKI_NOT_INITIALIZED, "this connection is not initialised");
  }
  return *application_;
}

}  // namespace mayfly::api
