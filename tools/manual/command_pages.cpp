#include <array>
#include <cctype>

#include "base/joined.h"
#include "tools/manual/pages.h"
#include "tools/manual/roff_page.h"

namespace mayfly::tools {
namespace {

constexpr const char* kManual = "User commands";

struct Meaning {
  const char* term;
  const char* text;
};

// As docs/running.md has them; the test package.manual compares.
constexpr std::array kExitStatuses = {
    Meaning{"0", "all is well"},
    Meaning{"1",
            "`doctor` found something that does not work, an attack of `drill` succeeded or broke "
            "off, `attest verify` or `token verify` "
            "something that does not hold"},
    Meaning{"2", "the command line makes no sense"},
    Meaning{"64", "a task ID is empty, too long, or holds control characters"},
    Meaning{"65", "a ttl is no length of time, or over what `task.max-ttl` or the policy allows"},
    Meaning{"66", "there is no configuration, or a file that the command line names can't be read"},
    Meaning{"67", "what should be made is there already"},
    Meaning{"68", "a task of that ID is open"},
    Meaning{"69", "the device's library or token is not there"},
    Meaning{"70", "a fault of mayfly's own"},
    Meaning{"71", "the operating system refused: no memory, descriptors or processes left"},
    Meaning{"72", "the device answered with an error"},
    Meaning{"73", "a folder or file can't be made or written"},
    Meaning{"74", "no space is left"},
    Meaning{"75", "a limit is reached that time may lift"},
    Meaning{
        "76",
        "the grant does not hold, is none, or is missing; `credential issue`: the task is over, "
        "its key does not answer, or the evidence does not hold"},
    Meaning{"77",
            "the device refused the PIN, or its source can't be read. A PIN is tried once, never "
            "again by itself: HSMs lock"},
    Meaning{"78", "the configuration is wrong, or not safe to use"},
    Meaning{"79", "the [policy](policy.md) does not let this user open a task"},
    Meaning{"126, 127", "COMMAND can't be executed; there is no COMMAND"},
};

constexpr std::array kManualEnvironment = {
    Meaning{"MAYFLY_CONF", "The configuration, where no --config names one."},
    Meaning{"MAYFLY_SOCKET",
            "Inside a task: its own door, where libmayfly.so looks for it. A task that is opened "
            "there is below that task."},
    Meaning{"MAYFLY_TASK_ID", "Inside a task: its ID."},
    Meaning{"MAYFLY_PKCS11_MODULE",
            "Inside a task: the PKCS#11 library for clients that want one."},
    Meaning{"MAYFLY_P11_KIT_CONFIG",
            "Inside a task: a configuration of p11-kit that names its socket."},
    Meaning{"P11_KIT_SERVER_ADDRESS",
            "Inside a task: its socket, where p11-kit-client.so looks for it."},
    Meaning{"MAYFLY_GRANT_FILE", "The grant that allows a task, where no --grant names one."},
};

constexpr std::array kManualFiles = {
    Meaning{"~/.config/mayfly/mayfly.toml", "The user's configuration; see mayfly.toml(5)."},
    Meaning{"/etc/mayfly/mayfly.toml", "The machine's."},
    Meaning{"/run/mayfly/control", "The control socket of `mayfly serve`."},
    Meaning{"/var/lib/mayfly", "What `mayfly serve` keeps as a service."},
};

/// A link in a page of the docs is only its words here.
std::string without_links(std::string text) {
  for (std::size_t open = text.find("]("); open != std::string::npos; open = text.find("](")) {
    text.erase(open, text.find(')', open) - open + 1);
    text.erase(text.rfind('[', open), 1);
  }
  return text;
}

template <typename Meanings>
void add_meanings(RoffPage& page, const char* title, const Meanings& meanings) {
  page.section(title);
  for (const Meaning& meaning : meanings) page.item(meaning.term, "", without_links(meaning.text));
}

/// "Run a command" as a page's summary begins: small, unless it is a name.
std::string small(std::string text) {
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])) != 0) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

std::string synopsis(const CommandDescription& command) {
  std::string line = "\\fB" + roff_text(joined(command.path, " ")) + "\\fR";
  for (const OptionDescription& option : command.options) {
    if (option.names.back() == "--help" || option.names.back() == "--version") continue;
    std::string text = "\\fB" + roff_text(option.names.back()) + "\\fR";
    if (!option.value.empty()) text += " \\fI" + roff_text(option.value) + "\\fR";
    line += option.required ? " " + text : " [" + text + "]";
  }
  if (!command.commands.empty()) line += " \\fICOMMAND\\fR ...";
  if (command.runs_command) return line + " \\fB\\-\\-\\fR \\fICOMMAND ARGUMENTS\\fR...";
  for (const OptionDescription& argument : command.arguments) {
    const std::string text =
        "\\fI" + roff_text(argument.value) + "\\fR" + (argument.repeated ? "..." : "");
    line += argument.required ? " " + text : " [" + text + "]";
  }
  return line;
}

void add_option_items(RoffPage& page, const CommandDescription& command) {
  for (const OptionDescription& argument : command.arguments) {
    page.item("", argument.value, argument.text);
  }
  for (const OptionDescription& option : command.options) {
    page.item(joined(option.names, ", "), option.value, option.text);
  }
}

/// What is said of a command beside its options.
void add_prose(RoffPage& page, const CommandDescription& command) {
  page.prose(command.text);
  if (command.footer.empty()) return;
  page.paragraph();
  page.prose(command.footer);
}

void add_commands_below(RoffPage& page, const CommandDescription& command) {
  for (const CommandDescription& below : command.commands) {
    page.subsection(joined(below.path, " "));
    page.raw(synopsis(below));
    page.paragraph();
    add_prose(page, below);
    add_option_items(page, below);
    add_commands_below(page, below);
  }
}

ManualPage page_of(const CommandDescription& command) {
  const std::string name = joined(command.path, "-");
  RoffPage page(name, 1, kManual, small(command.summary));
  page.section("Synopsis");
  page.raw(synopsis(command));
  page.section("Description");
  add_prose(page, command);
  page.section("Options");
  add_option_items(page, command);
  if (!command.commands.empty()) {
    page.section("Commands");
    add_commands_below(page, command);
  }
  page.section("Exit status");
  page.prose(
      "0 when all is well, 2 for a command line that makes no sense; `mayfly(1)` has the rest.");
  page.section("See also");
  page.prose("`mayfly(1)`, `mayfly.toml(5)`");
  return {name + ".1", page.text()};
}

}  // namespace

std::vector<ManualPage> command_pages(const CommandDescription& mayfly) {
  RoffPage page("mayfly", 1, kManual, small(mayfly.summary));
  page.section("Synopsis");
  page.raw(synopsis(mayfly));
  page.section("Description");
  page.prose(
      "Each task of an agent gets a PKCS#11 token of its own. Keys that are made in it are made in "
      "an\nHSM or a TPM, can't leave it, and are destroyed when the task ends, in whatever way it "
      "ends.\nUnmodified PKCS#11 clients use the token as they would a smart card.");
  page.paragraph();
  page.prose(mayfly.footer);
  page.section("Options");
  add_option_items(page, mayfly);
  page.section("Commands");
  std::vector<ManualPage> pages;
  for (const CommandDescription& below : mayfly.commands) {
    page.item(joined(below.path, "-") + "(1)", "", below.summary + ".");
    pages.push_back(page_of(below));
  }
  add_meanings(page, "Environment", kManualEnvironment);
  add_meanings(page, "Files", kManualFiles);
  add_meanings(page, "Exit status", kExitStatuses);
  page.section("See also");
  page.prose("`mayfly.toml(5)`, `libmayfly(7)`, `p11-kit(8)`");
  pages.push_back({"mayfly.1", page.text()});
  return pages;
}

}  // namespace mayfly::tools
