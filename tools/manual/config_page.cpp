#include "config/keys.h"
#include "tools/manual/pages.h"
#include "tools/manual/roff_page.h"

namespace mayfly::tools {
namespace {

void add_key(RoffPage& page, const ConfigKey& key) {
  const std::string standard = key.show(Config{});
  std::string text(key.doc);
  if (key.required) {
    text += " Required when device.type is \"pkcs11\".";
  } else if (!standard.empty()) {
    text += " Default: " + standard + ".";
  }
  page.item(std::string(key.name) + " =", key.type, text);
}

}  // namespace

ManualPage config_page() {
  RoffPage page("mayfly.toml", 5, "File formats", "configuration of mayfly");
  page.section("Description");
  page.prose(
      "One TOML file. mayfly takes the first of: `--config` of the command, or `conf=` in "
      "`pReserved`;\n`$MAYFLY_CONF`; `$XDG_CONFIG_HOME/mayfly/mayfly.toml`, which is in "
      "`~/.config` "
      "without the\nvariable; `/etc/mayfly/mayfly.toml`. `mayfly init` writes one with every key "
      "explained, and\n`mayfly doctor` tells whether it is good.\n\n"
      "The file must belong to its user or to root and must not be writable by others; a PIN file\n"
      "must not be readable by others. An unknown key, a wrong type or a value out of range is an\n"
      "error that names file, line and remedy. Relative paths are relative to the file's folder.");
  for (const ConfigTable& table : config_tables()) {
    page.section("[" + std::string(table.name) + "]");
    page.prose(table.doc);
    for (const ConfigKey& key : config_keys()) {
      if (key.table == table.name) add_key(page, key);
    }
  }
  page.section("See also");
  page.prose("`mayfly(1)`, `mayfly-init(1)`, `mayfly-doctor(1)`, `libmayfly(7)`");
  return {"mayfly.toml.5", page.text()};
}

}  // namespace mayfly::tools
