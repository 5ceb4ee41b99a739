#include "device/broker/change_page.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>

#include "wire/wire_error.h"

namespace mayfly::agent {

ChangePage::ChangePage(const Descriptor& memory) {
  if (!memory) wire::malformed("no change page came");
  struct stat status {};
  if (fstat(memory.number(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size != static_cast<off_t>(wire::kChangePageSize)) {
    wire::malformed("the change page is none");
  }
  const int seals = fcntl(memory.number(), F_GET_SEALS);
  if (seals < 0 ||
      (static_cast<unsigned>(seals) & wire::kChangePageSeals) != wire::kChangePageSeals) {
    wire::malformed("the change page is not sealed");
  }
  // Populated: looking at it later costs no page fault.
  void* const page = mmap(nullptr, wire::kChangePageSize, PROT_READ, MAP_SHARED | MAP_POPULATE,
                          memory.number(), 0);
  if (page == MAP_FAILED) {
    throw wire::WireError(wire::WireError::Cause::system,
                          "the change page: " + std::generic_category().message(errno));
  }
  page_ = static_cast<const wire::ChangePageLayout*>(page);
}

ChangePage::~ChangePage() {
  munmap(const_cast<wire::ChangePageLayout*>(page_), wire::kChangePageSize);
}

}  // namespace mayfly::agent
