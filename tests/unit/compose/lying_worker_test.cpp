// A worker whose messages are well formed and make no sense.
#include "support/lying_worker.h"

#include <gtest/gtest.h>

#include "compose/library.h"
#include "core/application.h"
#include "support/failure_of.h"

namespace mayfly::test {
namespace {

using wire::Kind;
using wire::Message;

/// The attributes of a key pair's halves, true as long as nobody changes them.
struct Halves {
  Attributes public_key;
  Attributes private_key;
};

Halves true_halves() {
  const KeySpec spec{CKK_EC, 256};
  Bytes point(65, 0);
  // The base point of P-256 (SP 800-186, 3.2.1.3).
  static constexpr std::uint8_t kBase[] = {
      0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5,
      0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4,
      0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a,
      0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
      0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5};
  std::copy(std::begin(kBase), std::end(kBase), point.begin());
  Halves halves;
  for (Attributes* half : {&halves.public_key, &halves.private_key}) {
    half->set_number(CKA_CLASS, half == &halves.public_key ? CKO_PUBLIC_KEY : CKO_PRIVATE_KEY);
    half->set_number(CKA_KEY_TYPE, CKK_EC);
    half->set_flag(CKA_TOKEN, false);
    half->set(CKA_EC_PARAMS, ec_params(spec));
    half->set(CKA_PUBLIC_KEY_INFO, PublicKey::from_point(spec, point).subject_public_key_info());
    half->set_flag(CKA_SIGN, true);
  }
  halves.public_key.set(CKA_EC_POINT, encode_ec_point(point));
  return halves;
}

wire::ObjectRecord record_of(const Attributes& attributes, std::uint64_t handle,
                             std::uint64_t number = 0) {
  wire::ObjectRecord record{handle, number, {}};
  for (const auto entry : attributes) record.attributes.push_back({entry.type, entry.value});
  return record;
}

/// What a worker answers to each kind of request; what is not there is refused.
struct Story {
  std::function<void(wire::Writer&)> generate;
  std::function<void(wire::Writer&)> changes = [](wire::Writer& out) {
    wire::ChangesAnswer{}.write(out);
  };
  std::function<void(wire::Writer&)> sign = [](wire::Writer& out) { out.bytes(Bytes(64, 1)); };
  std::function<void(wire::Writer&)> info = [](wire::Writer& out) {
    wire::TaskInfoAnswer{}.write(out);
  };

  bool tell(int socket, const Message& request) const {
    const auto say = [&](const std::function<void(wire::Writer&)>& write) {
      return send_raw(socket, answer_packet(request, CKR_OK, write));
    };
    switch (static_cast<Kind>(request.kind)) {
      case Kind::open_session:
        return say([](wire::Writer& out) { out.u64(1); });
      case Kind::close_session:
        return say({});
      case Kind::generate:
        return say(generate);
      case Kind::changes:
        return say(changes);
      case Kind::sign:
        return say(sign);
      case Kind::task_info:
        return say(info);
      default:
        return send_raw(socket, answer_packet(request, CKR_FUNCTION_FAILED));
    }
  }
};

Story telling(const Halves& halves, std::uint64_t number = 0) {
  Story story;
  story.generate = [=](wire::Writer& out) {
    wire::GenerateAnswer{record_of(halves.public_key, 2, number),
                         record_of(halves.private_key, 3, number == 0 ? 0 : number + 1)}
        .write(out);
  };
  return story;
}

/// A client of a worker that tells a story.
class Client {
 public:
  explicit Client(Story story, const PageShape& page = {})
      : worker_([story = std::move(story)](
                    int socket, const Message& request) { return story.tell(socket, request); },
                [page](int socket, const Message& request) {
                  return LyingWorker::say_hello(socket, request, make_change_page(page));
                }),
        library_(config(worker_.socket())),
        application_(library_.tasks(), library_.max_sessions()),
        slot_(library_.tasks().slots().at(0)),
        session_(application_.session(application_.open_session(slot_, true))) {}
  ~Client() {
    application_.finish();
    library_.close();
  }

  [[nodiscard]] Session& session() { return *session_; }
  [[nodiscard]] KeyPairHandles generate() {
    return session().generate_key_pair(CKM_EC_KEY_PAIR_GEN, {}, {});
  }
  [[nodiscard]] CK_RV sign(ObjectHandle key, Bytes& signature) {
    return answer_of([&] {
      session().sign_init({CKM_ECDSA, std::nullopt}, key);
      signature.assign(64, 0);
      session().sign(Bytes(32, 5), signature);
    });
  }
  [[nodiscard]] Task& task() { return session_->token().task(); }
  /// What each C function begins with.
  void follow_host() { application_.tasks().end_due(BootClock::now()); }
  /// The task is over, as when its token was pulled.
  void expect_lost() {
    EXPECT_EQ(task().state(), TaskState::lost);
    EXPECT_EQ(answer_of([&] { static_cast<void>(application_.task(slot_)); }),
              CKR_TOKEN_NOT_PRESENT);
    EXPECT_EQ(answer_of([&] { static_cast<void>(application_.session(session_->handle())); }),
              CKR_SESSION_HANDLE_INVALID);
    EXPECT_EQ(application_.next_slot_event(), slot_);
  }

 private:
  static Config config(const std::string& socket) {
    Config config;
    config.broker.socket = socket;
    config.log.level = log::Level::off;
    return config;
  }

  LyingWorker worker_;
  Library library_;
  Application application_;
  SlotId slot_;
  std::shared_ptr<Session> session_;
};

TEST(LyingWorker, IsBelievedAsLongAsItMakesSense) {
  Client client(telling(true_halves()));
  const KeyPairHandles pair = client.generate();
  Bytes signature;
  EXPECT_EQ(client.sign(pair.private_key, signature), CKR_OK);
  EXPECT_EQ(signature, Bytes(64, 1));
  EXPECT_EQ(client.session().object(pair.public_key)->object_class(), CKO_PUBLIC_KEY);
}

struct Change {
  const char* what;
  std::function<void(Halves&)> change;
};

TEST(LyingWorker, CanNotPassOffWhatIsNoKey) {
  const auto number = [](CK_ULONG value) {
    return Bytes(reinterpret_cast<const std::uint8_t*>(&value),
                 reinterpret_cast<const std::uint8_t*>(&value) + sizeof value);
  };
  const Change changes[] = {
      {"no class", [](Halves& h) { h.private_key.set(CKA_CLASS, Bytes{}); }},
      {"a secret key", [&](Halves& h) { h.private_key.set(CKA_CLASS, number(CKO_SECRET_KEY)); }},
      {"a class of three bytes", [](Halves& h) { h.public_key.set(CKA_CLASS, Bytes(3, 1)); }},
      {"another key type", [&](Halves& h) { h.private_key.set(CKA_KEY_TYPE, number(CKK_AES)); }},
      {"RSA without a modulus",
       [&](Halves& h) { h.private_key.set(CKA_KEY_TYPE, number(CKK_RSA)); }},
      {"RSA with an empty modulus",
       [&](Halves& h) {
         h.public_key.set(CKA_KEY_TYPE, number(CKK_RSA));
         h.public_key.set(CKA_MODULUS, Bytes{});
         h.public_key.set(CKA_PUBLIC_EXPONENT, Bytes{});
       }},
      {"a curve that is none", [](Halves& h) { h.private_key.set(CKA_EC_PARAMS, Bytes(5, 6)); }},
      {"another curve",
       [](Halves& h) {
         h.private_key.set(CKA_EC_PARAMS, ec_params({CKK_EC, 521}));
       }},
      {"no public half", [](Halves& h) { h.private_key.set(CKA_PUBLIC_KEY_INFO, Bytes{}); }},
      {"a public half with another beginning",
       [](Halves& h) {
         Bytes info = to_bytes(*h.private_key.find(CKA_PUBLIC_KEY_INFO));
         info[1] ^= 1;
         h.private_key.set(CKA_PUBLIC_KEY_INFO, info);
       }},
      {"a point off the curve",
       [](Halves& h) {
         Bytes point = to_bytes(*h.public_key.find(CKA_EC_POINT));
         point.back() ^= 1;
         h.public_key.set(CKA_EC_POINT, point);
       }},
      {"a private point off the curve",
       [](Halves& h) {
         Bytes info = to_bytes(*h.private_key.find(CKA_PUBLIC_KEY_INFO));
         info.back() ^= 1;
         h.private_key.set(CKA_PUBLIC_KEY_INFO, info);
       }},
      {"CKA_TOKEN of two bytes", [](Halves& h) { h.private_key.set(CKA_TOKEN, Bytes(2, 1)); }},
      {"a token object without a number",
       [](Halves& h) { h.private_key.set_flag(CKA_TOKEN, true); }},
  };
  for (const Change& change : changes) {
    SCOPED_TRACE(change.what);
    Halves halves = true_halves();
    change.change(halves);
    Client client(telling(halves));
    EXPECT_EQ(answer_of([&] { static_cast<void>(client.generate()); }), CKR_DEVICE_REMOVED);
    client.expect_lost();
  }
}

TEST(LyingWorker, CanNotGiveASignatureOfAnotherSize) {
  for (const std::size_t size : {0, 1, 63, 65, 4096, 60'000}) {
    SCOPED_TRACE(size);
    Story story = telling(true_halves());
    story.sign = [size](wire::Writer& out) { out.bytes(Bytes(size, 1)); };
    Client client(story);
    const KeyPairHandles pair = client.generate();
    Bytes signature;
    EXPECT_EQ(client.sign(pair.private_key, signature), CKR_DEVICE_REMOVED);
    EXPECT_EQ(signature, Bytes(64)) << "something reached the caller";
    client.expect_lost();
  }
}

TEST(LyingWorker, CanNotTellOfTokenObjectsThatAreNone) {
  const auto changes_of = [](const std::vector<wire::ObjectRecord>& records) {
    return [records](wire::Writer& out) {
      wire::ChangesAnswer answer;
      answer.now = 1;
      answer.changed = records;
      answer.write(out);
    };
  };
  const Halves session_object = true_halves();
  Halves token_object = true_halves();
  token_object.public_key.set_flag(CKA_TOKEN, true);
  wire::ObjectRecord twice = record_of(token_object.public_key, 2, 1);
  twice.attributes.push_back(twice.attributes.front());
  const std::pair<const char*, std::vector<wire::ObjectRecord>> lies[] = {
      {"a session object", {record_of(session_object.public_key, 2, 1)}},
      {"no number", {record_of(token_object.public_key, 2, 0)}},
      {"no attributes", {record_of({}, 2, 1)}},
      {"an attribute twice", {twice}},
  };
  for (const auto& [what, records] : lies) {
    SCOPED_TRACE(what);
    Story story;
    story.changes = changes_of(records);
    Client client(story);
    EXPECT_EQ(answer_of([&] { client.session().find_init({}); }), CKR_DEVICE_REMOVED);
    client.expect_lost();
  }
  // Twice by one number is one object; by another handle it is another one.
  Story story;
  story.changes = changes_of({record_of(token_object.public_key, 2, 1),
                              record_of(token_object.public_key, 2, 1),
                              record_of(token_object.public_key, 4, 1)});
  Client client(story);
  client.session().find_init({});
  EXPECT_EQ(client.session().find_next(10).size(), 1U);
}

TEST(LyingWorker, CanNotGoOnForEver) {
  Story story;
  story.changes = [](wire::Writer& out) {
    wire::ChangesAnswer answer;
    answer.more = true;
    answer.write(out);
  };
  Client client(story);
  EXPECT_EQ(answer_of([&] { client.session().find_init({}); }), CKR_DEVICE_REMOVED);
  client.expect_lost();
}

TEST(LyingWorker, TellsHowTheTaskEndedWhateverIsAsked) {
  Story story = telling(true_halves());
  story.sign = {};  // an answer without its body
  story.info = [](wire::Writer& out) {
    wire::TaskInfoAnswer{static_cast<std::uint64_t>(TaskState::revoked), 0, 0, 0}.write(out);
  };
  const std::pair<std::uint32_t, TaskState> rows[] = {{MAYFLY_TASK_CLOSED, TaskState::closed},
                                                      {MAYFLY_TASK_EXPIRED, TaskState::expired},
                                                      {MAYFLY_TASK_REVOKED, TaskState::revoked},
                                                      {MAYFLY_TASK_EXHAUSTED, TaskState::exhausted},
                                                      {MAYFLY_TASK_LOST, TaskState::lost},
                                                      {MAYFLY_TASK_ACTIVE, TaskState::lost},
                                                      {7, TaskState::lost},
                                                      {~0U, TaskState::lost}};
  for (const auto& [said, state] : rows) {
    SCOPED_TRACE(said);
    Client signing(story, PageShape{.ended = said});
    Bytes signature;
    EXPECT_EQ(signing.sign(signing.generate().private_key, signature), CKR_DEVICE_REMOVED);
    EXPECT_EQ(signing.task().state(), state);

    Client asking(story, PageShape{.ended = said});
    asking.follow_host();
    EXPECT_EQ(asking.task().state(), state);
  }
}

TEST(LyingWorker, CanMoveTheDeadlineCloserButNotAway) {
  Story story;
  for (const std::uint64_t told : {std::uint64_t{0}, std::uint64_t{5}, ~std::uint64_t{0}}) {
    story.info = [told](wire::Writer& out) { wire::TaskInfoAnswer{0, 0, 0, told}.write(out); };
    Client client(story);
    Task& task = client.task();
    const auto closer = BootClock::time_point(std::chrono::nanoseconds(told));
    EXPECT_EQ(task.keeper().status(task).deadline,
              told == ~std::uint64_t{0} ? task.deadline() : closer);
  }
}

TEST(LyingWorker, CanNotInventAState) {
  Story story;
  story.info = [](wire::Writer& out) { wire::TaskInfoAnswer{7, 0, 0, 0}.write(out); };
  Client client(story);
  Task& task = client.task();
  EXPECT_EQ(answer_of([&] { static_cast<void>(task.keeper().status(task)); }),
            CKR_TOKEN_NOT_PRESENT);
  client.expect_lost();
}

}  // namespace
}  // namespace mayfly::test
