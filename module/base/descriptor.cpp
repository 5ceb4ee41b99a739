#include "base/descriptor.h"

#include <cerrno>
#include <unistd.h>

namespace mayfly {

void Descriptor::reset(int number) noexcept {
  const int saved_errno = errno;
  if (number_ >= 0) close(number_);
  number_ = number;
  errno = saved_errno;
}

}  // namespace mayfly
