#include "integration/tools/mayfly_sandbox.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <stdexcept>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;

void write_proc(const char* file, const std::string& text) {
  const int descriptor = open(file, O_WRONLY | O_CLOEXEC);
  const bool good = descriptor >= 0 && write(descriptor, text.data(), text.size()) ==
                                           static_cast<ssize_t>(text.size());
  close(descriptor);
  if (!good) throw std::runtime_error(std::string("can't write ") + file);
}

/// A mount namespace of this process's own; for others than root, with the right to mount in it.
void leave_mounts() {
  const std::string user = std::to_string(geteuid());
  const bool root = geteuid() == 0;
  if (unshare(CLONE_NEWNS | (root ? 0 : CLONE_NEWUSER)) != 0) {
    throw std::runtime_error(std::string("no mount namespace: ") + std::strerror(errno));
  }
  if (!root) write_proc("/proc/self/uid_map", user + " " + user + " 1");
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    throw std::runtime_error("mounts can't be made private");
  }
}

}  // namespace

MayflySandbox::MayflySandbox() {
  for (const char* name : {"config", "home", "run"}) {
    fs::create_directory(root() / name);
    fs::permissions(root() / name, fs::perms::owner_all);
  }
}

Outcome MayflySandbox::mayfly(const std::vector<std::string>& arguments, const Environment& changes,
                              int closed_stream) const {
  std::vector<std::string> all = {MAYFLY_COMMAND};
  all.insert(all.end(), arguments.begin(), arguments.end());
  Environment environment = {{"XDG_CONFIG_HOME", (root() / "config").string()},
                             {"HOME", (root() / "home").string()},
                             {"XDG_RUNTIME_DIR", (root() / "run").string()},
                             {"MAYFLY_CONF", std::nullopt},
                             {"SOFTHSM2_CONF", std::nullopt}};
  for (const auto& [name, value] : changes) environment[name] = value;
  return run(all, environment, closed_stream);
}

void MayflySandbox::init(const fs::path& folder) const {
  const Outcome outcome = mayfly({"init", "--folder", folder});
  if (outcome.status != 0) throw std::runtime_error("mayfly init failed: " + outcome.err);
}

std::vector<std::string> Diagnosis::with(const std::string& verdict) const {
  std::vector<std::string> names;
  for (const auto& [name, value] : verdicts) {
    if (value == verdict) names.push_back(name);
  }
  return names;
}

Diagnosis diagnose(const MayflySandbox& sandbox, const fs::path& config,
                   const Environment& changes) {
  const Outcome outcome = sandbox.mayfly({"doctor", "--json", "--config", config}, changes);
  Diagnosis diagnosis;
  diagnosis.status = outcome.status;
  const auto json = nlohmann::json::parse(outcome.out);
  diagnosis.ok = json.at("ok").get<bool>();
  for (const auto& check : json.at("checks")) {
    const auto name = check.at("name").get<std::string>();
    diagnosis.verdicts[name] = check.at("status").get<std::string>();
    diagnosis.details[name] = check.at("detail").get<std::string>();
  }
  return diagnosis;
}

std::vector<std::string> tree(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    names.push_back(entry.path().lexically_relative(folder).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

void with_own_mounts(const std::function<void()>& body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const bool failed_before = testing::Test::HasFailure();
    try {
      leave_mounts();
      body();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    _exit(testing::Test::HasFailure() && !failed_before ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "see the failures above";
}

void mount_memory(const fs::path& folder, const std::string& options) {
  if (mount("none", folder.c_str(), "tmpfs", 0, options.c_str()) != 0) {
    throw std::runtime_error("can't mount on " + folder.string() + ": " + std::strerror(errno));
  }
}

void remount_read_only(const fs::path& folder) {
  if (mount("none", folder.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) {
    throw std::runtime_error("can't remount " + folder.string() + ": " + std::strerror(errno));
  }
}

}  // namespace mayfly::test
