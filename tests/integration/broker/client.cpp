// A client of a task, as an agent's program would be one: it knows a PKCS#11 module and no mayfly.
//
//   broker_client descriptors                    lists the descriptors that are open in it
//   broker_client MODULE TOKEN generate          makes a P-256 key pair that lives with the task
//   broker_client MODULE TOKEN count             prints how many private keys it can see
//   broker_client MODULE TOKEN hold              makes a session key, says "holding", waits for
//   ever broker_client MODULE TOKEN sign-on           makes a session key and signs for ever
//   broker_client MODULE TOKEN time COUNT        prints the microseconds of one C_SignInit + C_Sign
//   broker_client MODULE TOKEN many COUNT        makes so many session keys, and waits for ever
//   broker_client MODULE TOKEN flood COUNT PID   makes so many session keys while that process is
//   stopped, and destroys them, the last one first
//   broker_client MODULE TOKEN slots             prints how many tokens there are
#include <array>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <signal.h>
#include <string>
#include <unistd.h>
#include <vector>

#include "support/raw_module.h"

namespace mayfly::test {
namespace {

std::array<unsigned char, 10> kP256 = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

CK_OBJECT_HANDLE generate(const RawModule& module, const RawSession& session, bool for_task) {
  CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_BBOOL token = for_task ? CK_TRUE : CK_FALSE;
  CK_BBOOL yes = CK_TRUE;
  std::array<CK_ATTRIBUTE, 2> public_template{
      {{CKA_EC_PARAMS, kP256.data(), kP256.size()}, {CKA_TOKEN, &token, sizeof token}}};
  std::array<CK_ATTRIBUTE, 2> private_template{
      {{CKA_TOKEN, &token, sizeof token}, {CKA_SIGN, &yes, sizeof yes}}};
  CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
  CK_OBJECT_HANDLE private_key = CK_INVALID_HANDLE;
  expect_ok(module->C_GenerateKeyPair(session.handle(), &mechanism, public_template.data(),
                                      public_template.size(), private_template.data(),
                                      private_template.size(), &public_key, &private_key),
            "C_GenerateKeyPair");
  return private_key;
}

std::size_t count_private_keys(const RawModule& module, const RawSession& session) {
  CK_OBJECT_CLASS wanted = CKO_PRIVATE_KEY;
  CK_ATTRIBUTE attribute = {CKA_CLASS, &wanted, sizeof wanted};
  expect_ok(module->C_FindObjectsInit(session.handle(), &attribute, 1), "C_FindObjectsInit");
  std::array<CK_OBJECT_HANDLE, 16> found{};
  CK_ULONG count = 0;
  expect_ok(module->C_FindObjects(session.handle(), found.data(), found.size(), &count),
            "C_FindObjects");
  expect_ok(module->C_FindObjectsFinal(session.handle()), "C_FindObjectsFinal");
  return count;
}

double time_signatures(const RawModule& module, const RawSession& session, int count) {
  const CK_OBJECT_HANDLE key = generate(module, session, false);
  for (int i = 0; i < count / 10; ++i) sign(module, session, key);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) sign(module, session, key);
  const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
  return taken.count() / count;
}

void flood(const RawModule& module, const RawSession& session, int count, pid_t stopped) {
  std::vector<CK_OBJECT_HANDLE> keys;
  kill(stopped, SIGSTOP);
  while (std::ssize(keys) < count) keys.push_back(generate(module, session, false));
  kill(stopped, SIGCONT);
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    expect_ok(module->C_DestroyObject(session.handle(), *key), "C_DestroyObject");
  }
}

void log_in(const RawModule& module, const RawSession& session) {
  const char* const pin = std::getenv("BROKER_CLIENT_PIN");
  if (pin == nullptr) return;
  std::string copy = pin;
  expect_ok(module->C_Login(session.handle(), CKU_USER,
                            reinterpret_cast<CK_UTF8CHAR_PTR>(copy.data()), copy.size()),
            "C_Login");
}

int list_descriptors() {
  for (int number = 0; number < 1024; ++number) {
    if (fcntl(number, F_GETFD) >= 0) std::cout << number << ' ';
  }
  std::cout << std::endl;
  return 0;
}

int work(const std::vector<std::string>& arguments) {
  if (arguments.at(0) == "descriptors") return list_descriptors();
  const RawModule module(arguments.at(0));
  const std::string& action = arguments.at(2);
  if (action == "slots") {
    CK_ULONG count = 0;
    expect_ok(module->C_GetSlotList(CK_TRUE, nullptr, &count), "C_GetSlotList");
    std::cout << count << std::endl;
    return 0;
  }
  const RawSession session(module, module.slot_of(arguments.at(1)));
  log_in(module, session);
  if (action == "generate") {
    generate(module, session, true);
  } else if (action == "count") {
    std::cout << count_private_keys(module, session) << std::endl;
  } else if (action == "hold") {
    sign(module, session, generate(module, session, false));
    std::cout << "holding" << std::endl;
    while (true) pause();
  } else if (action == "sign-on") {
    const CK_OBJECT_HANDLE key = generate(module, session, false);
    sign(module, session, key);
    std::cout << "signing" << std::endl;
    while (true) sign(module, session, key);
  } else if (action == "many") {
    for (int i = 0; i < std::stoi(arguments.at(3)); ++i) generate(module, session, false);
    std::cout << "holding" << std::endl;
    while (true) pause();
  } else if (action == "flood") {
    flood(module, session, std::stoi(arguments.at(3)), std::stoi(arguments.at(4)));
    std::cout << "holding" << std::endl;
    while (true) pause();
  } else if (action == "time") {
    std::cout << time_signatures(module, session, std::stoi(arguments.at(3))) << std::endl;
  } else {
    throw std::runtime_error("no such action: " + action);
  }
  return 0;
}

}  // namespace
}  // namespace mayfly::test

int main(int argc, char** argv) {
  try {
    return mayfly::test::work({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cout << "client: " << error.what() << std::endl;
    return 1;
  }
}
