#include "core/task_ledger.h"

#include "base/joined.h"
#include "base/log.h"
#include "base/process_identity.h"
#include "base/task_binding.h"
#include "base/utf8.h"
#include "core/task.h"
#include "ledger/canonical_json.h"

namespace mayfly {
namespace {

using ledger::canonical_json;
using ledger::Event;
using nlohmann::json;

constexpr std::size_t kMostOfAReason = 1024;

/// A TPM enforces deadlines itself, and the seal comes after the task's. In a process that nobody
/// calls it may be a while before an end is noticed.
constexpr std::chrono::hours kTimeToSeal{24};

std::string reason_of(const Error& error) {
  std::string reason = printable_utf8(error.what());
  reason = utf8_prefix(reason, kMostOfAReason);
  return reason.empty() ? "none was given" : reason;
}

void add_origin(json& data, const TaskOrigin& origin) {
  if (!origin.agent.empty()) data["agent"] = origin.agent;
  if (!origin.approver.empty()) data["approver"] = origin.approver;
  if (!origin.grant_id.empty()) data["grant"] = origin.grant_id;
  if (!origin.scope.empty()) data["scope"] = joined(origin.scope, " ");
}

json open_data(const Task& task) {
  json data = {{"deadline", task.deadline_unix_s()},
               {"format", ledger::kFormat},
               {"owner", ProcessIdentity::self().text()},
               {"serial", task.serial()},
               {"task", task.id()},
               {"version", ledger::kVersion}};
  add_origin(data, task.origin());
  if (task.parent() != nullptr) data["parent"] = task.parent()->serial();
  return data;
}

/// What tells later what was signed.
struct SignedData {
  Bytes digest;
  const char* of;
};

/// A raw mechanism is handed a digest, or a little more around one: it is kept as it is, so that
/// whoever has the document finds it. Longer ones, and what a client signs without hashing it
/// (Ed25519), are not the ledger's to keep.
SignedData data_of(const SignatureOperation& operation, ByteView input) {
  if (operation.input_hash() != Hash::none) return {to_bytes(input), "message"};
  const Hash own = operation.mechanism().hash;
  if (own != Hash::none) return {digest(own, input), "message"};
  if (operation.mechanism().scheme == Scheme::eddsa) {
    return {digest(Hash::sha256, input), "message"};
  }
  if (input.size() <= ledger::kMaxInput) return {to_bytes(input), "input"};
  return {digest(Hash::sha256, input), "input hash"};
}

const std::string& name_of(const SignatureOperation& operation) {
  return operation.key().session_key()->name();
}

BootClock::time_point latest_seal(BootClock::time_point deadline) {
  const auto latest = BootClock::time_point::max();
  return deadline > latest - kTimeToSeal ? latest : deadline + kTimeToSeal;
}

}  // namespace

TaskLedger::TaskLedger(const LedgerPlace& place, const Task& task)
    : meter_(task.meter()),
      chain_(std::make_unique<ledger::ChainWriter>(
          place.folder, ledger::ChainTask{task.id(), task.serial()}, place.sync)) {
  append(Event::open, canonical_json(open_data(task)));
}

void TaskLedger::append(Event event, std::string_view data) {
  if (owes_.load(std::memory_order_relaxed)) write_owed();
  chain_->append(event, data);
}

void TaskLedger::write_owed() {
  const std::scoped_lock lock(mutex_);
  if (!owed_admission_.empty()) {
    chain_->append(Event::login, owed_admission_);
    owed_admission_.clear();
  }
  while (!owed_destructions_.empty()) {
    const auto& [key, outcome] = *owed_destructions_.begin();
    const char* word = outcome == Destruction::destroyed ? "destroyed" : "pending";
    chain_->append(Event::destruction, canonical_json({{"key", key}, {"outcome", word}}));
    owed_destructions_.erase(owed_destructions_.begin());
  }
  if (owed_refusals_ != 0) {
    chain_->append(Event::refusals, canonical_json({{"count", owed_refusals_}}));
    owed_refusals_ = 0;
  }
  owes_ = false;
}

void TaskLedger::require_written() {
  if (owes_) write_owed();
}

void TaskLedger::logged_in() {
  if (chain_ != nullptr) append(Event::login, "{}");
}

void TaskLedger::owe_admission(const TaskPlan& plan) {
  if (chain_ == nullptr) return;
  json data = {{"deadline", plan.deadline_unix_s}};
  add_origin(data, plan.origin);
  std::string entry = canonical_json(data);
  const std::scoped_lock lock(mutex_);
  owed_admission_ = std::move(entry);
  owes_ = true;
}

void TaskLedger::activate(const Task& task) {
  const std::scoped_lock turn(activation_);
  if (key_ != nullptr) return;
  auto key = std::make_unique<LedgerKey>(
      task.device(), ScopeOwner{task.id(), task.serial(), latest_seal(task.deadline())});
  try {
    append(Event::active,
           canonical_json({{"ledger_key", to_hex(key->public_key().subject_public_key_info())}}));
  } catch (...) {
    key->destroy();
    throw;
  }
  key_ = std::move(key);
  log::info("the ledger of task " + task.id() + ", " + chain_->path() + ", has the key " +
            to_hex(thumbprint(key_->public_key())));
}

Bytes TaskLedger::public_key() const {
  const std::scoped_lock turn(activation_);
  return key_ == nullptr ? Bytes() : key_->public_key().subject_public_key_info();
}

void TaskLedger::generated(const Task& task, SessionKey& key) {
  if (chain_ == nullptr) return;
  activate(task);
  const PublicKey& half = key.public_key();
  key.set_name(to_hex(thumbprint(half)));
  json data = {{"key", key.name()},
               {"kind", to_string(half.spec())},
               {"public_key", to_hex(half.subject_public_key_info())}};
  const std::string statement = ledger::endorsement_statement(chain_->task(), key_->public_key());
  if (const auto signature = sign_statement(task.device(), key, statement)) {
    data["endorsement"] = to_hex(*signature);
  }
  const std::string text = canonical_json(data);
  {
    const std::scoped_lock lock(mutex_);
    living_.emplace(key.name(), Destruction::pending);
  }
  try {
    append(Event::generation, text);
  } catch (...) {
    const std::scoped_lock lock(mutex_);
    living_.erase(key.name());
    throw;
  }
}

void TaskLedger::signed_with(const SignatureOperation& operation, ByteView input) {
  if (chain_ == nullptr) return;
  const SignedData what = data_of(operation, input);
  // Put together by hand: this is done for each signature.
  std::string data;
  data.reserve(384);
  data += "{\"digest\":\"";
  data += to_hex(what.digest);
  data += "\",\"key\":\"";
  data += name_of(operation);
  data += "\",\"mechanism\":\"";
  data += operation.mechanism().name;
  data += "\",\"of\":\"";
  data += what.of;
  data += "\",\"outcome\":\"made\"}";
  append(Event::signature, data);
}

void TaskLedger::not_signed(const SignatureOperation& operation, ByteView input, bool made,
                            const Error& reason) noexcept {
  if (chain_ == nullptr) return;
  try {
    const SignedData what = data_of(operation, input);
    append(Event::signature, canonical_json({{"answer", reason.rv()},
                                             {"digest", to_hex(what.digest)},
                                             {"key", name_of(operation)},
                                             {"mechanism", operation.mechanism().name},
                                             {"of", what.of},
                                             {"outcome", made ? "withheld" : "failed"},
                                             {"reason", reason_of(reason)}}));
  } catch (const std::exception& error) {  // nobody gets a signature in any case
    log::warn("a signature that was not given out is not in the ledger", error);
  }
}

void TaskLedger::refused(const char* what, const Error& error) noexcept {
  meter_.refused(error.rv());
  if (chain_ == nullptr || closed_) return;
  bool written = false;
  try {
    if (refusals_at_once_.take()) {
      append(
          Event::refusal,
          canonical_json({{"answer", error.rv()}, {"reason", reason_of(error)}, {"what", what}}));
      written = true;
    }
  } catch (const std::exception&) {  // it was refused in any case, and is counted
  }
  if (written) return;
  const std::scoped_lock lock(mutex_);
  ++owed_refusals_;
  owes_ = true;
}

void TaskLedger::destroyed(const SessionKey& key, Destruction outcome) noexcept {
  if (chain_ == nullptr || key.name().empty()) return;
  try {
    {
      const std::scoped_lock lock(mutex_);
      auto entry = living_.extract(key.name());
      if (entry.empty()) return;
      entry.mapped() = outcome;
      owed_destructions_.insert(std::move(entry));
      owes_ = true;
    }
    write_owed();
  } catch (const std::exception& error) {
    log::warn("the end of a key is not in its task's ledger", error);
  }
}

void TaskLedger::try_to_close(TaskState cause, const EndReport& report) {
  require_written();
  const std::string data = canonical_json(
      {{"cause", to_string(cause)}, {"destroyed", report.destroyed}, {"pending", report.pending}});
  closed_ = true;
  if (key_ == nullptr) {
    chain_->close(data, {});
  } else {
    chain_->close(data, [this](std::string_view statement) { return key_->sign(statement); });
  }
}

std::optional<Destruction> TaskLedger::close(TaskState cause, const EndReport& report) noexcept {
  if (chain_ == nullptr) return std::nullopt;
  try {
    try_to_close(cause, report);
  } catch (const std::exception& error) {
    closed_ = true;
    log::warn("a task ended, and its ledger is not sealed", error);
  }
  if (key_ == nullptr) return std::nullopt;
  const Destruction outcome = key_->destroy();
  if (outcome == Destruction::pending) {
    log::error("the key of a ledger is still owed by the device; its destruction is retried");
  }
  return outcome;
}

}  // namespace mayfly
