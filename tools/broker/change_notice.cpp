#include "tools/broker/change_notice.h"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace mayfly::broker {
namespace {

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

ChangeNotice::ChangeNotice()
    : memory_(memfd_create("mayfly-changes", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
  if (!memory_) fail("memfd_create");
  if (ftruncate(memory_.number(), wire::kChangePageSize) != 0) fail("ftruncate");
  void* const memory =
      mmap(nullptr, wire::kChangePageSize, PROT_READ | PROT_WRITE, MAP_SHARED, memory_.number(), 0);
  if (memory == MAP_FAILED) fail("mmap");
  page_ = static_cast<wire::ChangePageLayout*>(memory);
  if (fcntl(memory_.number(), F_ADD_SEALS, wire::kChangePageSeals) != 0) {
    const int error = errno;
    munmap(page_, wire::kChangePageSize);
    errno = error;
    fail("F_ADD_SEALS");
  }
}

ChangeNotice::~ChangeNotice() { munmap(page_, wire::kChangePageSize); }

void ChangeNotice::tell_changes(std::uint64_t moment) noexcept {
  std::atomic_ref(page_->changes).store(moment);
}

void ChangeNotice::task_ended(TaskState cause) noexcept {
  std::atomic_ref(page_->ended).store(static_cast<std::uint32_t>(cause));
}

}  // namespace mayfly::broker
