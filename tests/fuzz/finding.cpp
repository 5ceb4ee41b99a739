#include "fuzz/finding.h"

#include <cstdlib>
#include <iostream>

#include "base/utf8.h"

namespace mayfly::test {

void report_finding(const std::string& promise) {
  std::cerr << "\nbroken promise: " << promise << std::endl;
  std::abort();
}

void require_message(const std::string& message) {
  if (!is_printable_utf8(message)) {
    report_finding("a message is one line of printable text: " + message);
  }
}

}  // namespace mayfly::test
