#include "support/sanitizer_reports.h"

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <pthread.h>
#include <sanitizer/common_interface_defs.h>
#include <stdexcept>

#include <gtest/gtest.h>

#include "support/temp_folder.h"

namespace mayfly::test {
namespace {

// Neither is destroyed with the rest: forked children that call exit() come there, too.
TempFolder* folder = nullptr;
/// Where a runtime writes its report: this and the number of its process.
const std::string* report_path = nullptr;

/// Takes no memory: another thread may have held the allocator's lock.
void report_to_parent() { __sanitizer_set_report_path(report_path->c_str()); }

class ReportListener : public testing::EmptyTestEventListener {
 public:
  void OnTestProgramStart(const testing::UnitTest& /*program*/) override {
    folder = new TempFolder;
    report_path = new std::string(folder->path() / "report");
    using std::filesystem::perms;
    // Processes of other users have something to report, too.
    std::filesystem::permissions(folder->path(), perms::all | perms::sticky_bit);
    // A runtime reads its options when its program starts. This one has done so.
    for (const char* const name : {"ASAN_OPTIONS", "TSAN_OPTIONS"}) {
      const char* const before = std::getenv(name);
      const std::string options = before == nullptr ? "" : std::string(before) + ":";
      setenv(name, (options + "log_path=" + *report_path).c_str(), 1);
    }
    if (pthread_atfork(nullptr, nullptr, report_to_parent) != 0) {
      throw std::runtime_error("no handler of forks");
    }
  }

  void OnTestEnd(const testing::TestInfo& /*test*/) override { expect_none(); }

  // Of processes that have outlived their tests.
  void OnTestIterationEnd(const testing::UnitTest& /*program*/, int /*iteration*/) override {
    expect_none();
  }

  void OnTestProgramEnd(const testing::UnitTest& /*program*/) override {
    delete folder;
    folder = nullptr;
  }

 private:
  void expect_none() const {
    for (const std::string& report : take_sanitizer_reports()) {
      ADD_FAILURE() << "a process that this test started reports:\n" << report;
    }
  }
};

// GoogleTest owns it.
[[maybe_unused]] const bool listening = [] {
  testing::UnitTest::GetInstance()->listeners().Append(
      std::make_unique<ReportListener>().release());
  return true;
}();

}  // namespace

std::vector<std::string> take_sanitizer_reports() {
  std::vector<std::string> reports;
  for (const auto& entry : std::filesystem::directory_iterator(folder->path())) {
    reports.push_back(read_file(entry.path()));
    std::filesystem::remove(entry.path());
  }
  return reports;
}

}  // namespace mayfly::test
