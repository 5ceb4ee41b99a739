// Ways to leave: exit handlers and destructors, before and after libcrypto's own, in every order.
#include <algorithm>
#include <fcntl.h>
#include <regex>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "process/life.h"
#include "support/sanitizer_reports.h"

namespace mayfly::test {
namespace {

using Words = std::vector<std::string>;

class ExitOrderTest : public LifeTest {
 protected:
  struct Outcome {
    int status = 0;
    std::string output;
  };

  Outcome run(const Words& words) {
    const auto output = folder_.path() / "output";
    std::vector<std::string> arguments = {MAYFLY_EXIT_CLIENT, ModuleProvider::module_path(),
                                          provider_->reserved("leaving", ""), MAYFLY_FAULTY_MODULE};
    arguments.insert(arguments.end(), words.begin(), words.end());
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      // What a library that is unloaded without its end leaves behind is nobody's any more.
      setenv("ASAN_OPTIONS", options_without_leak_check().c_str(), 1);
      dup2(open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), STDOUT_FILENO);
      execv(pointers[0], pointers.data());
      _exit(99);
    }
    Outcome outcome;
    EXPECT_EQ(waitpid(child, &outcome.status, 0), child);
    outcome.output = read_file(output);
    return outcome;
  }

  /// Every order of the words in which the module is loaded before it is started.
  static std::vector<Words> orders(Words words) {
    std::vector<Words> result;
    std::ranges::sort(words);
    do {
      if (std::ranges::find(words, "load") < std::ranges::find(words, "start")) {
        result.push_back(words);
      }
    } while (std::ranges::next_permutation(words).found);
    return result;
  }
};

std::string joined(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += word + " ";
  return text;
}

// Whoever comes first finalises, in order; whoever comes then is told so. A signature at that time
// is made or refused, and nothing crashes.
TEST_F(ExitOrderTest, FinalisingWhileTheProcessEndsWorksInEveryOrder) {
  std::size_t made = 0;
  std::vector<Words> extras = {{}, {"handler"}, {"static"}};
  // A process with a sanitizer takes its time.
  if (!kSanitized) extras.insert(extras.end(), {{"handler", "static"}, {"handler", "handler"}});
  for (const Words& extra : extras) {
    Words words = {"crypto", "load", "start"};
    words.insert(words.end(), extra.begin(), extra.end());
    for (const Words& order : orders(words)) {
      SCOPED_TRACE(joined(order));
      const Outcome outcome = run(order);
      EXPECT_EQ(outcome.status, 0) << outcome.output;
      EXPECT_EQ(std::ranges::count(outcome.output, '\n'), static_cast<long>(extra.size()));
      if (!extra.empty()) {
        EXPECT_THAT(outcome.output.substr(0, outcome.output.find('\n')),
                    testing::EndsWith("finalize 0"));
      }
      if (extra.size() > 1) {
        EXPECT_THAT(outcome.output, testing::EndsWith("sign 190, finalize 190\n"));
      }
      ++made;
    }
  }
  EXPECT_EQ(made, kSanitized ? 3U + 12U + 12U : 3U + 12U + 12U + 60U + 30U);
  EXPECT_EQ(device_keys(), 0U);
}

// A device's library is not taken down under a thread that starts or finalises the module: the end
// waits for it, and lets nobody in any more.
TEST_F(ExitOrderTest, TheEndWaitsForAThreadThatStartsOrFinalises) {
  const std::string over_faulty_device = std::regex_replace(
      read_file(folder_.path() / "mayfly.toml"), std::regex("module = \"[^\"]*\""),
      "module = \"" MAYFLY_FAULTY_MODULE "\"");
  provider_ = make_provider(folder_.write("mayfly.toml", over_faulty_device));
  for (const char* change : {"finalising", "starting"}) {
    SCOPED_TRACE(change);
    for (const Words& order : {Words{"load", "watch", "start", change},
                               Words{"crypto", "load", "watch", "start", change}}) {
      const Outcome outcome = run(order);
      EXPECT_EQ(outcome.status, 0) << outcome.output;
      EXPECT_EQ(outcome.output, "over, C_GetInfo 190\n") << joined(order);
    }
  }
}

TEST_F(ExitOrderTest, ALibraryThatWasUnloadedDoesNotComeBackAtTheEnd) {
  for (const Words& words : {Words{"load", "start", "unload"}, Words{"load", "unload"},
                             Words{"crypto", "load", "start", "unload"}}) {
    SCOPED_TRACE(joined(words));
    EXPECT_EQ(run(words).status, 0);
  }
}

}  // namespace
}  // namespace mayfly::test
