#include "api/frontend.h"

namespace mayfly::api {
namespace {

thread_local Frontend* bound = nullptr;

}  // namespace

Frontend& current_frontend() noexcept { return bound != nullptr ? *bound : process_frontend(); }

BoundFrontend::BoundFrontend(Frontend& frontend) noexcept : previous_(bound) { bound = &frontend; }

BoundFrontend::~BoundFrontend() { bound = previous_; }

}  // namespace mayfly::api
