// One client's whole life with mayfly, from C_Initialize to C_Finalize, judged at every step.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "conformance/independent_check.h"
#include "fault/fault_device.h"
#include "fault/findings.h"

namespace mayfly::test {

/// Scenario models a client that goes on whatever its calls answer, and knows what it may believe:
/// while the device is well, every call succeeds; after a fault, a call may fail, with a value that
/// PKCS#11 3.0 names for it and that is true; what succeeds has been done.
class Scenario {
 public:
  struct Options {
    bool looks_at_device = true;  ///< behind mayfly's back, as it goes on
    bool with_rsa = false;        ///< slow
    bool device_lies = false;     ///< what a spoilt answer cost can't be known
    bool mechanisms_lie = false;  ///< what the device denied to have at the start is not there
    bool faults_go_on = false;    ///< in the first task, so that the device can't be tidied in it
    std::function<void()> halfway{};  ///< called between the first task and the second
  };

  Scenario(FaultDevice& device, Provider& provider, Findings& findings, Options options);

  void run();

 private:
  struct Key {
    CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
    CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
    bool rsa = false;
    EvpKey check;  ///< rebuilt from the public attributes
  };
  using Session = std::optional<CK_SESSION_HANDLE>;

  // The three parts.
  bool initialize();
  void first_task();
  void next_task(const char* name);
  void finalize();

  // Steps of them.
  void look_around();
  void search(CK_SESSION_HANDLE session, std::size_t private_keys);
  void sign_in_all_ways(CK_SESSION_HANDLE session, const Key& key);
  void sign_while_busy(CK_SESSION_HANDLE session, CK_SESSION_HANDLE other, const Key& key);
  void copy_and_drop(CK_SESSION_HANDLE session, const Key& key);
  void close_task(bool nothing_owed);

  [[nodiscard]] Session open_session();
  [[nodiscard]] std::optional<Key> generate(CK_SESSION_HANDLE session, bool rsa, bool of_task);
  [[nodiscard]] std::optional<Key> try_generate(CK_SESSION_HANDLE session, bool rsa, bool of_task);
  bool read_public_key(CK_SESSION_HANDLE session, Key& key);
  [[nodiscard]] Bytes get(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                          CK_ATTRIBUTE_TYPE type);
  /// Signs in one way; once more if that failed while key and task live on.
  using SignOnce = CK_RV (Scenario::*)(CK_SESSION_HANDLE, const Key&, Bytes&);
  void sign(SignOnce way, CK_SESSION_HANDLE session, const Key& key);
  CK_RV sign_one_part(CK_SESSION_HANDLE session, const Key& key, Bytes& signature);
  CK_RV sign_parts(CK_SESSION_HANDLE session, const Key& key, Bytes& signature);
  CK_RV sign_message(CK_SESSION_HANDLE session, const Key& key, Bytes& signature);
  /// @return whether the key was destroyed, which is checked on the device.
  bool destroy(CK_SESSION_HANDLE session, const Key& key);

  // Judging.
  bool ok(const char* function, CK_RV rv);
  [[nodiscard]] bool task_gone() const;
  [[nodiscard]] bool well() const { return device_.script().struck() == 0; }
  void check_log();
  /// Whether the device can be expected to hold exactly what the client has.
  [[nodiscard]] bool tidy() const noexcept {
    return options_.looks_at_device && !options_.device_lies &&
           (!options_.faults_go_on || halfway_over_);
  }
  void expect_no_keys(const char* when);

  FaultDevice& device_;
  Provider& provider_;
  Findings& findings_;
  const Options options_;
  const CK_FUNCTION_LIST_3_0& p11_;
  std::optional<CK_SLOT_ID> slot_;
  bool initialized_ = false;
  bool halfway_over_ = false;
  unsigned failures_ = 0;  ///< calls of the client that failed
  std::size_t live_ = 0;   ///< private keys of the task that the client did not destroy
  bool owed_ = false;      ///< the client was told that a destruction is owed
};

}  // namespace mayfly::test
