#include "device/tpm/chip.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/fork_epoch.h"
#include "base/log.h"
#include "base/safeguard.h"
#include "device/tpm/attestation.h"
#include "device/tpm/public_area.h"
#include "device/tpm/sapi.h"
#include "device/tpm/tpm_identity.h"

namespace mayfly::tpm {
namespace {

/// After a TPM could not be reached, nobody waits for it again at once.
constexpr std::chrono::seconds kReconnectPause{1};

// A resource manager gives each connection three places. Without one they are all there are.
constexpr std::size_t kPlacesOfOurOwn = 3;
constexpr std::size_t kPlacesAmongOthers = 2;

/// Whether other processes' handles mean the same objects.
bool handles_are_shared(const std::string& tcti) {
  return !tcti.starts_with("device:/dev/tpmrm") && !tcti.starts_with("tabrmd");
}

/// Somebody who shares the TPM put something else in the place of what was used.
class Displaced final : public Error {
 public:
  Displaced() : Error(CKR_DEVICE_ERROR, "others who use the TPM unload keys while they are made") {}
};

[[noreturn]] void refuse_unpinnable() {
  throw Error(CKR_GENERAL_ERROR,
              "the TPM's counter of resets stands at 0, so that TPM2_Clear could bring keys back "
              "that were ended: restart the machine once, or set tpm.deadline = \"software\"");
}

}  // namespace

Chip::Link::Link(const TpmDeviceOptions& options, bool shared, SessionRecords* records)
    : tpm({options.tcti, options.timeout}),
      slots(tpm, shared ? kPlacesAmongOthers : kPlacesOfOurOwn, shared),
      session(tpm, shared, records,
              protection(options, options.deadline == TpmDeadline::hardware || options.kill_switch
                                      ? TPM2_SE_POLICY
                                      : TPM2_SE_HMAC)) {}

std::optional<SessionProtection> Chip::Link::protection(const TpmDeviceOptions& options,
                                                        TPM2_SE type) {
  if (!options.encrypt) return std::nullopt;
  return SessionProtection{type, [this] { return SaltKey{slots.load(parent), parent_area}; }};
}

Chip::Chip(TpmDeviceOptions options)
    : options_(std::move(options)),
      shared_(handles_are_shared(options_.tcti)),
      epoch_(ForkEpoch::current()) {
  ForkEpoch::watch();
  const std::scoped_lock lock(mutex_);
  if (shared_ && options_.journal != nullptr) {
    records_.emplace(options_.journal, "tpm " + options_.tcti);
  }
  if (options_.kill_switch) counters_.emplace();
  connect();
  algorithms_.emplace(link_->tpm);
  info_ = identify(link_->tpm);
}

bool Chip::usable() const noexcept { return !closed_ && epoch_ == ForkEpoch::current(); }

void Chip::require_open() const {
  if (!usable()) throw Error(CKR_DEVICE_REMOVED, "the device was closed");
}

void Chip::require_usable(const ChipKey& key) const {
  require_open();
  if (!key.alive) throw Error(CKR_DEVICE_REMOVED, "the key was destroyed");
  if (link_ == nullptr || key.connection != connection_) {
    throw Error(CKR_DEVICE_REMOVED,
                "the key was lost when the connection to the TPM had to be given up");
  }
}

void Chip::connect() {
  auto link = std::make_unique<Link>(options_, shared_, records_ ? &*records_ : nullptr);
  if (options_.deadline == TpmDeadline::hardware &&
      link->tpm.read_clock().clockInfo.resetCount == 0) {
    refuse_unpinnable();
  }
  link_ = std::move(link);
  ++connection_;
  try {
    if (records_) {
      for (Bytes& parent : records_->parents(link_->tpm)) {
        link_->slots.know_parent(std::move(parent));
      }
    }
    flush_left_sessions();
    make_parent();
    if (shared_) link_->slots.unload_others();
    if (counters_) {
      KillCounters::check_owner(link_->tpm);
      counters_->recover(link_->tpm);
    }
  } catch (...) {
    abandon();
    throw;
  }
  swept_ = connection_;
}

void Chip::require_link() {
  if (link_ != nullptr) return;
  if (std::chrono::steady_clock::now() < retry_after_) {
    throw Error(CKR_DEVICE_REMOVED, "the TPM could not be reached a moment ago");
  }
  try {
    connect();
  } catch (...) {
    // From now on: the attempt itself may have taken long, and others have waited for it.
    retry_after_ = std::chrono::steady_clock::now() + kReconnectPause;
    throw;
  }
}

void Chip::make_parent() {
  SavedObject& parent = link_->parent;
  link_->slots.forget(parent);
  link_->slots.add(
      parent,
      [&] {
        const Tpm::Created made = link_->tpm.create_primary(TPM2_RH_NULL, parent_template());
        parent.name = to_bytes(view(made.name));
        link_->parent_area = made.public_area.publicArea;
        return made.handle;
      },
      nullptr);
  parent.context = link_->tpm.context_save(parent.handle);
  const Bytes qualified_name = null_primary_qualified_name(parent.name);
  check_in_place(parent, qualified_name);
  if (records_) records_->remember_parent(link_->tpm, qualified_name);
  link_->slots.know_parent(qualified_name);
}

/// Checks, where handles are shared, that what was made and saved is that object, under that
/// parent. Until it was saved nobody else could load it: if it is there now, it was there all the
/// time.
void Chip::check_in_place(const SavedObject& object, ByteView qualified_name) {
  if (!shared_) return;
  const Tpm::PublicArea found = link_->tpm.read_public(object.handle);
  if (!equal(view(found.name), object.name) || !equal(view(found.qualified_name), qualified_name)) {
    throw Displaced();
  }
}

/// Gives a broken connection up, and what was loaded over it.
void Chip::abandon_if_broken() noexcept {
  if (link_ == nullptr || link_->tpm.usable()) return;
  abandon();
  log::warn("the connection to the TPM is given up; the keys that were made over it are lost");
}

void Chip::abandon() noexcept {
  for (ChipKey* key : keys_) key->stray = key->stray || (shared_ && key->object.handle != 0);
  if (auto left = link_->session.leave()) left_sessions_.push_back(std::move(*left));
  link_->slots.forget_all();
  link_.reset();
}

/// A session that was satisfied when the connection was lost must not wait for anybody.
void Chip::flush_left_sessions() {
  while (!left_sessions_.empty()) {
    flush(link_->tpm, left_sessions_.back(), records_ ? &*records_ : nullptr);
    left_sessions_.pop_back();
  }
}

std::shared_ptr<ChipKey> Chip::generate(const KeySpec& spec, BootClock::time_point deadline,
                                        const KeyScope::LastCheck& last_check,
                                        std::shared_ptr<const void> scope) {
  if (const CK_RV obstacle = algorithms_->obstacle(spec); obstacle != CKR_OK) {
    throw Error(obstacle, "the TPM can't make key pairs of the kind " + to_string(spec));
  }
  require_open();
  auto made = patiently([&] {
    require_open();
    require_link();
    last_check();
    auto key = try_generate(spec, deadline);
    key->scope = std::move(scope);
    return key;
  });
  keep_session(/*only_if_missed=*/false);
  return made;
}

std::shared_ptr<ChipKey> Chip::try_generate(const KeySpec& spec, BootClock::time_point deadline) {
  bool is_parent_bad = false;
  for (int attempt = 1;; ++attempt) {
    try {
      if (std::exchange(is_parent_bad, false)) make_parent();
      // Before a counter is taken for the key: here one may have to wait.
      if (options_.encrypt) link_->session.start();
      return generate_on_chip(spec, deadline);
    } catch (const TpmError& error) {
      abandon_if_broken();
      if (link_ == nullptr || attempt == kMostAttempts || !may_be_displaced(error)) throw;
      link_->slots.unload(link_->parent);
    } catch (const Displaced&) {
      if (attempt == kMostAttempts) throw;
      link_->slots.unload(link_->parent);
      is_parent_bad = true;
    } catch (const Error& error) {
      // The parent's context is of the time before a reset.
      abandon_if_broken();
      if (link_ == nullptr || error.rv() != CKR_DEVICE_REMOVED || attempt == kMostAttempts) throw;
      is_parent_bad = true;
    }
  }
}

TPMS_TIME_INFO Chip::read_clock() {
  const TPMS_TIME_INFO now = link_->tpm.read_clock();
  link_->clock.look(now, BootClock::now());
  return now;
}

void Chip::add_policy(ChipKey& key, BootClock::time_point deadline) {
  if (options_.deadline == TpmDeadline::hardware) {
    const TPMS_TIME_INFO now = read_clock();
    if (now.clockInfo.resetCount == 0) refuse_unpinnable();
    key.policy.emplace().require_deadline(now, BootClock::now(), deadline);
  }
  if (!counters_) return;
  if (!key.policy) key.policy.emplace();
  key.policy->require_counter(counters_->take(link_->tpm));
}

std::shared_ptr<ChipKey> Chip::generate_on_chip(const KeySpec& spec,
                                                BootClock::time_point deadline) {
  auto key = std::make_shared<ChipKey>();
  key->spec = spec;
  if (kept(Safeguard::chip_secret)) key->secret = secrets_.make();
  add_policy(*key, deadline);
  try {
    create(*key);
  } catch (...) {
    if (!kill(*key)) owe(std::move(key));
    throw;
  }
  return key;
}

/// Makes the key in the TPM that was got ready for.
void Chip::create(ChipKey& key) {
  Tpm& tpm = link_->tpm;
  const TPMT_PUBLIC wanted =
      session_key_template(key.spec, key.policy ? key.policy->digest() : Bytes());
  Tpm::Created made;
  const auto make = [&](SaltedSession* protection) {
    made = tpm.create_loaded(link_->slots.load(link_->parent), link_->parent.name, wanted,
                             key.secret.view(), protection);
  };
  static_cast<void>(link_->slots.load(link_->parent));
  link_->slots.add(
      key.object,
      [&] {
        if (options_.encrypt) {
          link_->session.use([&](TPMI_SH_POLICY) { make(link_->session.salted()); });
        } else {
          make(nullptr);
        }
        return made.handle;
      },
      &link_->parent);
  try {
    key.object.name = to_bytes(view(made.name));
    key.public_key.emplace(inspect(key.spec, wanted, made));
    key.object.context = tpm.context_save(key.object.handle);
    check_in_place(key.object, qualified_name(null_primary_qualified_name(link_->parent.name),
                                              key.object.name));
    key.connection = connection_;
    keys_.insert(&key);
  } catch (...) {
    discard(key.object);
    throw;
  }
}

/// Unloads what nobody will ask for again. If that fails, it is as good as nothing without its
/// authorisation value, and goes when the connection is made anew or closed.
void Chip::discard(SavedObject& object) noexcept {
  try {
    link_->slots.unload(object);
  } catch (const std::exception& error) {
    log::warn("a key that could not be taken over stays in the TPM for now", error);
    link_->slots.forget(object);
  }
}

/// Takes away all that a key could be used with.
void Chip::lose(ChipKey& key) noexcept {
  key.alive = false;
  key.secret.wipe();
  zeroise(key.object.context);
  key.object.context.clear();
  keys_.erase(&key);
}

/// Makes sure that the TPM never again uses the key, wherever its context may be.
/// @return false when that is still owed.
bool Chip::kill(ChipKey& key) noexcept {
  if (!counters_ || key.killed || !key.policy || !key.policy->counter()) return true;
  if (link_ == nullptr) return false;
  try {
    counters_->kill(link_->tpm, *key.policy->counter());
    key.killed = true;
  } catch (const std::exception& error) {
    log::warn("the kill switch of a key could not be thrown yet", error);
  }
  abandon_if_broken();
  return key.killed;
}

/// @return whether the key is gone from the TPM.
bool Chip::destroy_now(ChipKey& key) noexcept {
  const bool killed = kill(key);
  if (link_ != nullptr && key.connection == connection_) {
    try {
      link_->slots.unload(key.object);
      key.stray = false;
    } catch (const std::exception& error) {
      log::warn("a key could not be unloaded from the TPM", error);
      abandon_if_broken();
      key.stray = true;
    }
  }
  lose(key);
  const bool gone = killed && (!key.stray || swept_ > key.connection);
  if (gone) key.scope.reset();
  return gone;
}

Destruction Chip::destroy(const std::shared_ptr<ChipKey>& key) noexcept {
  if (!usable()) return Destruction::destroyed;
  {
    const std::scoped_lock lock(mutex_);
    if (destroy_now(*key)) return Destruction::destroyed;
  }
  owe(key);
  return Destruction::pending;
}

void Chip::owe(std::shared_ptr<ChipKey> key) noexcept {
  std::list<std::shared_ptr<ChipKey>>& place = key->place;
  const std::scoped_lock lock(owed_mutex_);
  if (place.empty()) return;  // it is owed already
  place.front() = std::move(key);
  owed_.splice(owed_.end(), place);
  ++owed_count_;
}

std::size_t Chip::retry() noexcept {
  if (!usable()) return owed_count_;
  flush_idle_session();
  keep_session(/*only_if_missed=*/true);
  if (owed_count_ == 0) return 0;
  std::list<std::shared_ptr<ChipKey>> owed;
  {
    const std::scoped_lock lock(owed_mutex_);
    owed.swap(owed_);
  }
  {
    const std::scoped_lock lock(mutex_);
    try {
      require_link();
    } catch (const std::exception& error) {
      log::warn("the TPM still owes the end of some keys", error);
    }
    owed_count_ -= owed.remove_if([this](const auto& key) { return destroy_now(*key); });
  }
  const std::scoped_lock lock(owed_mutex_);
  owed_.splice(owed_.end(), owed);
  return owed_count_;
}

void Chip::ask(const std::function<void(Tpm&)>& question) {
  require_open();
  const std::scoped_lock lock(mutex_);
  require_open();
  require_link();
  try {
    question(link_->tpm);
  } catch (...) {
    abandon_if_broken();
    throw;
  }
}

void Chip::ping() {
  ask([this](Tpm&) { (void)read_clock(); });
}

ReapReport Chip::reap(EarlierBoots earlier_boots) {
  ReapReport report;
  ask([&](Tpm& tpm) {
    if (records_) report = records_->reap(tpm, earlier_boots);
    if (!KillCounters::are_there(tpm)) return;
    const ReapReport counters = KillCounters().reap(tpm, earlier_boots);
    report.destroyed += counters.destroyed;
    report.alive += counters.alive;
    report.foreign += counters.foreign;
  });
  return report;
}

/// Removes from the TPM all that is ours.
/// @return whether nothing is left to be done.
bool Chip::clear_out() noexcept {
  try {
    if (link_ == nullptr) {
      if (!is_anything_left()) return true;
      require_link();
    }
    for (const auto& key : owed_) kill(*key);
    for (ChipKey* key : keys_) kill(*key);
    if (link_ == nullptr) return false;
    link_->slots.unload_all();
    link_->session.flush();
    if (counters_) {
      counters_->recover(link_->tpm);
      counters_->undefine_free(link_->tpm);
    }
    return true;
  } catch (const std::exception& error) {
    log::warn("not all could be removed from the TPM", error);
    abandon_if_broken();
    return false;
  }
}

/// Whether a lost connection left something in the TPM.
bool Chip::is_anything_left() const noexcept {
  const auto has_left = [this](const ChipKey& key) {
    return key.stray && swept_ <= key.connection;
  };
  return counters_ || !left_sessions_.empty() ||
         std::ranges::any_of(owed_, [&](const auto& key) { return has_left(*key); }) ||
         std::ranges::any_of(keys_, [&](const ChipKey* key) { return has_left(*key); });
}

void Chip::close() noexcept {
  if (!usable()) return;
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  const std::scoped_lock owed_lock(owed_mutex_);
  // Once more, over another connection if it was lost meanwhile.
  if (!clear_out()) static_cast<void>(clear_out());
  if (link_ != nullptr) abandon();
  while (!keys_.empty()) lose(**keys_.begin());
  owed_.clear();
  owed_count_ = 0;
}

}  // namespace mayfly::tpm
