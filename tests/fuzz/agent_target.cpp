// An agent whose worker says anything at all.
#include <mutex>
#include <vector>

#include "compose/library.h"
#include "core/application.h"
#include "fuzz/finding.h"
#include "fuzz/input.h"
#include "support/lying_worker.h"

namespace mayfly::test {
namespace {

constexpr std::uint8_t kRefuse = 1;
constexpr std::uint8_t kMore = 2;
constexpr std::uint8_t kRaw = 4;

/// What the worker says, one piece for each packet: a byte that says how, two bytes of length, and
/// the body. The header is right unless the piece says that it brings its own.
class Script {
 public:
  explicit Script(ByteView text) : input_(text.data(), text.size()) {}

  bool answer(int socket, const wire::Message& request) {
    bool more = true;
    while (more) {
      if (input_.empty()) return false;
      const std::uint8_t how = input_.byte();
      const Bytes body = to_bytes(input_.piece(input_.number(2)));
      more = (how & kMore) != 0;
      Bytes packet;
      if ((how & kRaw) == 0) {
        packet = answer_packet(request, (how & kRefuse) != 0 ? CKR_FUNCTION_FAILED : CKR_OK);
        if (!first_) packet.resize(8);
        packet[1] = more ? 1 : 0;
      }
      first_ = !more;
      packet.insert(packet.end(), body.begin(), body.end());
      if (packet.empty() || !send_raw(socket, packet)) return false;
      // Whoever says that more follows says more, or hangs up: nobody waits for nothing here.
      more = packet.size() > 1 && (packet[1] & 1) != 0;
    }
    return true;
  }

 private:
  Input input_;
  bool first_ = true;
};

/// What an agent does with its task, in order. Each call may be refused.
class Agent {
 public:
  explicit Agent(Application& application, SlotId slot) : application_(application), slot_(slot) {}

  void work() {
    attempt([&] { session_ = application_.session(application_.open_session(slot_, true)); });
    if (session_ == nullptr) return;
    KeyPairHandles pair;
    attempt([&] { pair = session_->generate_key_pair(CKM_EC_KEY_PAIR_GEN, {}, {}); });
    attempt([&] { session_->find_init({}); });
    attempt([&] { found_ = session_->find_next(100); });
    found_.push_back(pair.public_key);
    found_.push_back(pair.private_key);
    for (const ObjectHandle handle : found_) use(handle);
    attempt([&] { session_->login(as_bytes("pin")); });
    attempt([&] { session_->logout(); });
    attempt([&] { static_cast<void>(task().keeper().status(task())); });
    for (const ObjectHandle handle : found_too_) {
      attempt([&] { read_ += application_.attest(slot_, handle, Bytes(16, 1)).size(); });
    }
  }

 private:
  [[nodiscard]] Task& task() const { return session_->token().task(); }

  void use(ObjectHandle handle) {
    attempt([&] {
      for (const auto entry : session_->object(handle)->attributes()) read_ += entry.value.size();
    });
    for (const CK_MECHANISM_TYPE mechanism : {CKM_ECDSA_SHA256, CKM_EDDSA, CKM_SHA256_RSA_PKCS}) {
      attempt([&] {
        session_->sign_init({mechanism, std::nullopt}, handle);
        Bytes signature(session_->signature_size());
        require(session_->sign(as_bytes("data"), signature) == signature.size(),
                "a signature has the size that was told");
      });
      session_->cancel(CKF_SIGN);
    }
    attempt([&] {
      session_->verify_init({CKM_ECDSA_SHA256, std::nullopt}, handle);
      session_->verify(as_bytes("data"), Bytes(64, 1));
    });
    Attributes changes;
    changes.set(CKA_LABEL, as_bytes("label"));
    attempt([&] { session_->set_attributes(handle, changes); });
    attempt([&] { found_too_.push_back(session_->copy_object(handle, changes)); });
    attempt([&] { session_->destroy_object(handle); });
  }

  template <typename Call>
  static void attempt(Call&& call) {
    try {
      call();
    } catch (const Error& error) {
      require(error.rv() != CKR_OK, "a refusal is none");
    }
  }

  Application& application_;
  const SlotId slot_;
  std::shared_ptr<Session> session_;
  std::vector<ObjectHandle> found_;
  std::vector<ObjectHandle> found_too_;
  std::size_t read_ = 0;
};

void play(ByteView text) {
  Script script(text);
  LyingWorker worker(
      [&](int socket, const wire::Message& request) { return script.answer(socket, request); });
  Config config;
  config.broker.socket = worker.socket();
  config.log.level = log::Level::off;
  Library library(config);
  {
    Application application(library.tasks(), library.max_sessions());
    for (const SlotId slot : library.tasks().slots()) Agent(application, slot).work();
  }
  library.close();
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  mayfly::test::play({data, size});
  return 0;
}
