// `mayfly completion`, and what writes the manual pages when mayfly is built.
#include "tools/manual/completion.h"

#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

#include "tools/commands.h"
#include "tools/exit_status.h"
#include "tools/failure.h"
#include "tools/manual/pages.h"

namespace mayfly::tools {
namespace {

void write_page(const std::filesystem::path& folder, const ManualPage& page) {
  std::ofstream stream(folder / page.file, std::ios::trunc);
  stream << page.text;
  stream.close();
  if (!stream) throw Failure(kCannotWrite, (folder / page.file).string() + " can't be written");
}

/// Not shown: who has mayfly installed has the pages, too.
void add_manual(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("manual", "Write the manual pages into a folder")->group("");
  const auto folder = std::make_shared<std::string>();
  command->add_option("folder", *folder)->required();
  command->callback([&app, folder, &status] {
    for (const ManualPage& page : command_pages(describe(app))) write_page(*folder, page);
    write_page(*folder, config_page());
    status = kOk;
  });
}

}  // namespace

void add_completion(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("completion", "Print what completes mayfly's command line in a shell");
  const auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "bash or zsh")
      ->check(CLI::IsMember({"bash", "zsh"}))
      ->required();
  command->footer(
      "Packages bring it along. Without one:\n\n"
      "  source <(mayfly completion bash)");
  command->callback([&app, shell, &status] {
    const CommandDescription mayfly = describe(app);
    std::cout << (*shell == "bash" ? bash_completion(mayfly) : zsh_completion(mayfly));
    status = kOk;
  });
  add_manual(app, status);
}

}  // namespace mayfly::tools
