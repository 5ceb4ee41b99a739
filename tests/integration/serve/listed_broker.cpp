#include "integration/serve/listed_broker.h"

#include <fstream>

#include <gtest/gtest.h>

namespace mayfly::test {

ListedHome::ListedHome(const std::string& more, const std::string& uri)
    : BrokerHome(serve_table() +
                 "[registry]\nfile = \"registry.db\"\n"
                 "[issuer]\ntrust-domain = \"agents.example\"\nkey-file = \"issuer-key.pem\"\n"
                 "certificate = \"issuer.pem\"\n"
                 "[status]\nfolder = \"status\"\nuri = \"" +
                 uri + "\"\n" + more) {
  EXPECT_EQ(mayfly({"issuer", "init"}).status, 0);
  keys_ = credential::parse_key_set(mayfly({"issuer", "show", "--jwks"}).out);
  std::filesystem::create_directory(list_folder());
}

Outcome ListedHome::mayfly(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), MAYFLY_PROGRAM);
  arguments.insert(arguments.end(), {"--config", config_file().string()});
  return run(arguments);
}

credential::StatusToken ListedHome::list() const {
  return credential::read_status_token(read_file(list_file()), keys_);
}

bool ListedHome::seems_alive(std::uint64_t place) const {
  std::ifstream file(list_file());
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.empty()) return false;
  return credential::read_status_token(text, keys_).list.at(place) == 0U;
}

std::size_t ListedHome::published_keys() const {
  return nlohmann::json::parse(read_file(list_folder() / "keys.json")).at("keys").size();
}

}  // namespace mayfly::test
