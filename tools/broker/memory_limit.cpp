#include "tools/broker/memory_limit.h"

#include <cerrno>
#include <fstream>
#include <pthread.h>
#include <sys/resource.h>
#include <system_error>
#include <unistd.h>

#include "wire/seqpacket.h"

namespace mayfly::broker {
namespace {

constexpr std::size_t kMostData = std::size_t{512} * 1024 * 1024;

std::size_t stack_of_a_thread() {
  pthread_attr_t attributes;
  std::size_t size = 0;
  const int error = pthread_attr_init(&attributes);
  if (error != 0) throw std::system_error(error, std::generic_category(), "pthread_attr_init");
  pthread_attr_getstacksize(&attributes, &size);
  pthread_attr_destroy(&attributes);
  return size;
}

/// What RLIMIT_DATA counts of this process: field 6 of proc(5)'s statm.
std::size_t data_now() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  for (int field = 1; field <= 6; ++field) file >> pages;
  if (!file) throw std::system_error(EIO, std::generic_category(), "/proc/self/statm");
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

void limit_memory(std::size_t connections) {
  const rlim_t most =
      data_now() + kMostData + connections * (stack_of_a_thread() + wire::kMaxPacket);
  rlimit limit{};
  if (getrlimit(RLIMIT_DATA, &limit) != 0) {
    throw std::system_error(errno, std::generic_category(), "getrlimit");
  }
  if (limit.rlim_cur <= most) return;  // whoever started us was stricter
  limit.rlim_cur = most;
  limit.rlim_max = most;
  if (setrlimit(RLIMIT_DATA, &limit) != 0) {
    throw std::system_error(errno, std::generic_category(), "setrlimit");
  }
}

}  // namespace mayfly::broker
