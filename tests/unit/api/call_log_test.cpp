// What calls leave in the log.
#include <gmock/gmock.h>

#include "api/call.h"
#include "base/log.h"
#include "support/temp_folder.h"

namespace mayfly::api {
namespace {

TEST(CallLog, AFloodOfRefusalsHidesNoFault) {
  const test::TempFolder folder;
  const std::string file = folder.path() / "log";
  log::configure(log::Level::warn, file);
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_EQ(guard("C_Sign", []() -> CK_RV { throw Error(CKR_ARGUMENTS_BAD, "refused"); }),
              CKR_ARGUMENTS_BAD);
  }
  EXPECT_EQ(guard("C_Sign", []() -> CK_RV { throw std::runtime_error("a fault"); }),
            CKR_GENERAL_ERROR);
  EXPECT_EQ(guard("C_Verify", []() -> CK_RV { throw std::bad_alloc(); }), CKR_HOST_MEMORY);
  log::configure(log::Level::warn, "");
  const std::string written = test::read_file(file);
  EXPECT_THAT(written, testing::HasSubstr("error: C_Sign: a fault\n"));
  EXPECT_THAT(written, testing::HasSubstr("error: C_Verify: out of memory\n"));
}

}  // namespace
}  // namespace mayfly::api
