// PINs from files, descriptors, credentials and commands.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/descriptor.h"
#include "config/config.h"
#include "support/environment.h"
#include "support/temp_folder.h"
#include "unit/config/message_of.h"

namespace mayfly {
namespace {

using test::message_of;

constexpr char kPin[] = "correct horse battery";

PinSource source(const std::string& text) { return PinSource::parse(text, "/nowhere"); }

std::string pin_of(const PinSource& source) { return std::string(as_text(source.read().view())); }

class PinFile : public testing::Test {
 protected:
  std::string write(std::string_view content, mode_t mode = 0600) {
    return "file:" + folder_.write("pin", content, mode).string();
  }
  std::string path() const { return (folder_.path() / "pin").string(); }

  test::TempFolder folder_;
};

TEST_F(PinFile, IsReadWithoutItsNewline) {
  EXPECT_EQ(pin_of(source(write(std::string(kPin) + "\n"))), kPin);
  EXPECT_EQ(pin_of(source(write(kPin))), kPin);
  EXPECT_EQ(pin_of(source(write(" spaces count \n"))), " spaces count ");
  EXPECT_EQ(pin_of(source(write("gr\xc3\xbc\xc3\x9f"))), "gr\xc3\xbc\xc3\x9f");
  EXPECT_EQ(pin_of(source(write(std::string(255, 'x') + "\n"))), std::string(255, 'x'));
}

TEST_F(PinFile, IsReadAgainEachTime) {
  const PinSource pin = source(write("first"));
  EXPECT_EQ(pin_of(pin), "first");
  write("second");
  EXPECT_EQ(pin_of(pin), "second");
}

TEST_F(PinFile, RelativePathStartsAtTheGivenFolder) {
  write(kPin);
  EXPECT_EQ(pin_of(PinSource::parse("file:pin", folder_.path())), kPin);
  EXPECT_EQ(PinSource::parse("file:../pin", folder_.path()).value,
            (folder_.path().parent_path() / "pin").string());
}

TEST_F(PinFile, ThatIsNoPinIsRefused) {
  const std::string what = "the PIN source file:" + path();
  const std::string control =
      what +
      " holds control characters (more than one line, or the line ends of Windows?); leave the PIN "
      "alone in it";
  const auto message = [&](std::string_view content) {
    const PinSource pin = source(write(content));
    return message_of([&] { return pin.read(); });
  };
  EXPECT_EQ(message(""), what + " is empty; put the PIN there");
  EXPECT_EQ(message("\n"), what + " is empty; put the PIN there");
  EXPECT_EQ(message("1234\r\n"), control);
  EXPECT_EQ(message("1234\n\n"), control);
  EXPECT_EQ(message("1234\n5678"), control);
  EXPECT_EQ(message(std::string_view("12\0"
                                     "34",
                                     5)),
            control);
  EXPECT_EQ(message("12\x7f"), control);
  const std::string long_message = what + " is longer than 255 bytes, which no PIN is";
  EXPECT_EQ(message(std::string(256, 'x')), long_message);
  EXPECT_EQ(message(std::string(256, 'x') + "\n"), long_message);
  EXPECT_EQ(message(std::string(100'000, 'x')), long_message);
}

TEST_F(PinFile, ThatOthersCanReadOrWriteIsRefused) {
  for (const mode_t mode : {0640, 0604, 0644, 0660, 0666, 0777}) {
    const PinSource pin = source(write(kPin, mode));
    const char* who = (mode & S_IROTH) != 0 ? "everybody" : "its group";
    EXPECT_EQ(message_of([&] { return pin.read(); }),
              path() + ": can be read by " + who + "; run: chmod 600 " + path());
  }
  for (const mode_t mode : {0620, 0602}) {
    const PinSource pin = source(write(kPin, mode));
    const char* who = (mode & S_IWOTH) != 0 ? "everybody" : "its group";
    EXPECT_EQ(message_of([&] { return pin.read(); }),
              path() + ": can be written by " + who + "; run: chmod go-w " + path());
  }
  EXPECT_EQ(pin_of(source(write(kPin, 0400))), kPin);
}

TEST_F(PinFile, OfAStrangerIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const PinSource pin = source(write(kPin));
  ASSERT_EQ(chown(path().c_str(), 65'534, 0), 0);
  EXPECT_EQ(
      message_of([&] { return pin.read(); }),
      path() + ": belongs to user 65534, who could change it at any time; run: chown 0 " + path());
}

TEST_F(PinFile, ThatIsMissingOrNoFileIsRefused) {
  EXPECT_EQ(
      message_of([&] { return source("file:" + path()).read(); }),
      path() + ": can't be opened: No such file or directory; check the path and its permissions");
  EXPECT_EQ(message_of([&] { return source("file:/").read(); }),
            "/: is not a regular file; name the file itself");
}

/// A file in memory only, whose position stands at its end.
Descriptor memory_file(std::string_view content) {
  Descriptor file(memfd_create("pin", MFD_CLOEXEC));
  EXPECT_EQ(write(file.number(), content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  return file;
}

TEST(PinDescriptor, ThatCanSeekIsReadFromTheStartAndLeftAlone) {
  const Descriptor file = memory_file("1234\n");
  const PinSource pin = source("fd:" + std::to_string(file.number()));
  ASSERT_EQ(lseek(file.number(), 2, SEEK_SET), 2);
  EXPECT_EQ(pin_of(pin), "1234");
  EXPECT_EQ(pin_of(pin), "1234") << "a second time";
  EXPECT_EQ(lseek(file.number(), 0, SEEK_CUR), 2);
}

TEST(PinDescriptor, ThatIsAPipeIsReadToItsEndOnce) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const Descriptor output(ends[0]);
  Descriptor input(ends[1]);
  ASSERT_EQ(write(input.number(), "12", 2), 2);
  ASSERT_EQ(write(input.number(), "34\n", 3), 3);
  input.reset();
  const PinSource pin = source("fd:" + std::to_string(output.number()));
  EXPECT_EQ(pin_of(pin), "1234");
  EXPECT_GE(fcntl(output.number(), F_GETFD), 0) << "it stays open";
  EXPECT_EQ(message_of([&] { return pin.read(); }),
            "the PIN source " + pin.describe() + " is empty; put the PIN there");
}

TEST(PinDescriptor, ThatIsClosedIsRefused) {
  int number = -1;
  {
    const Descriptor file = memory_file("1234");
    number = file.number();
  }
  EXPECT_EQ(message_of([&] { return source("fd:" + std::to_string(number)).read(); }),
            "the PIN source fd:" + std::to_string(number) +
                " can't be read: Bad file descriptor; hand the descriptor over when starting the "
                "process");
}

TEST(PinDescriptor, NumbersAreChecked) {
  for (const char* text : {"fd:", "fd:-1", "fd:+3", "fd: 3", "fd:3 ", "fd:0x3", "fd:3.0", "fd:1",
                           "fd:2", "fd:1048576", "fd:99999999999999999999"}) {
    EXPECT_NE(message_of([&] { return source(text); }), "no error") << text;
  }
  EXPECT_EQ(source("fd:0").kind, PinSource::Kind::descriptor);
  EXPECT_EQ(source("fd:1048575").value, "1048575");
}

class PinCredential : public testing::Test {
 protected:
  test::TempFolder folder_;
  test::ScopedVariable variable_{"CREDENTIALS_DIRECTORY", folder_.path().string()};
};

TEST_F(PinCredential, IsReadFromItsFolder) {
  folder_.write("hsm", "1234\n", 0400);
  EXPECT_EQ(pin_of(source("credential:hsm")), "1234");
}

TEST_F(PinCredential, MayShowTheGroupBitsOfAnAccessList) {
  folder_.write("hsm", "1234", 0440);
  EXPECT_EQ(pin_of(source("credential:hsm")), "1234");
}

TEST_F(PinCredential, ThatOthersCanReadOrTheGroupCanWriteIsRefused) {
  const std::string path = folder_.write("hsm", "1234", 0444).string();
  EXPECT_EQ(message_of([] { return source("credential:hsm").read(); }),
            path + ": can be read by everybody; run: chmod 600 " + path);
  folder_.write("hsm", "1234", 0460);
  EXPECT_EQ(message_of([] { return source("credential:hsm").read(); }),
            path + ": can be written by its group; run: chmod go-w " + path);
}

TEST_F(PinCredential, WithoutTheFolderIsRefused) {
  for (const std::optional<std::string>& value :
       {std::optional<std::string>(), std::optional<std::string>(""),
        std::optional<std::string>("relative")}) {
    const test::ScopedVariable variable("CREDENTIALS_DIRECTORY", value);
    EXPECT_EQ(
        message_of([] { return source("credential:hsm").read(); }),
        "the PIN source credential:hsm can't be read: $CREDENTIALS_DIRECTORY is not set; start "
        "this as a systemd service with LoadCredential=hsm");
  }
}

TEST_F(PinCredential, NamesAreChecked) {
  for (const char* text : {"credential:", "credential:.", "credential:..", "credential:a/b",
                           "credential:/etc/passwd"}) {
    EXPECT_NE(message_of([&] { return source(text); }), "no error") << text;
  }
}

TEST(PinCommand, OutputIsThePin) {
  EXPECT_EQ(pin_of(source("command:/bin/echo 1234")), "1234");
  EXPECT_EQ(pin_of(source("command:/bin/echo   12  34 ")), "12 34") << "runs of spaces split once";
  EXPECT_EQ(pin_of(source("command:/bin/echo $HOME;id")), "$HOME;id") << "no shell";
}

TEST(PinCommand, WithNoPinIsRefused) {
  EXPECT_EQ(message_of([] { return source("command:/bin/true").read(); }),
            "the PIN source command:/bin/true is empty; put the PIN there");
  EXPECT_EQ(message_of([] { return source("command:/bin/false").read(); }),
            "the PIN command /bin/false ended with exit status 1; run it by hand to see why");
}

TEST(PinSourceText, IsCheckedAndNeverRepeated) {
  for (const char* text : {"", ":", "file", "1234", "FILE:/pin", "file :/pin", " file:/pin",
                           "env:X", "command:", "command:   ", "command:relative"}) {
    const std::string message = message_of([&] { return source(text); });
    EXPECT_NE(message, "no error") << text;
    EXPECT_THAT(message, testing::Not(testing::HasSubstr("1234")));
  }
}

TEST(PinSourceText, DescribeHidesArgumentsOfACommand) {
  EXPECT_EQ(source("file:/etc/pin").describe(), "file:/etc/pin");
  EXPECT_EQ(source("fd:3").describe(), "fd:3");
  EXPECT_EQ(source("credential:hsm").describe(), "credential:hsm");
  EXPECT_EQ(source("command:/bin/echo 1234").describe(), "command:/bin/echo");
}

}  // namespace
}  // namespace mayfly
