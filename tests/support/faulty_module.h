// The switches of the faulty module: SoftHSM2 behind a PKCS#11 module that fails on demand.
//
// A test loads mayfly_faulty_module as the device, and reaches the switches of the same copy with
// dlsym(…, "faulty_module").
#pragma once

#include <array>
#include <atomic>

#include "base/pkcs11.h"
#include "support/call_script.h"

namespace mayfly::test {

/// The functions that can be made to fail and whose calls are counted.
enum class Call {
  open_session,
  close_session,
  login,
  generate_key_pair,
  get_attribute_value,
  get_token_info,
  get_session_info,
  destroy_object,
  find_objects_init,
  find_objects,
  sign_init,
  sign,
};
inline constexpr std::size_t kCalls = 12;

struct FaultyModule {
  struct Switch {
    std::atomic<CK_RV> answer{CKR_OK};  ///< what failing calls answer
    std::atomic<unsigned> failures{0};  ///< how many of the next calls fail
    std::atomic<unsigned> calls{0};     ///< calls so far
  };

  static constexpr unsigned kAlways = ~0U;
  static constexpr CK_MECHANISM_TYPE kNoMechanism = ~0UL;
  static constexpr CK_ATTRIBUTE_TYPE kNoAttribute = ~0UL;

  std::array<Switch, kCalls> switches;
  CallScript script;  ///< stands before the switches, and knows every function

  /// Whether the device outlives the library in this process, as a network device does:
  /// C_Initialize and C_Finalize answer and do nothing else. The test has SoftHSM2 initialised
  /// then.
  std::atomic<bool> stays_up{false};
  std::atomic<bool> hold_life{false};   ///< C_Initialize and C_Finalize wait as long as this is set
  std::atomic<unsigned> held_lives{0};  ///< calls that wait there

  std::atomic<CK_MECHANISM_TYPE> hidden{kNoMechanism};  ///< C_GetMechanismInfo denies it
  std::atomic<CK_ATTRIBUTE_TYPE> lie_about{
      kNoAttribute};                          ///< CK_BBOOLs are inverted, others spoilt
  std::atomic<CK_ULONG> lie_size{0};          ///< the length told for it; 0: the true one
  std::atomic<bool> wants_read_write{false};  ///< key pairs are made in read-write sessions only
  std::atomic<bool> wants_curve_name{false};  ///< Ed25519 by PrintableString, not by OID
  std::atomic<CK_ULONG> max_sessions{0};      ///< told by C_GetTokenInfo; 0: SoftHSM2's own
  std::atomic<CK_ULONG> session_limit{0};     ///< C_OpenSession: CKR_SESSION_COUNT; 0: none
  std::atomic<CK_ULONG> open_sessions{0};
  std::atomic<CK_SESSION_HANDLE> last_session{0};    ///< what C_OpenSession gave last
  std::atomic<CK_SESSION_HANDLE> repeat_session{0};  ///< what it gives next instead of a new one

  std::atomic<bool> find_nothing{false};  ///< C_FindObjects answers well and gives nothing
  std::atomic<bool> logged_out{false};    ///< C_GetSessionInfo tells of no login

  std::atomic<CK_ULONG> longest_data{0};     ///< C_Sign refuses to sign more bytes; 0: no limit
  std::atomic<bool> hold_signing{false};     ///< C_Sign waits as long as this is set
  std::atomic<unsigned> held{0};             ///< calls that wait there
  std::atomic<unsigned> most_held{kAlways};  ///< if so many wait, others pass

  Switch& operator[](Call call) noexcept { return switches[static_cast<std::size_t>(call)]; }

  /// Makes it a faithful module again, and forgets what was counted.
  void reset() noexcept {
    for (Switch& lever : switches) {
      lever.failures = 0;
      lever.calls = 0;
    }
    hidden = kNoMechanism;
    lie_about = kNoAttribute;
    lie_size = 0;
    wants_read_write = false;
    wants_curve_name = false;
    max_sessions = 0;
    session_limit = 0;
    open_sessions = 0;
    last_session = 0;
    repeat_session = 0;
    find_nothing = false;
    logged_out = false;
    longest_data = 0;
    hold_signing = false;
    most_held = kAlways;
    stays_up = false;
    hold_life = false;
    script.start({});
  }

  void fail(Call call, CK_RV answer, unsigned times = 1) noexcept {
    (*this)[call].answer = answer;
    (*this)[call].failures = times;
  }
};

}  // namespace mayfly::test
