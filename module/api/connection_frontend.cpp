#include "api/connection_frontend.h"

#include "base/error.h"

namespace mayfly::api {

ConnectionFrontend::ConnectionFrontend(TaskTable& tasks, std::size_t max_sessions, ShownKeys shown)
    : tasks_(tasks), max_sessions_(max_sessions), shown_(shown) {}

ConnectionFrontend::~ConnectionFrontend() = default;

void ConnectionFrontend::initialize(const InitializeArguments&) {
  if (application_) {
    throw Error(CKR_CRYPTOKI_ALREADY_INITIALIZED, "this connection is initialised already");
  }
  application_.emplace(tasks_, max_sessions_, shown_);
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
