#include "device/pkcs11/session_pool.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/log.h"
#include "device/pkcs11/answers.h"
#include "device/pkcs11/vendor_module.h"

namespace mayfly::pkcs11 {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kMaxIdle = 16;
constexpr std::chrono::seconds kBorrowPatience{10};
// How long the device's own "no more sessions" is believed, so that a busy process does not ask it
// anew for every signature.
constexpr std::chrono::seconds kFullFor{1};

/// Sessions that are kept free of keys so that signing always finds some.
std::size_t kept_for_signing(std::size_t limit) { return std::max<std::size_t>(1, limit / 4); }

}  // namespace

SessionPool::Lease::~Lease() {
  if (session_ != nullptr) pool_.give_back(std::move(session_));
}

void SessionPool::Lease::discard() noexcept {
  pool_.discard(*session_);
  session_.reset();
}

SessionPool::SessionPool(CK_FUNCTION_LIST_PTR functions, CK_SLOT_ID slot, std::size_t limit)
    : functions_(functions),
      slot_(slot),
      limit_(limit == 0 ? std::numeric_limits<std::size_t>::max() : limit),
      max_holders_(limit_ - kept_for_signing(limit_)) {
  idle_.reserve(kMaxIdle);
}

SessionPool::Lease SessionPool::lend() {
  Lock lock(mutex_);
  std::shared_ptr<DeviceSession> session = take_idle();
  if (session == nullptr && may_open()) {
    ++open_;
    session = open(lock, false);
  }
  if (session == nullptr && signers_ > 0) session = wait(lock);
  return {*this, std::move(session)};
}

std::shared_ptr<DeviceSession> SessionPool::holder() {
  Lock lock(mutex_);
  if (holders_ < max_holders_) {
    if (may_open()) {
      ++open_;
      ++holders_;
      if (auto session = open(lock, true)) return session;
    }
    if (signers_ > 1) {
      if (auto session = take_idle()) {
        make_holder(*session);
        return session;
      }
    }
  }
  if (auto session = least_used_holder()) return session;
  if (signers_ > 1) {
    auto session = wait(lock);
    make_holder(*session);
    return session;
  }
  // Before it is given up, the device is asked again, whatever it said a moment ago.
  if (holders_ < max_holders_ && open_ < limit_) {
    ++open_;
    ++holders_;
    if (auto session = open(lock, true)) return session;
  }
  throw Error(CKR_SESSION_COUNT,
              "the device gives no session for new keys; close other applications' sessions, or "
              "raise device.max-sessions if it is too low");
}

CK_RV SessionPool::close(DeviceSession& session) noexcept {
  Lock lock(mutex_);
  if (session.gone) return CKR_OK;
  // Taken out first: as soon as it is closed, the device may give its handle to a new session.
  auto entry = sessions_.extract(session.handle);
  lock.unlock();
  const CK_RV rv = functions_->C_CloseSession(session.handle);
  const bool closed = rv == CKR_OK || (says_session_dead(rv) && is_dead(session));
  lock.lock();
  if (!closed) {
    put_back(std::move(entry));
    return rv;
  }
  if (rv != CKR_OK) ++losses_;
  retire(session);
  return CKR_OK;
}

void SessionPool::put_back(Sessions::node_type entry) noexcept {
  try {
    if (entry) sessions_.insert(std::move(entry));
  } catch (const std::bad_alloc&) {
    // Then it is not shared any more, nor missed when the device gives its handle anew.
  }
}

void SessionPool::discard(DeviceSession& session) noexcept {
  if (close(session) == CKR_OK) return;
  log::warn("a session of the device can't be closed now; it is tried again");
  abandon(session);
}

void SessionPool::abandon(DeviceSession& session) noexcept {
  const Lock lock(mutex_);
  if (session.gone) return;
  if (!session.holder) make_holder(session);  // nobody waits for it to come back
  session.abandoned = true;
  any_abandoned_ = true;
}

template <typename Predicate>
std::list<std::shared_ptr<DeviceSession>> SessionPool::select(Predicate predicate) {
  std::list<std::shared_ptr<DeviceSession>> selected;
  const Lock lock(mutex_);
  try {
    for (const auto& [handle, session] : sessions_) {
      if (predicate(*session)) selected.push_back(session);
    }
  } catch (const std::bad_alloc&) {
    any_abandoned_ = true;  // so the rest has its turn later
  }
  return selected;
}

void SessionPool::close_all() noexcept {
  for (const auto& session : select([](const DeviceSession&) { return true; })) close(*session);
}

void SessionPool::close_abandoned() noexcept {
  if (!any_abandoned_.exchange(false)) return;
  for (const auto& session :
       select([](const DeviceSession& each) { return each.abandoned.load(); })) {
    const std::unique_lock use(session->mutex, std::try_to_lock);
    if (use && session->keys > 0) {
      session->abandoned = false;  // it has found a use, and is closed when that ends
    } else if (!use || close(*session) != CKR_OK) {
      any_abandoned_ = true;
    }
  }
}

bool SessionPool::bury_if_dead(DeviceSession& session) noexcept {
  if (!is_dead(session)) return false;
  const Lock lock(mutex_);
  ++losses_;
  retire(session);
  return true;
}

bool SessionPool::is_dead(const DeviceSession& session) const noexcept {
  CK_SESSION_INFO info{};
  return says_session_dead(functions_->C_GetSessionInfo(session.handle, &info));
}

void SessionPool::forget_all() noexcept {
  const Lock lock(mutex_);
  while (!sessions_.empty()) retire(*std::shared_ptr(sessions_.begin()->second));
}

/// Opens a session that open_ (and holders_) counts already.
/// @return null when the device has no more sessions.
std::shared_ptr<DeviceSession> SessionPool::open(Lock& lock, bool as_holder) {
  const bool writable = read_write_;
  lock.unlock();
  const CK_FLAGS flags = CKF_SERIAL_SESSION | (writable ? CKF_RW_SESSION : 0);
  CK_SESSION_HANDLE handle = CK_INVALID_HANDLE;
  const CK_RV rv = functions_->C_OpenSession(slot_, flags, nullptr, nullptr, &handle);
  lock.lock();
  if (rv != CKR_OK) {
    if (rv == CKR_SESSION_COUNT) full_until_ = steady_clock::now() + kFullFor;
    cancel_open(as_holder);
    if (rv == CKR_SESSION_COUNT) return nullptr;
    check(rv, "opening a session on the device");
  }
  try {
    auto session = std::make_shared<DeviceSession>(handle, ++opened_, writable);
    session->holder = as_holder;
    adopt(session);
    return session;
  } catch (...) {
    functions_->C_CloseSession(handle);
    cancel_open(as_holder);
    throw;
  }
}

std::shared_ptr<DeviceSession> SessionPool::wait(Lock& lock) {
  const auto end = steady_clock::now() + kBorrowPatience;
  Waiter self;
  waiters_.push_back(&self);
  while (self.ready.wait_until(lock, end, [&] { return self.session || self.may_open; })) {
    if (self.session != nullptr) return std::move(self.session);
    self.may_open = false;
    if (auto session = open(lock, false)) return session;
    waiters_.push_front(&self);
  }
  std::erase(waiters_, &self);
  throw Error(CKR_SESSION_COUNT,
              "no session of the device became free in time; raise device.max-sessions, or let "
              "fewer threads sign at once");
}

bool SessionPool::may_open() const noexcept {
  return open_ < limit_ &&
         (full_until_ == steady_clock::time_point{} || steady_clock::now() >= full_until_);
}

void SessionPool::cancel_open(bool as_holder) noexcept {
  --open_;
  if (as_holder) --holders_;
  grant_waiters();
}

std::shared_ptr<DeviceSession> SessionPool::take_idle() noexcept {
  if (idle_.empty()) return nullptr;
  std::shared_ptr<DeviceSession> session = std::move(idle_.back());
  idle_.pop_back();
  return session;
}

std::shared_ptr<DeviceSession> SessionPool::least_used_holder() const noexcept {
  std::shared_ptr<DeviceSession> best;
  for (const auto& [handle, session] : sessions_) {
    if (session->holder && !session->lost && (best == nullptr || session->keys < best->keys)) {
      best = session;
    }
  }
  return best;
}

void SessionPool::make_holder(DeviceSession& session) noexcept {
  session.holder = true;
  --signers_;
  ++holders_;
}

void SessionPool::adopt(const std::shared_ptr<DeviceSession>& session) {
  const std::shared_ptr<DeviceSession> old = std::exchange(sessions_[session->handle], session);
  if (!session->holder) ++signers_;
  if (old == nullptr) return;
  // The device gave a number that it had given before: the old session died unnoticed.
  old->lost = true;
  ++losses_;
  retire(*old);
}

void SessionPool::retire(DeviceSession& session) noexcept {
  if (session.gone.exchange(true)) return;
  --open_;
  --(session.holder ? holders_ : signers_);
  full_until_ = {};
  std::erase_if(idle_, [&](const auto& idle) { return idle.get() == &session; });
  const auto entry = sessions_.find(session.handle);
  if (entry != sessions_.end() && entry->second.get() == &session) sessions_.erase(entry);
  grant_waiters();
}

void SessionPool::grant_waiters() noexcept {
  while (!waiters_.empty() && may_open()) {
    Waiter& first = *waiters_.front();
    waiters_.pop_front();
    ++open_;
    first.may_open = true;
    first.ready.notify_one();
  }
}

void SessionPool::give_back(std::shared_ptr<DeviceSession> session) noexcept {
  Lock lock(mutex_);
  if (session->gone) return;
  if (!waiters_.empty()) {
    Waiter& first = *waiters_.front();
    waiters_.pop_front();
    first.session = std::move(session);
    first.ready.notify_one();
  } else if (idle_.size() < kMaxIdle) {
    idle_.push_back(std::move(session));
  } else {
    lock.unlock();
    discard(*session);
  }
}

}  // namespace mayfly::pkcs11
