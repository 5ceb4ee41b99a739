#include "integration/broker/broker_home.h"

#include <charconv>
#include <thread>
#include <unistd.h>

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;

/// The number that a name in /proc stands for; -1 if it is no process.
int process_number(const fs::path& entry) {
  const std::string name = entry.filename().string();
  int number = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc() && end == name.data() + name.size() ? number : -1;
}

/// A file of a process; empty if that has gone meanwhile, or is another user's.
std::string process_file(const fs::path& process, const char* name) {
  try {
    return read_file(process / name);
  } catch (const std::ios_base::failure&) {
    return {};
  }
}

bool is_zombie(const fs::path& process) {
  const std::string stat = process_file(process, "stat");
  const std::size_t name_end = stat.rfind(')');
  return name_end == std::string::npos || stat.compare(name_end, 3, ") Z") == 0;
}

}  // namespace

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds within) {
  const auto deadline = std::chrono::steady_clock::now() + within;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

BrokerHome::BrokerHome(const std::string& extra, Keys keys) : keys_(keys) {
  configure("file:" + token_.pin_file().string(), extra);
}

void BrokerHome::configure(const std::string& pin_source, const std::string& extra) const {
  const std::string storage =
      keys_ == Keys::stored ? "keys = \"stored\"\n[registry]\nfile = \"registry.db\"\n" : "";
  folder_.write("mayfly.toml", "[device]\nmodule = \"" + SoftHsmToken::module_path().string() +
                                   "\"\ntoken = \"" + token_.uri() + "\"\npin-source = \"" +
                                   pin_source + "\"\nenv = { SOFTHSM2_CONF = \"" +
                                   token_.config_file().string() + "\" }\n" + storage +
                                   "[log]\nfile = \"" + log_file().string() +
                                   "\"\nlevel = \"info\"\n[broker]\nruntime-folder = \"" +
                                   runtime_folder().string() + "\"\n" + extra);
}

std::vector<fs::path> BrokerHome::run_folders() const {
  std::vector<fs::path> result;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(runtime_folder(), error)) {
    result.push_back(entry.path());
  }
  return result;
}

std::vector<int> BrokerHome::processes() const {
  std::vector<int> result;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const int number = process_number(entry.path());
    if (number < 0 || number == getpid() || is_zombie(entry.path())) continue;
    if (process_file(entry.path(), "cmdline").find(folder().string()) != std::string::npos ||
        process_file(entry.path(), "environ").find(runtime_folder().string()) !=
            std::string::npos) {
      result.push_back(number);
    }
  }
  return result;
}

}  // namespace mayfly::test
