// A worker that lies can't harm the agent that asks it.
#include "device/broker/broker_link.h"

#include <atomic>
#include <fcntl.h>
#include <future>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "conformance/process.h"
#include "support/failure_of.h"
#include "support/lying_worker.h"

namespace mayfly::test {
namespace {

using agent::BrokerLink;
using std::chrono::milliseconds;
using wire::Kind;
using wire::Message;

constexpr BrokerLink::Patience kLittle{milliseconds(300), milliseconds(300)};

CK_RV ask_changes(BrokerLink& link) {
  return answer_of([&] {
    link.call<wire::ChangesAnswer>(Kind::changes, wire::ChangesRequest{}, [](const auto&) {});
  });
}

bool truth(int socket, const Message& request) {
  return send_raw(socket, answer_packet(request, CKR_OK, [](wire::Writer& out) {
                    wire::ChangesAnswer{}.write(out);
                  }));
}

struct Lie {
  const char* what;
  LyingWorker::Script script;
};

/// An answer that is true but for its header.
LyingWorker::Script with_header(std::size_t at, std::uint8_t byte) {
  return [=](int socket, const Message& request) {
    Bytes packet =
        answer_packet(request, CKR_OK, [](wire::Writer& out) { wire::ChangesAnswer{}.write(out); });
    packet[at] = static_cast<std::uint8_t>(packet[at] + byte);
    return send_raw(socket, packet);
  };
}

LyingWorker::Script with_body(const std::function<void(wire::Writer&)>& write) {
  return [=](int socket, const Message& request) {
    return send_raw(socket, answer_packet(request, CKR_OK, write));
  };
}

const Lie kLies[] = {
    {"another kind", with_header(0, 1)},
    {"a kind that is none", with_header(0, 200)},
    {"an unknown flag", with_header(1, 2)},
    {"more, and then nothing", with_header(1, 1)},
    {"a header that is not zero where it must be", with_header(2, 1)},
    {"another number", with_header(4, 1)},
    {"half a header",
     [](int socket, const Message&) {
       return send_raw(socket, Bytes{11, 0, 0, 0});
     }},
    {"no CK_RV",
     [](int socket, const Message& request) {
       Bytes packet = answer_packet(request);
       packet.resize(12);
       return send_raw(socket, packet);
     }},
    {"a refusal that is cut off",
     [](int socket, const Message& request) {
       Bytes packet = answer_packet(request, CKR_DEVICE_ERROR);
       packet.pop_back();
       return send_raw(socket, packet);
     }},
    {"a refusal with a long text",
     [](int socket, const Message& request) {
       Bytes packet = answer_packet(request);
       packet.resize(8);
       wire::Writer out(packet);
       out.u64(CKR_DEVICE_ERROR);
       out.text(std::string(60'000, 'x'));
       return send_raw(socket, packet);
     }},
    {"nothing where something is", with_body([](wire::Writer&) {})},
    {"something left over", with_body([](wire::Writer& out) {
       wire::ChangesAnswer{}.write(out);
       out.u8(0);
     })},
    {"a list that is longer than the answer", with_body([](wire::Writer& out) {
       out.u64(1);
       out.flag(false);
       out.flag(false);
       out.u32(0xffffffff);
     })},
    {"an attribute that is longer than the answer", with_body([](wire::Writer& out) {
       out.u64(1);
       out.flag(false);
       out.flag(false);
       out.count(1);
       for (int i = 0; i < 3; ++i) out.u64(1);
       out.count(1);
       out.u64(CKA_LABEL);
       out.u32(0x7fffffff);
       out.u32(0);
     })},
    {"a flag that is neither", with_body([](wire::Writer& out) {
       out.u64(1);
       out.u8(2);
       out.u8(0);
       out.count(0);
       out.count(0);
     })},
    {"more than an answer may have",
     [](int socket, const Message& request) {
       Bytes packet = answer_packet(request);
       packet.resize(wire::kMaxPacket, 0);
       packet[1] = 1;
       for (int i = 0; i < 100; ++i) {
         if (!send_raw(socket, packet)) return false;
       }
       return false;
     }},
    {"packets that carry nothing on",
     [](int socket, const Message& request) {
       Bytes packet = answer_packet(request);
       packet.resize(8);
       packet[1] = 1;
       return send_raw(socket, packet) && send_raw(socket, packet);
     }},
    {"silence", [](int, const Message&) { return true; }},
    {"a hang-up", [](int, const Message&) { return false; }},
};

TEST(BrokerLink, GivesUpAWorkerThatLies) {
  for (const Lie& lie : kLies) {
    SCOPED_TRACE(lie.what);
    LyingWorker worker(lie.script);
    BrokerLink link(worker.socket(), kLittle);
    EXPECT_EQ(ask_changes(link), CKR_DEVICE_REMOVED);
    EXPECT_FALSE(link.is_up());
    EXPECT_EQ(ask_changes(link), CKR_DEVICE_REMOVED) << "it was asked again";
  }
}

TEST(BrokerLink, GoesOnAfterARefusal) {
  std::atomic<int> requests{0};
  LyingWorker worker([&](int socket, const Message& request) {
    if (++requests % 2 == 0) return truth(socket, request);
    return send_raw(socket, answer_packet(request, CKR_PIN_LOCKED));
  });
  BrokerLink link(worker.socket(), kLittle);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(ask_changes(link), CKR_PIN_LOCKED);
    EXPECT_EQ(ask_changes(link), CKR_OK);
  }
  EXPECT_TRUE(link.is_up());
}

TEST(BrokerLink, KeepsNoDescriptorsThatItDidNotAskFor) {
  LyingWorker worker([](int socket, const Message& request) {
    return send_raw(
        socket,
        answer_packet(request, CKR_OK, [](wire::Writer& out) { wire::ChangesAnswer{}.write(out); }),
        STDERR_FILENO);
  });
  BrokerLink link(worker.socket(), kLittle);
  EXPECT_EQ(ask_changes(link), CKR_OK);  // by now the worker's copy of the page is closed
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ask_changes(link), CKR_OK);
  EXPECT_EQ(open_descriptors(), before);
}

TEST(BrokerLink, RefusesWhatIsTooLongBeforeItIsSent) {
  LyingWorker worker(truth);
  BrokerLink link(worker.socket(), kLittle);
  const Bytes value(64 * 1024);
  wire::CreateObjectRequest request;
  for (CK_ATTRIBUTE_TYPE type = 0; type < 20; ++type) request.attributes.push_back({type, value});
  EXPECT_EQ(answer_of([&] { link.call(Kind::create_object, request); }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(ask_changes(link), CKR_OK);
}

// HELLO ------------------------------------------------------------------------------------------

/// Says HELLO with a page of some shape, and something changed.
LyingWorker::Script hello_with(PageShape shape,
                               const std::function<void(wire::HelloAnswer&)>& change = {}) {
  return [=](int socket, const Message& request) {
    wire::HelloAnswer answer = LyingWorker::true_hello();
    if (change) change(answer);
    return LyingWorker::say_hello(socket, request, make_change_page(shape), answer);
  };
}

const Lie kHelloLies[] = {
    {"a page that is too small", hello_with({100})},
    {"a page that is too large", hello_with({3 * wire::kChangePageSize})},
    {"an empty page", hello_with({0})},
    {"a page without seals", hello_with({wire::kChangePageSize, 0})},
    {"a page that can shrink",
     hello_with({wire::kChangePageSize, wire::kChangePageSeals & ~unsigned{F_SEAL_SHRINK}})},
    {"a page whose seals can change",
     hello_with({wire::kChangePageSize, wire::kChangePageSeals & ~unsigned{F_SEAL_SEAL}})},
    {"no page",
     [](int socket, const Message& request) {
       return LyingWorker::say_hello(socket, request, Descriptor());
     }},
    {"a pipe for a page",
     [](int socket, const Message& request) {
       int ends[2];
       if (pipe2(ends, O_CLOEXEC) != 0) return false;
       const Descriptor other(ends[1]);
       return LyingWorker::say_hello(socket, request, Descriptor(ends[0]));
     }},
    {"another version", hello_with({}, [](wire::HelloAnswer& answer) { ++answer.version; })},
    {"a short lane key",
     hello_with({}, [](wire::HelloAnswer& answer) { answer.lane_key.pop_back(); })},
    {"a refusal",
     [](int socket, const Message& request) {
       return send_raw(socket, answer_packet(request, CKR_DEVICE_ERROR));
     }},
    {"silence", [](int, const Message&) { return true; }},
    {"a hang-up", [](int, const Message&) { return false; }},
};

TEST(BrokerLink, DoesNotBeginWithAWorkerThatLies) {
  for (const Lie& lie : kHelloLies) {
    SCOPED_TRACE(lie.what);
    const std::size_t before = open_descriptors();
    {
      LyingWorker worker(truth, lie.script);
      EXPECT_EQ(answer_of([&] { BrokerLink(worker.socket(), kLittle); }), CKR_DEVICE_ERROR);
    }
    EXPECT_EQ(open_descriptors(), before) << "a descriptor was kept";
  }
}

TEST(BrokerLink, SaysThatThereIsNoWorker) {
  const TempFolder folder;
  EXPECT_EQ(answer_of([&] { BrokerLink((folder.path() / "none").string()); }), CKR_DEVICE_ERROR);
  EXPECT_EQ(answer_of([&] { BrokerLink(std::string(108, 'x')); }), CKR_ARGUMENTS_BAD);
  EXPECT_EQ(answer_of([&] { BrokerLink(""); }), CKR_ARGUMENTS_BAD);
}

// Lanes ------------------------------------------------------------------------------------------

/// Holds all requests back until as many as wanted are there.
class Crowd {
 public:
  explicit Crowd(std::size_t wanted) : wanted_(wanted) {}
  void wait() {
    std::unique_lock lock(mutex_);
    ++here_;
    all_here_.notify_all();
    all_here_.wait(lock, [&] { return here_ >= wanted_; });
  }

 private:
  const std::size_t wanted_;
  std::mutex mutex_;
  std::condition_variable all_here_;
  std::size_t here_ = 0;
};

TEST(BrokerLink, ThreadsAskAtTheSameTimeOnLanesOfTheirOwn) {
  Crowd crowd(BrokerLink::kMostLanes);
  LyingWorker worker([&](int socket, const Message& request) {
    crowd.wait();
    return truth(socket, request);
  });
  BrokerLink link(worker.socket());
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (std::size_t i = 0; i < 3 * BrokerLink::kMostLanes; ++i) {
    threads.emplace_back([&] { answered += ask_changes(link) == CKR_OK ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, static_cast<int>(3 * BrokerLink::kMostLanes));
  EXPECT_EQ(worker.connections(), BrokerLink::kMostLanes);
}

TEST(BrokerLink, OneLaneDoesWhereTheWorkerTakesNoMore) {
  LyingWorker worker(truth, [](int socket, const Message& request) {
    wire::Reader reader(request.body);
    if (!wire::HelloRequest::read(reader).join.empty()) return false;
    return LyingWorker::say_hello(socket, request, make_change_page());
  });
  BrokerLink link(worker.socket());
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) answered += ask_changes(link) == CKR_OK ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 8 * 50);
}

/// Answers HELLOs of a first lane; `join` answers the others.
LyingWorker::Script greeting(const LyingWorker::Script& join) {
  return [join](int socket, const Message& request) {
    wire::Reader reader(request.body);
    if (!wire::HelloRequest::read(reader).join.empty()) return join(socket, request);
    return LyingWorker::say_hello(socket, request, make_change_page());
  };
}

TEST(BrokerLink, OneMoreLaneIsTriedAgainLater) {
  Crowd crowd(2);  // two requests are there only if there are two lanes
  std::atomic<int> refused{0};
  LyingWorker worker(
      [&](int socket, const Message& request) {
        crowd.wait();
        return truth(socket, request);
      },
      greeting([&](int socket, const Message& request) {
        if (refused++ < 2) return false;
        return LyingWorker::say_hello(socket, request, Descriptor());
      }));
  BrokerLink::Patience patience;
  patience.device = std::chrono::seconds(20);
  patience.pause = milliseconds(20);
  BrokerLink link(worker.socket(), patience);
  std::thread other([&] { EXPECT_EQ(ask_changes(link), CKR_OK); });
  EXPECT_EQ(ask_changes(link), CKR_OK);
  other.join();
  EXPECT_EQ(refused, 3);
}

TEST(BrokerLink, AThreadDoesNotWaitLongForOneMoreLane) {
  std::promise<void> asked_for_more;
  std::atomic<int> lanes{0};
  LyingWorker worker(
      [&](int socket, const Message& request) {
        if (lanes == 0) asked_for_more.get_future().wait();
        return truth(socket, request);
      },
      greeting([&](int, const Message&) {
        if (lanes++ == 0) asked_for_more.set_value();
        return true;  // says nothing
      }));
  BrokerLink::Patience patience;
  patience.usual = std::chrono::minutes(10);
  patience.extra_lane = milliseconds(50);
  BrokerLink link(worker.socket(), patience);
  auto first = std::async(std::launch::async, [&] { return ask_changes(link); });
  auto second = std::async(std::launch::async, [&] { return ask_changes(link); });
  // Where it waits as long as for an answer, that is ten minutes.
  const bool in_time = second.wait_for(std::chrono::seconds(60)) == std::future_status::ready &&
                       first.wait_for(std::chrono::seconds(60)) == std::future_status::ready;
  EXPECT_TRUE(in_time);
  if (!in_time) link.close();
  EXPECT_EQ(first.get(), CKR_OK);
  EXPECT_EQ(second.get(), CKR_OK);
}

TEST(BrokerLink, AThreadThatWaitsIsToldWhenTheLinkGoesDown) {
  Crowd crowd(2);
  LyingWorker worker([&](int, const Message&) {
    crowd.wait();
    return true;  // says nothing
  });
  BrokerLink link(worker.socket());
  std::thread waiting([&] { EXPECT_EQ(ask_changes(link), CKR_DEVICE_REMOVED); });
  crowd.wait();
  link.close();
  waiting.join();
}

TEST(BrokerLink, NoticesAHangUpWithoutAsking) {
  std::atomic<bool> asked{false};
  LyingWorker worker([&](int socket, const Message& request) {
    asked = true;
    return truth(socket, request) && false;
  });
  BrokerLink link(worker.socket());
  link.look_after();
  EXPECT_TRUE(link.is_up());
  EXPECT_EQ(ask_changes(link), CKR_OK);
  while (link.is_up()) link.look_after();
}

/// Sockets of this process that lead to a path.
std::size_t connections_to(const std::string& path) {
  std::size_t count = 0;
  for (int descriptor = 0; descriptor < 1024; ++descriptor) {
    sockaddr_un address{};
    socklen_t size = sizeof address;
    if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0 &&
        address.sun_family == AF_UNIX && path == address.sun_path) {
      ++count;
    }
  }
  return count;
}

TEST(BrokerLink, AForkedChildHasNoConnection) {
  LyingWorker worker(truth);
  BrokerLink link(worker.socket());
  ASSERT_EQ(connections_to(worker.socket()), 1U);
  expect_in_child([&] { EXPECT_EQ(connections_to(worker.socket()), 0U); });
  EXPECT_EQ(ask_changes(link), CKR_OK) << "the child took the parent's";
}

}  // namespace
}  // namespace mayfly::test
