// Streams of PKCS#11 calls with hostile arguments over a real device, judged by a model. After each
// input the device must hold the keys that the model has, and once all tasks have ended, none.
#include "api/function_lists.h"
#include "fuzz/api_limits.h"
#include "fuzz/api_player.h"
#include "fuzz/fuzzed_device.h"

namespace mayfly::test {
namespace {

/// The module in this process: initialised once, and again when an input has finalised it or wants
/// the other configuration.
class Module {
 public:
  static Module& instance() {
    static Module module;
    return module;
  }

  CK_RV initialize() {
    std::string reserved = "conf='" + (login_required_ ? login_ : open_).string() + "'";
    struct {
      void* mutexes[4];
      CK_FLAGS flags;
      void* reserved;
    } arguments{{}, CKF_OS_LOCKING_OK, reserved.data()};
    return api::function_list_3_0()->C_Initialize(&arguments);
  }

  /// Makes it ready for an input, without tasks.
  void prepare(bool login_required) {
    CK_INFO info;
    const bool ready = api::function_list_3_0()->C_GetInfo(&info) == CKR_OK;
    if (ready && login_required == login_required_) return;
    if (ready) {
      require(api::function_list_3_0()->C_Finalize(nullptr) == CKR_OK, "C_Finalize works");
    }
    login_required_ = login_required;
    require(initialize() == CKR_OK, "C_Initialize works");
  }

  [[nodiscard]] const FuzzedDevice& device() const noexcept { return device_; }

 private:
  static std::string limits() {
    return "[limits]\ntasks = " + std::to_string(kMaxTasks) +
           "\nsessions = " + std::to_string(kMaxSessions) + "\n";
  }

  const FuzzedDevice device_;
  const std::filesystem::path open_ = device_.write_config(false, limits());
  const std::filesystem::path login_ = device_.write_config(true, limits());
  bool login_required_ = false;
};

void end_all(ApiModel& model) {
  if (!model.initialized) return;
  for (TaskModel& task : model.tasks) {
    if (!task.open) continue;
    require(api::vendor_function_list()->MAYFLY_CloseTask(task.slot) == CKR_OK,
            "a task's end is confirmed by the device");
    model.end(task);
  }
}

/// The first byte says whether tasks require a login.
void play(Input& input) {
  Module& module = Module::instance();
  ApiModel model(input.flag());
  module.prepare(model.login_required());
  Player player(input, model);
  player.initialize = [] { return Module::instance().initialize(); };
  static constexpr int kMaxSteps = 200;
  for (int step = 0; step < kMaxSteps && !input.empty(); ++step) player.step();
  if (model.initialized) {
    require(module.device().private_keys() == model.live_keys(),
            "the device holds the keys that there are, and no others");
  }
  end_all(model);
  module.prepare(model.login_required());
  require(module.device().keys() == 0, "no key is left on the device");
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mayfly;
  test::Input input(data, size);
  test::play(input);
  return 0;
}
