// The vendor interface (include/mayfly/mayfly.h).
#include <algorithm>

#include "api/call.h"
#include "api/function_lists.h"
#include "base/device_evidence.h"
#include "base/safeguard.h"

using namespace mayfly;
using namespace mayfly::api;

namespace {

std::shared_ptr<Task> open_task(const Entry& entry, CK_SLOT_ID slot) {
  std::shared_ptr<Task> task = entry.tasks().find(SlotId{slot});
  if (task == nullptr) throw Error(CKR_SLOT_ID_INVALID, "no task is open in the slot");
  return task;
}

CK_ULONG seconds_left(const TaskStatus& status) {
  const auto left = status.deadline - BootClock::now();
  if (is_final(status.state) || left <= left.zero()) return 0;
  return static_cast<CK_ULONG>(std::chrono::ceil<std::chrono::seconds>(left).count());
}

/// A grant as a client gives it.
std::shared_ptr<const SecretBuffer> secret_text(const char* text) {
  const std::size_t size = strnlen(text, SecretBuffer::kMaxSize + 1);
  if (size > SecretBuffer::kMaxSize)
    throw Error(CKR_PIN_INCORRECT, "the grant is refused: it is longer than 8 KiB");
  return std::make_shared<const SecretBuffer>(as_bytes({text, size}));
}

CK_RV MAYFLY_OpenTask(const MAYFLY_TASK_REQUEST* request, CK_SLOT_ID* slot) {
  return call("MAYFLY_OpenTask", [&](const Entry& entry) {
    const MAYFLY_TASK_REQUEST& wanted = required(request, "request");
    CK_SLOT_ID& result = required(slot, "slot");
    const char* id = &required(wanted.task_id, "task_id");
    TaskTable& tasks = entry.tasks();
    // One byte over the limit is enough to be refused for its length.
    TaskRequest task{std::string(id, strnlen(id, MAYFLY_TASK_ID_MAX + 1)),
                     requested_ttl(wanted.ttl_seconds)};
    if (wanted.policy != nullptr) task.policy = tasks.limits().named_policy(wanted.policy);
    if (wanted.grant != nullptr) task.grant = secret_text(wanted.grant);
    const std::shared_ptr<Task> parent =
        wanted.parent == nullptr ? nullptr : open_task(entry, *wanted.parent);
    result = tasks.open(task, parent)->slot().value;
    return CKR_OK;
  });
}

CK_RV MAYFLY_CloseTask(CK_SLOT_ID slot) {
  return call("MAYFLY_CloseTask", [&](const Entry& entry) {
    if (entry.tasks().is_hosted()) {
      static_cast<void>(open_task(entry, slot));
      throw Error(CKR_FUNCTION_NOT_SUPPORTED, "the broker ends tasks, not its clients");
    }
    if (!kept(Safeguard::task_end)) return CKR_OK;
    const auto report = entry.tasks().end(SlotId{slot}, TaskState::closed);
    if (!report) throw Error(CKR_SLOT_ID_INVALID, "no task is open in the slot");
    report->require_destroyed();
    return CKR_OK;
  });
}

CK_RV MAYFLY_Attest(CK_SLOT_ID slot, CK_ULONG key, const unsigned char* nonce, CK_ULONG nonce_size,
                    unsigned char* evidence, CK_ULONG* evidence_size) {
  return call("MAYFLY_Attest", [&](const Entry& entry) {
    Application& application = entry.application();
    const ByteView asked = in(nonce, nonce_size);
    application.check_attestation(SlotId{slot}, ObjectHandle{key}, asked);
    return out(evidence, evidence_size, MAYFLY_EVIDENCE_MAX, [&](ByteSpan room) {
      const std::string made = application.attest(SlotId{slot}, ObjectHandle{key}, asked);
      return made.copy(reinterpret_cast<char*>(room.data()), room.size());
    });
  });
}

CK_RV MAYFLY_TaskInfo(CK_SLOT_ID slot, MAYFLY_TASK_INFO* info) {
  return call("MAYFLY_TaskInfo", [&](const Entry& entry) {
    MAYFLY_TASK_INFO& result = required(info, "info");
    const std::shared_ptr<Task> task = open_task(entry, slot);
    result = {};
    result.slot = slot;
    const TaskStatus status = task->keeper().status(*task);
    result.state = static_cast<CK_ULONG>(status.state);
    result.seconds_left = seconds_left(status);
    result.keys = status.keys;
    task->serial().copy(result.serial, sizeof result.serial - 1);
    task->id().copy(result.task_id, sizeof result.task_id - 1);
    return CKR_OK;
  });
}

static_assert(attestation::kMaxEvidenceSize == MAYFLY_EVIDENCE_MAX);
static_assert(static_cast<CK_ULONG>(TaskState::open) == MAYFLY_TASK_OPEN);
static_assert(static_cast<CK_ULONG>(TaskState::active) == MAYFLY_TASK_ACTIVE);
static_assert(static_cast<CK_ULONG>(TaskState::closed) == MAYFLY_TASK_CLOSED);
static_assert(static_cast<CK_ULONG>(TaskState::expired) == MAYFLY_TASK_EXPIRED);
static_assert(static_cast<CK_ULONG>(TaskState::revoked) == MAYFLY_TASK_REVOKED);
static_assert(static_cast<CK_ULONG>(TaskState::exhausted) == MAYFLY_TASK_EXHAUSTED);
static_assert(static_cast<CK_ULONG>(TaskState::lost) == MAYFLY_TASK_LOST);

}  // namespace

namespace mayfly::api {

MAYFLY_FUNCTION_LIST* vendor_function_list() noexcept {
  static MAYFLY_FUNCTION_LIST list = {
      {1, 0}, MAYFLY_OpenTask, MAYFLY_CloseTask, MAYFLY_Attest, MAYFLY_TaskInfo};
  return &list;
}

}  // namespace mayfly::api
