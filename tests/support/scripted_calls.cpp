#include "support/scripted_calls.h"

#include <csignal>
#include <cstring>
#include <type_traits>
#include <unistd.h>

namespace mayfly::test {
namespace {

using Deed = CallScript::Deed;
using When = CallScript::When;

CallScript* script = nullptr;
CK_FUNCTION_LIST inner;
const CK_FUNCTION_LIST* real = nullptr;

[[noreturn]] void die() {
  kill(getpid(), SIGKILL);
  while (true) pause();
}

void drop_sessions() {
  CK_ULONG count = 0;
  real->C_GetSlotList(CK_TRUE, nullptr, &count);
  std::vector<CK_SLOT_ID> slots(count);
  real->C_GetSlotList(CK_TRUE, slots.data(), &count);
  for (const CK_SLOT_ID slot : slots) real->C_CloseAllSessions(slot);
}

void restart() {
  real->C_Finalize(nullptr);
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  real->C_Initialize(&args);
}

/// What is done to the device besides the call.
void do_to_device(Deed deed) {
  switch (deed) {
    case Deed::kill:
      die();
    case Deed::drop_sessions:
      return drop_sessions();
    case Deed::restart:
      return restart();
    case Deed::answer:
    case Deed::spoil:
      return;
  }
}

CK_ULONG garbage(CK_ULONG honest) {
  switch (script->plan().garbage) {
    case CallScript::Garbage::zero:
      return 0;
    case CallScript::Garbage::less:
      return honest - 1;
    case CallScript::Garbage::more:
      return honest + 1;
    case CallScript::Garbage::huge:
      break;
  }
  return ~CK_ULONG{0};
}

template <typename T>
constexpr bool is_info = std::is_same_v<T, CK_INFO> || std::is_same_v<T, CK_SLOT_INFO> ||
                         std::is_same_v<T, CK_TOKEN_INFO> || std::is_same_v<T, CK_SESSION_INFO> ||
                         std::is_same_v<T, CK_MECHANISM_INFO>;

/// Spoils one argument if the function gives something back there.
template <typename T>
void spoil(T) {}
template <typename T>
void spoil(T* place) {
  if (place == nullptr) return;
  if constexpr (std::is_same_v<T, CK_ULONG>) {
    *place = garbage(*place);
  } else if constexpr (is_info<T>) {
    const bool zero = script->plan().garbage == CallScript::Garbage::zero;
    std::memset(place, zero ? 0 : 0xff, sizeof *place);
  }
}

void spoil_lengths(CK_ATTRIBUTE* attributes, CK_ULONG count) {
  for (CK_ULONG i = 0; i < count; ++i) spoil(&attributes[i].ulValueLen);
}

template <DeviceFunction Name, auto Member>
struct Scripted;

template <DeviceFunction Name, typename... Args, CK_RV (*CK_FUNCTION_LIST::*Member)(Args...)>
struct Scripted<Name, Member> {
  static CK_RV call(Args... args) {
    const bool struck = script->strikes(Name);
    const CallScript::Plan& plan = script->plan();
    const bool lost = struck && plan.deed == Deed::answer;
    if (struck && plan.when == When::before) {
      do_to_device(plan.deed);
      if (lost) return plan.answer;
    }
    const CK_RV rv = (inner.*Member)(args...);
    if (struck && plan.when == When::after) do_to_device(plan.deed);
    if (struck && plan.deed == Deed::spoil) {
      spoil_all(args...);
    } else if (!lost && rv == CKR_OK) {
      note(args...);
    }
    return lost ? plan.answer : rv;
  }

 private:
  static void spoil_all(Args... args) {
    if constexpr (Name == DeviceFunction::C_GetAttributeValue) {
      [](CK_SESSION_HANDLE, CK_OBJECT_HANDLE, CK_ATTRIBUTE* attributes, CK_ULONG count) {
        spoil_lengths(attributes, count);
      }(args...);
    } else {
      (spoil(args), ...);
    }
  }

  static void note(Args... args) {
    if constexpr (Name == DeviceFunction::C_OpenSession) {
      [](CK_SLOT_ID, CK_FLAGS, void*, CK_NOTIFY, CK_SESSION_HANDLE* session) {
        script->note_session(*session);
      }(args...);
    }
  }
};

}  // namespace

CK_FUNCTION_LIST script_calls(CallScript& call_script, const CK_FUNCTION_LIST& inner_list,
                              const CK_FUNCTION_LIST& device) {
  script = &call_script;
  inner = inner_list;
  real = &device;
  CK_FUNCTION_LIST list{};
  list.version = inner.version;
#define CK_PKCS11_FUNCTION_INFO(name) \
  list.name = Scripted<DeviceFunction::name, &CK_FUNCTION_LIST::name>::call;
#include <nss/pkcs11f.h>
#undef CK_PKCS11_FUNCTION_INFO
  return list;
}

}  // namespace mayfly::test
