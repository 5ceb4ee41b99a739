// Every call that mayfly makes to the device fails once, in every way, and nothing is left behind,
// untrue or broken.
#include <algorithm>
#include <iostream>

#include <gtest/gtest.h>

#include "conformance/answers.h"
#include "fault/scenario.h"
#include "fault/thoroughness.h"

namespace mayfly::test {
namespace {

using Deed = CallScript::Deed;
using Garbage = CallScript::Garbage;
using Plan = CallScript::Plan;
using When = CallScript::When;

constexpr CK_RV kAnswers[] = {CKR_DEVICE_ERROR,
                              CKR_DEVICE_REMOVED,
                              CKR_DEVICE_MEMORY,
                              CKR_SESSION_HANDLE_INVALID,
                              CKR_SESSION_CLOSED,
                              CKR_SESSION_COUNT,
                              CKR_TOKEN_NOT_PRESENT,
                              CKR_HOST_MEMORY,
                              CKR_GENERAL_ERROR,
                              CKR_FUNCTION_FAILED,
                              CKR_USER_NOT_LOGGED_IN,
                              CKR_KEY_HANDLE_INVALID,
                              CKR_OBJECT_HANDLE_INVALID,
                              CKR_OPERATION_ACTIVE,
                              CKR_OPERATION_NOT_INITIALIZED,
                              CKR_BUFFER_TOO_SMALL,
                              CKR_CRYPTOKI_NOT_INITIALIZED,
                              CKR_FUNCTION_NOT_SUPPORTED,
                              CKR_PIN_INCORRECT,
                              CKR_VENDOR_DEFINED | 0x4711};

/// A device, and mayfly run on it again and again.
class EachCallTest : public testing::TestWithParam<KeyKeeping> {
 protected:
  void SetUp() override {
    device_ = std::make_unique<FaultDevice>(GetParam(), FaultDevice::Bystander::none);
    device_->stay_up();
    provider_ = device_->load_mayfly();
  }

  /// Runs the scenario once.
  void run(const Plan& plan, const std::string& variant, Scenario::Options options = {}) {
    device_->script().start(plan);
    findings_.begin(variant);
    Scenario(*device_, *provider_, findings_, std::move(options)).run();
    device_->script().heal();
  }

  /// Runs it while the device is well. @return the calls that mayfly made to the device.
  std::vector<DeviceFunction> clean_run(const Scenario::Options& options = {}) {
    run({}, "while the device is well", options);
    auto calls = device_->script().history();
    findings_.report();
    EXPECT_GT(calls.size(), 50U);
    return calls;
  }

  void finish(const char* what, std::size_t calls) {
    findings_.report();
    std::cout << what << ": " << calls << " calls of the device, " << findings_.variants()
              << " runs\n";
  }

  Findings findings_;
  std::unique_ptr<FaultDevice> device_;
  std::unique_ptr<Provider> provider_;
};

bool asks_for_mechanisms(DeviceFunction function) {
  return function == DeviceFunction::C_GetMechanismList ||
         function == DeviceFunction::C_GetMechanismInfo;
}

std::string place(const std::vector<DeviceFunction>& calls, unsigned number) {
  return "call " + std::to_string(number) + ", " + name_of(calls[number - 1]);
}

TEST_P(EachCallTest, IsAnsweredWithAnError) {
  const auto calls = clean_run();
  for (unsigned number = 1; number <= calls.size(); ++number) {
    for (std::size_t i = 0; i < std::size(kAnswers); ++i) {
      if (!has_turn(number, i, std::size(kAnswers))) continue;
      for (const When when : {When::before, When::after}) {
        run({.first = number, .last = number, .when = when, .answer = kAnswers[i]},
            place(calls, number) + (when == When::before ? " is not made: " : " is made, but: ") +
                answer_name(kAnswers[i]));
      }
    }
  }
  finish("answered with an error", calls.size());
}

/// A device that is away from one call to another, and then back.
TEST_P(EachCallTest, MeetsADeviceThatIsAway) {
  const auto calls = clean_run();
  const auto total = static_cast<unsigned>(calls.size());
  for (unsigned first = 1; first <= total; first += 2) {
    std::size_t variant = 0;
    for (const unsigned length : {3U, 17U, CallScript::kForEver}) {
      for (const CK_RV answer : {CKR_DEVICE_REMOVED, CKR_DEVICE_ERROR, CKR_TOKEN_NOT_PRESENT}) {
        if (!has_turn(first / 2, variant++, 9)) continue;
        const bool for_ever = length == CallScript::kForEver;
        run({.first = first, .last = for_ever ? length : first + length, .answer = answer},
            "away from " + place(calls, first) + " for " + std::to_string(length) +
                " calls: " + answer_name(answer),
            {.faults_go_on = true, .halfway = [this] { device_->script().heal(); }});
      }
    }
  }
  finish("away for a while", calls.size());
}

TEST_P(EachCallTest, MeetsADeviceThatDropsItsSessionsOrStartsAnew) {
  const auto calls = clean_run();
  for (unsigned number = 2; number < calls.size(); ++number) {
    std::size_t variant = 0;
    for (const Deed deed : {Deed::drop_sessions, Deed::restart}) {
      for (const When when : {When::before, When::after}) {
        if (!has_turn(number, variant++, 4)) continue;
        run({.first = number, .last = number, .deed = deed, .when = when},
            std::string(deed == Deed::restart ? "restarted " : "sessions dropped ") +
                (when == When::before ? "before " : "after ") + place(calls, number));
      }
    }
  }
  finish("sessions dropped, device restarted", calls.size());
}

/// Short, long and absurd lengths, counts and handles. What a device that lies leaves on itself
/// can't be known, but nothing crashes, nothing wrong is handed out, and the next task works.
TEST_P(EachCallTest, GivesBackGarbage) {
  const auto calls = clean_run();
  for (unsigned number = 1; number <= calls.size(); ++number) {
    std::size_t variant = 0;
    for (const Garbage garbage : {Garbage::zero, Garbage::less, Garbage::more, Garbage::huge}) {
      if (!has_turn(number, variant++, 4)) continue;
      run({.first = number,
           .last = number,
           .deed = Deed::spoil,
           .when = When::after,
           .garbage = garbage},
          place(calls, number) + " gives garbage of kind " +
              std::to_string(static_cast<int>(garbage)),
          {.device_lies = true, .mechanisms_lie = asks_for_mechanisms(calls[number - 1])});
    }
  }
  finish("garbage", calls.size());
}

/// Around the making of an RSA key, which is slow: few ways.
TEST_P(EachCallTest, MakesAnRsaKey) {
  const auto calls = clean_run({.with_rsa = true});
  unsigned number = 0;
  for (int generations = 0; generations < 3; ++number) {
    if (calls[number] == DeviceFunction::C_GenerateKeyPair) ++generations;
  }
  for (unsigned step = 0; step < 5; ++step) {
    for (const When when : {When::before, When::after}) {
      const CK_RV answer = kAnswers[(2 * step + (when == When::after)) % std::size(kAnswers)];
      run({.first = number + step, .last = number + step, .when = when, .answer = answer},
          place(calls, number + step) + ": " + answer_name(answer), {.with_rsa = true});
    }
  }
  finish("with an RSA key", calls.size());
}

INSTANTIATE_TEST_SUITE_P(Keys, EachCallTest, testing::ValuesIn(kKeyKeepings),
                         [](const auto& keeping) { return keeping.param.name; });

}  // namespace
}  // namespace mayfly::test
