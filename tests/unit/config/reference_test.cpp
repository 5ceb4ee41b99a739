// docs/configuration.md says what the table of keys says.
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>

#include <gtest/gtest.h>

#include "config/keys.h"

namespace mayfly {
namespace {

/// The pages that a text names, as links from one of them.
std::string with_links(std::string_view text) {
  static const std::regex kPage("docs/([a-z]+)\\.md");
  return std::regex_replace(std::string(text), kPage, "[$1]($1.md)");
}

std::string reference_page() {
  std::string page =
      "# Configuration\n\n"
      "One TOML file. mayfly takes the first of: `--config` (of the command) or `conf=` (in "
      "`pReserved`),\n`$MAYFLY_CONF`, `$XDG_CONFIG_HOME/mayfly/mayfly.toml` "
      "(`~/.config` without the variable),\n`/etc/mayfly/mayfly.toml`. `mayfly init` writes one "
      "with every key explained.\n\n"
      "The file must belong to its user or to root and must not be writable by others; a PIN file "
      "must not be\nreadable by others. An unknown key, a wrong type or a value out of range is an "
      "error that names file,\nline and remedy. Relative paths are relative to the file's "
      "folder.\n";
  for (const ConfigTable& table : config_tables()) {
    page += "\n## [" + std::string(table.name) + "]\n\n" + with_links(table.doc) +
            "\n\n| key | value | default | |\n|---|---|---|---|\n";
    for (const ConfigKey& key : config_keys()) {
      if (key.table != table.name) continue;
      const std::string shown = key.show(Config{});
      const std::string fallback =
          key.required ? "required for pkcs11" : (shown.empty() ? "none" : "`" + shown + "`");
      page += "| `" + std::string(key.name) + "` | " + std::string(key.type) + " | " + fallback +
              " | " + std::string(key.doc) + " |\n";
    }
  }
  return page;
}

TEST(ConfigReference, ThePageInTheDocsSaysWhatTheCodeSays) {
  const std::string file = MAYFLY_SOURCE_DIR "/docs/configuration.md";
  if (std::getenv("MAYFLY_WRITE_REFERENCE") != nullptr) std::ofstream(file) << reference_page();
  std::ifstream stream(file);
  const std::string page{std::istreambuf_iterator<char>(stream), {}};
  EXPECT_EQ(page, reference_page())
      << "write it anew: MAYFLY_WRITE_REFERENCE=1 ctest -R ConfigReference";
}

}  // namespace
}  // namespace mayfly
