// A TCTI that stands before swtpm and does wrong at the Nth command: loaded by tss2-tctildr as any
// other, "PATH_OF_THIS:PLAN", where PLAN is the path of a file that holds FaultPlan.
#include "support/faulty_tcti.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>
#include <unistd.h>

namespace mayfly::test {
namespace {

constexpr std::uint64_t kMagic = 0x6661756c74790001;

struct FaultyTcti {
  TSS2_TCTI_CONTEXT_COMMON_V2 common;
  TSS2_TCTI_CONTEXT* real;
  FaultPlan* plan;
  bool now;  // the command that is under way is the one
};

FaultyTcti& self(TSS2_TCTI_CONTEXT* context) { return *reinterpret_cast<FaultyTcti*>(context); }

const TSS2_TCTI_CONTEXT_COMMON_V1& real(FaultyTcti& tcti) {
  return *reinterpret_cast<const TSS2_TCTI_CONTEXT_COMMON_V1*>(tcti.real);
}

TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, std::size_t size, const std::uint8_t* command) {
  FaultyTcti& tcti = self(context);
  const unsigned number = tcti.plan->commands.fetch_add(1);
  tcti.now = number == tcti.plan->at || (tcti.plan->lasts && number >= tcti.plan->at);
  if (tcti.now) {
    tcti.plan->happened = true;
    tcti.plan->command_code = std::uint32_t{command[6]} << 24 | std::uint32_t{command[7]} << 16 |
                              std::uint32_t{command[8]} << 8 | command[9];
    if (tcti.plan->fault == Fault::command_lost) return TSS2_RC_SUCCESS;
    if (tcti.plan->fault == Fault::not_sent) return TSS2_TCTI_RC_IO_ERROR;
  }
  return real(tcti).transmit(tcti.real, size, command);
}

/// Answers with nothing but a response code.
TSS2_RC answer_code(std::uint8_t* answer, std::size_t* size, std::uint32_t code) {
  const std::uint8_t whole[] = {0x80,
                                0x01,
                                0,
                                0,
                                0,
                                10,
                                static_cast<std::uint8_t>(code >> 24),
                                static_cast<std::uint8_t>(code >> 16),
                                static_cast<std::uint8_t>(code >> 8),
                                static_cast<std::uint8_t>(code)};
  std::copy(std::begin(whole), std::end(whole), answer);
  *size = sizeof whole;
  return TSS2_RC_SUCCESS;
}

TSS2_RC receive(TSS2_TCTI_CONTEXT* context, std::size_t* size, std::uint8_t* answer,
                std::int32_t timeout) {
  FaultyTcti& tcti = self(context);
  if (!tcti.now) return real(tcti).receive(tcti.real, size, answer, timeout);
  if (tcti.plan->fault == Fault::command_lost) {
    usleep(static_cast<useconds_t>(std::max(0, timeout)) * 1000);
    return TSS2_TCTI_RC_TRY_AGAIN;
  }
  const TSS2_RC rc = real(tcti).receive(tcti.real, size, answer, TSS2_TCTI_TIMEOUT_BLOCK);
  if (rc != TSS2_RC_SUCCESS) return rc;
  switch (tcti.plan->fault) {
    case Fault::answer_lost:
      usleep(static_cast<useconds_t>(std::max(0, timeout)) * 1000);
      return TSS2_TCTI_RC_TRY_AGAIN;
    case Fault::answer_late:
      usleep(tcti.plan->delay_ms * 1000);
      return rc;
    case Fault::answer_cut:
      *size /= 2;
      return rc;
    case Fault::answer_cut_neatly:  // it says itself that it is that short
      *size = std::max<std::size_t>(10, *size / 2);
      answer[2] = answer[3] = answer[4] = 0;
      answer[5] = static_cast<std::uint8_t>(*size);
      return rc;
    case Fault::answer_garbage:
      std::fill_n(answer, *size, std::uint8_t{0xa5});
      return rc;
    case Fault::io_error:
      return TSS2_TCTI_RC_IO_ERROR;
    case Fault::code_instead:
      return answer_code(answer, size, tcti.plan->code);
    default:
      return rc;
  }
}

void finalize(TSS2_TCTI_CONTEXT* context) { Tss2_TctiLdr_Finalize(&self(context).real); }

TSS2_RC init(TSS2_TCTI_CONTEXT* context, std::size_t* size, const char* config) {
  if (context == nullptr) {
    *size = sizeof(FaultyTcti);
    return TSS2_RC_SUCCESS;
  }
  const int file = open(config, O_RDWR | O_CLOEXEC);
  void* memory = mmap(nullptr, sizeof(FaultPlan), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return TSS2_TCTI_RC_BAD_VALUE;
  auto* tcti = new (context) FaultyTcti{};
  tcti->plan = static_cast<FaultPlan*>(memory);
  tcti->common.v1.magic = kMagic;
  tcti->common.v1.version = 2;
  tcti->common.v1.transmit = transmit;
  tcti->common.v1.receive = receive;
  tcti->common.v1.finalize = finalize;
  return Tss2_TctiLdr_Initialize(tcti->plan->real_tcti, &tcti->real);
}

const TSS2_TCTI_INFO kInfo = {2, "faulty", "a TCTI that does wrong", "a file with the plan", init};

}  // namespace
}  // namespace mayfly::test

extern "C" __attribute__((visibility("default"))) const TSS2_TCTI_INFO* Tss2_Tcti_Info() {
  return &mayfly::test::kInfo;
}
