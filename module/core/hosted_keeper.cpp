#include "core/hosted_keeper.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/error.h"
#include "core/session.h"

namespace mayfly {

/// Calls the host. The task ends here if it turns out to have ended there.
template <typename Call>
decltype(auto) HostedKeeper::ask(Task& task, Call&& call) {
  try {
    return std::forward<Call>(call)();
  } catch (const Error&) {
    if (const auto cause = host_->end()) task.end(*cause);
    throw;
  }
}

TaskStatus HostedKeeper::status(Task& task) {
  try {
    TaskStatus status = ask(task, [&] { return host_->status(); });
    // A grant that a login brought there may have moved it closer since this process joined.
    status.deadline = std::min(status.deadline, task.deadline());
    return status;
  } catch (const Error& error) {
    if (task.alive()) throw;
    throw Error(CKR_TOKEN_NOT_PRESENT, error.what());
  }
}

// Sessions and login -----------------------------------------------------------------------------

TaskHost::SessionNumber HostedKeeper::number_of(SessionHandle session) const {
  const std::scoped_lock lock(mutex_);
  const auto known = sessions_.find(session.value);
  if (known == sessions_.end()) {
    throw Error(CKR_SESSION_CLOSED, "the session was closed meanwhile");
  }
  return known->second;
}

void HostedKeeper::open_session(Task& task, SessionHandle session, bool read_write) {
  const auto number = ask(task, [&] { return host_->open_session(read_write); });
  const std::scoped_lock lock(mutex_);
  sessions_.emplace(session.value, number);
}

EndReport HostedKeeper::close_session(Task& task, SessionHandle session) noexcept {
  EndReport report;
  try {
    const TaskHost::SessionNumber number = number_of(session);
    {
      const std::scoped_lock lock(mutex_);
      sessions_.erase(session.value);
    }
    ask(task, [&] { host_->close_session(number); });
  } catch (const Error& error) {
    // A session that the host does not know ended with its task, and so did its keys.
    const bool gone = error.rv() == CKR_SESSION_HANDLE_INVALID || error.rv() == CKR_SESSION_CLOSED;
    if (!gone) report.add(Destruction::pending);
  } catch (...) {  // no memory: the host was not told
    report.add(Destruction::pending);
  }
  return report;
}

void HostedKeeper::login(Task& task, SessionHandle session, ByteView pin) {
  ask(task, [&] { host_->login(number_of(session), pin); });
  start_over();
}

void HostedKeeper::logout(Task& task, SessionHandle session) {
  try {
    ask(task, [&] { host_->logout(number_of(session)); });
  } catch (...) {
    start_over();
    throw;
  }
  start_over();  // only now: another thread may have asked for changes meanwhile
}

// Objects ----------------------------------------------------------------------------------------

/// Which objects may be seen, and by which handles, is another question after a login or logout.
void HostedKeeper::start_over() {
  const std::scoped_lock turn(refresh_turn_);
  told_ = {};
  stale_.store(true);
}

/// How far the host has told of changes, before a request whose answer tells of an object.
ChangeLog::Position HostedKeeper::told() {
  const std::scoped_lock turn(refresh_turn_);
  return told_;
}

/// What such an answer said of a token object was put in the mirror, but another thread may have
/// heard of something newer meanwhile: the host is to tell all of it again, which does no harm.
void HostedKeeper::hear_again(const ChangeLog::Position& before) noexcept {
  const std::scoped_lock turn(refresh_turn_);
  if (told_.changed > before.changed) told_ = before;
  stale_.store(true);
}

void HostedKeeper::refresh(Task& task) {
  if (!stale_.load() && host_->change_count() == seen_.load()) return;
  const std::scoped_lock turn(refresh_turn_);
  const std::uint64_t count = host_->change_count();  // before what the host tells
  if (!stale_.load() && count == seen_.load()) return;
  try {
    ask(task, [&] { take_changes(task); });
  } catch (...) {
    told_ = {};  // only a whole list says what is gone
    throw;
  }
  seen_.store(count);
  stale_.store(false);
}

void HostedKeeper::take_changes(Task& task) {
  // More than the objects that the quota lets in: a host that goes on for ever is given up.
  static constexpr std::size_t kMostAnswers = 10'000;
  const auto deadline = std::chrono::steady_clock::now() + host_->patience();
  // What came in by now is in the host's list, or gone. What comes in later may be missing there.
  const ObjectMirror::Moment moment = mirror_.now();
  std::unordered_set<std::uint64_t> listed;
  bool all = false;
  bool more = true;
  for (std::size_t answers = 0; more; ++answers) {
    if (answers == kMostAnswers || std::chrono::steady_clock::now() > deadline) {
      throw host_->give_up("there is no end of changes");
    }
    const TaskHost::Changes changes = host_->changes_since(told_);
    if (changes.from_start) told_ = {};
    if (told_.changed == 0) {
      all = true;
      listed.clear();
    }
    if (changes.more && changes.now.changed <= told_.changed) {
      throw host_->give_up("it tells the same changes again");
    }
    for (const std::uint64_t number : changes.removed) mirror_.drop(task, number);
    for (const HostedObject& told : changes.changed) {
      mirror_.take_in(task, *host_, told);
      if (all) listed.insert(told.number);
    }
    told_ = changes.now;
    more = changes.more;
  }
  if (all) mirror_.drop_unlisted(task, listed, moment);
}

/// Gives an object that the host made for a session its handle here.
ObjectHandle HostedKeeper::enter(Session& session, const HostedObject& made,
                                 const ChangeLog::Position& before) {
  Token& token = session.token();
  try {
    if (made.attributes.flag(CKA_TOKEN).value_or(false)) {
      const auto object = mirror_.take_in(token.task(), *host_, made);
      hear_again(before);
      return token.enter(object, session.handle());
    }
    return token.add(make_hosted_object(made, *host_), session.handle());
  } catch (const Error& error) {
    switch (error.rv()) {
      case CKR_DEVICE_MEMORY:
      case CKR_DEVICE_REMOVED:
      case CKR_SESSION_CLOSED:
      case CKR_SESSION_HANDLE_INVALID:
        throw;
      default:
        break;
    }
    throw host_->give_up(error.what());
  }
}

/// An object that found no place here for lack of memory is not left at the host. Where its session
/// went meanwhile, a session object went with it there; a token object stays, as any other one of a
/// session that was closed.
void HostedKeeper::take_back(Session& session, const HostedObject& made) noexcept {
  mirror_.drop(session.token().task(), made.number);
  try {
    host_->destroy(number_of(session.handle()), made.handle);
  } catch (const std::exception&) {  // gone with its session, or with the host
  }
}

/// Enters an object, or takes it back.
ObjectHandle HostedKeeper::keep(Session& session, const HostedObject& made,
                                const ChangeLog::Position& before) {
  try {
    return enter(session, made, before);
  } catch (...) {
    take_back(session, made);
    throw;
  }
}

ObjectHandle HostedKeeper::create(Session& session, const Attributes& wanted) {
  return ask(session.token().task(), [&] {
    const ChangeLog::Position before = told();
    return keep(session, host_->create(number_of(session.handle()), wanted), before);
  });
}

ObjectHandle HostedKeeper::copy(Session& session, const Object& original,
                                const Attributes& changes) {
  return ask(session.token().task(), [&] {
    const ChangeLog::Position before = told();
    return keep(session,
                host_->copy(number_of(session.handle()), original.host_name().handle, changes),
                before);
  });
}

KeyPairHandles HostedKeeper::generate(Session& session, CK_MECHANISM_TYPE mechanism,
                                      const Attributes& public_wanted,
                                      const Attributes& private_wanted) {
  return ask(session.token().task(), [&]() -> KeyPairHandles {
    const ChangeLog::Position before = told();
    const TaskHost::KeyPair made =
        host_->generate(number_of(session.handle()), mechanism, public_wanted, private_wanted);
    try {
      const ObjectHandle public_key = enter(session, made.public_key, before);
      return {public_key, enter(session, made.private_key, before)};
    } catch (...) {
      take_back(session, made.public_key);
      take_back(session, made.private_key);
      throw;
    }
  });
}

void HostedKeeper::change(Session& session, Object& object, const Attributes& changes) {
  Token& token = session.token();
  ask(token.task(), [&] {
    const ChangeLog::Position before = told();
    const HostedObject now =
        host_->change(number_of(session.handle()), object.host_name().handle, changes);
    token.store_of(object).update(object, now.attributes);
    if (object.is_token_object()) hear_again(before);
  });
}

void HostedKeeper::destroy(Session& session, const std::shared_ptr<Object>& object) {
  Token& token = session.token();
  std::optional<Error> owed;
  ask(token.task(), [&] {
    try {
      host_->destroy(number_of(session.handle()), object->host_name().handle);
    } catch (const Error& error) {
      // The host has it no more in these cases; the device may owe the destruction of its key.
      if (error.rv() != CKR_DEVICE_ERROR && error.rv() != CKR_OBJECT_HANDLE_INVALID) throw;
      owed = error;
    }
  });
  if (object->is_token_object()) mirror_.drop(token.task(), object->host_name().number);
  token.discard(object);
  if (owed) throw Error(*owed);
}

TaskState HostedKeeper::cause_of_loss() noexcept {
  if (const auto cause = host_->end()) return *cause;
  try {
    const TaskState told = host_->status().state;  // it may be ending there just now
    if (is_final(told)) return told;
  } catch (const std::exception&) {  // then how it ended stands on the page, or nowhere
  }
  return host_->end().value_or(TaskState::lost);
}

std::size_t HostedKeeper::sign(SessionKey::Use& key, const SignRequest& request, ByteSpan out) {
  try {
    return key.sign(request, out);
  } catch (const Error& error) {
    switch (error.rv()) {
      case CKR_SESSION_HANDLE_INVALID:
      case CKR_TOKEN_NOT_PRESENT:  // the task ended there in the middle of the call
        throw Error(CKR_DEVICE_REMOVED, error.what());
      case CKR_KEY_HANDLE_INVALID:
      case CKR_OBJECT_HANDLE_INVALID:  // another application of the task destroyed it
        throw Error(CKR_OPERATION_NOT_INITIALIZED, error.what());
      default:
        throw;
    }
  }
}

std::string HostedKeeper::attest(Task& task, const Object& key, ByteView nonce) {
  return ask(task, [&] { return host_->attest(key.host_name().handle, nonce); });
}

}  // namespace mayfly
