#include "races/race.h"

#include <array>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "conformance/answers.h"
#include "conformance/fixture.h"
#include "races/race_task.h"
#include "support/raw_module.h"

namespace mayfly::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// The process's own use of the device, all the while: its login, and a key that nobody else may
/// touch. Through it can be seen what is left of a task.
class Host {
 public:
  explicit Host(RaceReport& report)
      : report_(report),
        module_(SoftHsmToken::module_path()),
        session_(module_, module_.slot_of(device_token().label())) {
    SecretBuffer pin = device_token().pin();
    expect_ok(module_->C_Login(session_.handle(), CKU_USER, pin.span().data(), pin.size()),
              "C_Login");
    CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
    Template curve = kP256.public_template();
    Template private_template({{CKA_SIGN, true}});
    expect_ok(module_->C_GenerateKeyPair(session_.handle(), &mechanism, curve.data(), curve.size(),
                                         private_template.data(), private_template.size(),
                                         &public_key_, &private_key_),
              "C_GenerateKeyPair");
  }

  /// Looks for keys of a task that has ended.
  void expect_gone(const std::vector<Bytes>& points) {
    for (const Bytes& point : points) {
      ++report_.looks_at_device;
      const std::size_t found = count({{CKA_EC_POINT, point}});
      report_.survivors += found;
      if (found != 0) report_.broken("a key is on the device after its task's end");
    }
  }

  /// Looks that there is nothing but the host's own pair, and that it works.
  void expect_alone() {
    const std::size_t keys = count({{CKA_CLASS, CK_ULONG{CKO_PRIVATE_KEY}}}) +
                             count({{CKA_CLASS, CK_ULONG{CKO_PUBLIC_KEY}}});
    if (keys > 2) {
      report_.survivors += keys - 2;
      report_.broken(std::to_string(keys - 2) + " keys are on the device after C_Finalize");
    }
    CK_MECHANISM ecdsa{CKM_ECDSA, nullptr, 0};
    Bytes digest(32, 9);
    Bytes signature(64);
    CK_ULONG size = signature.size();
    if (keys < 2 || module_->C_SignInit(session_.handle(), &ecdsa, private_key_) != CKR_OK ||
        module_->C_Sign(session_.handle(), digest.data(), digest.size(), signature.data(), &size) !=
            CKR_OK) {
      ++report_.foreign_losses;
      report_.broken("the host's own key is gone or does not sign");
    }
  }

 private:
  std::size_t count(Template wanted) {
    const RawSession session(module_, module_.slot_of(device_token().label()));
    expect_ok(module_->C_FindObjectsInit(session.handle(), wanted.data(), wanted.size()),
              "C_FindObjectsInit");
    std::array<CK_OBJECT_HANDLE, 64> found;
    CK_ULONG some = 0;
    std::size_t all = 0;
    do {
      expect_ok(module_->C_FindObjects(session.handle(), found.data(), found.size(), &some),
                "C_FindObjects");
      all += some;
    } while (some != 0);
    expect_ok(module_->C_FindObjectsFinal(session.handle()), "C_FindObjectsFinal");
    return all;
  }

  RaceReport& report_;
  const RawModule module_;
  const RawSession session_;
  CK_OBJECT_HANDLE public_key_ = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key_ = CK_INVALID_HANDLE;
};

std::string configuration(const TempFolder& folder) {
  const SoftHsmToken& token = device_token();
  return "[device]\nmodule = \"" + SoftHsmToken::module_path().string() + "\"\ntoken = \"" +
         token.uri() + "\"\npin-source = \"file:" + token.pin_file().string() +
         "\"\n[login]\nrequired = true\npin-source = \"file:" +
         folder.write("client-pin", kClientPin).string() + "\"\n[log]\nlevel = \"off\"\n";
}

/// One life of the library: tasks come and go until its C_Finalize, which comes under all of them.
class Life {
 public:
  Life(const RaceOptions& options, const RaceLibrary& library, RaceReport& report, Host& host,
       std::uint32_t seed)
      : options_(options),
        library_(library),
        report_(report),
        host_(host),
        seed_(seed),
        running_(static_cast<std::size_t>(options.tasks)) {}

  void run(milliseconds time) {
    std::vector<std::thread> owners;
    for (std::size_t i = 0; i < running_.size(); ++i) {
      owners.emplace_back([this, i] { own_tasks(i); });
    }
    std::this_thread::sleep_for(time);
    const CK_RV rv = library_.p11.C_Finalize(nullptr);
    finalised_.store(true);
    if (rv != CKR_OK) report_.broken("C_Finalize answered " + answer_name(rv));
    for (std::thread& owner : owners) owner.join();
    host_.expect_alone();
    ++report_.lives;
  }

 private:
  /// Opens one task after the other, lets threads use it, and ends it under them.
  void own_tasks(std::size_t place) {
    std::mt19937 random(seed_ * 31 + static_cast<std::uint32_t>(place));
    for (int i = 0; !finalised_; ++i) {
      const bool by_deadline = random() % 4 == 0;
      const auto task = std::make_shared<RaceTask>(
          library_, report_, "race-" + std::to_string(place) + "-" + std::to_string(i),
          by_deadline ? 1 : 0);
      if (!task->is_open()) continue;
      set_running(place, task);
      std::atomic<bool> stop{false};
      std::vector<std::thread> users;
      for (int user = 0; user < options_.threads_per_task; ++user) {
        users.emplace_back(
            [this, &task, &stop, place, start = static_cast<std::uint32_t>(random())] {
              std::mt19937 mine(start);
              while (!stop) task->use(mine, running((place + 1) % running_.size()).get());
            });
      }
      by_deadline ? await_deadline(*task) : end_task(*task, random);
      // A little longer: what comes after the end is what it is about.
      std::this_thread::sleep_for(milliseconds(2));
      stop.store(true);
      for (std::thread& user : users) user.join();
    }
  }

  void end_task(RaceTask& task, std::mt19937& random) {
    for (unsigned n = random() % 4; n > 0; --n) {
      std::this_thread::sleep_for(milliseconds(random() % 4));
      if (random() % 2 == 0) task.log_out_and_in();
    }
    if (!task.close()) return note_finalised(task);
    ++report_.closed;
    host_.expect_gone(task.points());
  }

  /// The thread whose call comes first after the deadline ends the task; this one waits for that.
  void await_deadline(RaceTask& task) {
    while (!task.is_past_deadline() && !finalised_) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    if (!task.await_end()) return note_finalised(task);
    ++report_.expired;
    host_.expect_gone(task.points());
  }

  void note_finalised(RaceTask& task) {
    while (!finalised_) std::this_thread::yield();
    task.library_is_finalised();
    ++report_.finalised;
    host_.expect_gone(task.points());
  }

  void set_running(std::size_t place, std::shared_ptr<RaceTask> task) {
    const std::scoped_lock lock(mutex_);
    running_[place] = std::move(task);
  }
  std::shared_ptr<const RaceTask> running(std::size_t place) {
    const std::scoped_lock lock(mutex_);
    return running_[place];
  }

  const RaceOptions& options_;
  const RaceLibrary& library_;
  RaceReport& report_;
  Host& host_;
  const std::uint32_t seed_;
  std::atomic<bool> finalised_{false};
  std::mutex mutex_;  // guards running_
  std::vector<std::shared_ptr<RaceTask>> running_;
};

}  // namespace

void run_race(const RaceOptions& options, RaceReport& report) {
  const TempFolder folder;
  static_cast<void>(device_token());  // is made while nobody uses the device
  Host host(report);
  ModuleProvider provider(folder.write("mayfly.toml", configuration(folder)));
  const RaceLibrary library{provider.functions(), provider.vendor(), kClientPin};
  std::string reserved = provider.reserved("", "");
  std::mt19937 random(options.seed);
  const auto end = steady_clock::now() + options.time;
  // A task with a deadline takes a second, so some lives are long.
  for (bool is_long = true; steady_clock::now() < end; is_long = random() % 4 == 0) {
    InitializeArgs args;
    args.reserved = reserved.data();
    expect_ok(library.p11.C_Initialize(&args), "C_Initialize");
    const milliseconds time(is_long ? 1500 + random() % 1000 : 20 + random() % 300);
    Life(options, library, report, host, static_cast<std::uint32_t>(random())).run(time);
  }
}

}  // namespace mayfly::test
