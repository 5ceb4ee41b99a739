// What becomes of a task reaches its broker, however much else is told it.
#include "tools/broker/reporting_book.h"

#include <future>

#include <gtest/gtest.h>

#include "tools/broker/control_channel.h"

namespace mayfly::broker {
namespace {

TEST(ReportingBook, AnEndReachesABrokerThatIsBehind) {
  auto [broker, worker] = ControlChannel::make_pair();
  Message news;
  news.kind = MessageKind::used;
  while (worker.send(news)) {
  }
  const std::string serial = "0123456789abcdef";
  ReportingBook book(worker, serial, [] { return std::shared_ptr<TaskBook>(); });
  std::promise<void> begun;
  const auto recorded = std::async(std::launch::async, [&] {
    begun.set_value();
    book.record({serial, "t", TaskState::exhausted});
  });
  begun.get_future().wait();
  // There is no room before the broker reads.
  EXPECT_EQ(recorded.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  std::optional<Message> last = news;
  while (last && last->kind != MessageKind::moved && broker.wait(deadline)) last = broker.receive();
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->kind, MessageKind::moved);
  EXPECT_EQ(last->state, TaskState::exhausted);
}

}  // namespace
}  // namespace mayfly::broker
