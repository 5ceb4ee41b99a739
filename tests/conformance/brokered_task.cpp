#include "conformance/brokered_task.h"

#include <fstream>
#include <vector>

namespace mayfly::test {
namespace {

constexpr const char* kSays = "DOORS=";

std::vector<std::string> command(const std::filesystem::path& config_file, const std::string& task,
                                 const std::string& ttl) {
  std::vector<std::string> words = {MAYFLY_COMMAND,       "run",    "--config",
                                    config_file.string(), "--task", task};
  if (!ttl.empty()) words.insert(words.end(), {"--ttl", ttl});
  words.insert(words.end(), {"--", "sh", "-c",
                             std::string("echo ") + kSays +
                                 "$MAYFLY_SOCKET $P11_KIT_SERVER_ADDRESS; exec sleep 3600"});
  return words;
}

}  // namespace

BrokeredTask::BrokeredTask(const std::filesystem::path& config_file, const std::string& task,
                           const std::string& ttl)
    : run_(command(config_file, task, ttl), kSays) {
  const std::size_t blank = run_.address().find(' ');
  socket_ = run_.address().substr(0, blank);
  p11kit_address_ = run_.address().substr(blank + 1);
}

std::string BrokeredTask::reserved(const std::filesystem::path& folder) const {
  const std::filesystem::path client = folder / "client.toml";
  std::ofstream(client) << "[broker]\nsocket = \"" << socket_
                        << "\"\n[log]\nlevel = \"info\"\nfile = \""
                        << (folder / "mayfly.log").string() << "\"\n";
  std::filesystem::permissions(
      client, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  return "conf='" + client.string() + "'";
}

}  // namespace mayfly::test
