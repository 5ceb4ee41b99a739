#include "integration/broker/attacked_run.h"

#include <signal.h>

#include <gmock/gmock.h>

namespace mayfly::test {

using testing::HasSubstr;
using testing::Not;

std::size_t status_of(pid_t process, const std::string& name) {
  const std::string status = read_file("/proc/" + std::to_string(process) + "/status");
  const std::size_t at = status.find("\n" + name + ":");
  return at == std::string::npos ? 0 : std::stoul(status.substr(at + name.size() + 2));
}

std::size_t descriptors_of(pid_t process) {
  std::size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/fd")) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

AttackedRun::AttackedRun()
    : home_("[limits]\nconnections = " + std::to_string(kConnections) + "\nsessions = " +
            std::to_string(kSessions) + "\nobjects = " + std::to_string(kObjects) + "\n"),
      run_(home_, "attacked",
           {"/bin/sh", "-c", "echo $P11_KIT_SERVER_ADDRESS; " + client("sign-on")}),
      other_(home_, "other", {"/bin/sh", "-c", client("sign-on")}) {}

void AttackedRun::SetUp() {
  ASSERT_TRUE(run_.says("signing")) << run_.errors();
  ASSERT_TRUE(other_.says("signing")) << other_.errors();
  worker_ = run_.worker();
  const std::string output = run_.output();
  const std::size_t start = output.find('=') + 1;
  socket_ = output.substr(start, output.find('\n', start) - start);
  bystander_ = std::make_unique<HostileClient>(socket_);
  bystander_->open_session();
  bystander_->generate();
  agent_bystander_ = std::make_unique<HostileAgent>(door());
  agent_bystander_->open_session();
  agent_bystander_->generate();
  ASSERT_TRUE(bystander_->sign());
  ASSERT_TRUE(agent_bystander_->sign());
  threads_ = status_of(worker_, "Threads");
  descriptors_ = descriptors_of(worker_);
  memory_ = status_of(worker_, "VmHWM");
}

bool AttackedRun::is_calm() const {
  return eventually([&] {
    return status_of(worker_, "Threads") == threads_ && descriptors_of(worker_) == descriptors_;
  });
}

bool AttackedRun::is_logged(const std::string& text) const {
  return eventually([&] { return home_.log().find(text) != std::string::npos; });
}

void AttackedRun::TearDown() {
  expect_others_sign();
  EXPECT_TRUE(is_calm()) << status_of(worker_, "Threads") << " threads, before " << threads_ << "; "
                         << descriptors_of(worker_) << " descriptors, before " << descriptors_;
  EXPECT_LE(status_of(worker_, "VmHWM"), memory_ + most_memory_);
  EXPECT_EQ(run_.worker(), worker_);
  bystander_.reset();
  agent_bystander_.reset();
  run_.send(SIGTERM);
  other_.send(SIGTERM);
  EXPECT_THAT(run_.wait().errors, Not(HasSubstr("lost")));
  EXPECT_THAT(other_.wait().errors, Not(HasSubstr("lost")));
  EXPECT_THAT(home_.log(), HasSubstr("task attacked ended (closed)"));
  EXPECT_LE(home_.log().size(), 64U * 1024U);
}

void AttackedRun::expect_others_sign() const {
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(bystander_->sign());
    ASSERT_TRUE(agent_bystander_->sign());
  }
  EXPECT_THAT(run_.output(), Not(HasSubstr("client:")));
  EXPECT_THAT(other_.output(), Not(HasSubstr("client:")));
}

}  // namespace mayfly::test
