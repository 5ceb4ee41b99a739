// A client that a test leads step by step: secret_client MODULE TOKEN FIFO
//
// Reads one word a line from FIFO, and prints a line that ends with "done" after each:
//   login PIN   logs in
//   make        makes 24 P-256 key pairs and prints their public points
//   sign        signs with each, ten times
//   sign-on     says so and signs for ever
//   destroy     destroys them
//   close       closes the session
//   finalize    calls C_Finalize
//   leave       ends
#include <array>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"
#include "support/raw_module.h"

namespace mayfly::test {
namespace {

constexpr int kKeys = 24;

struct Pair {
  CK_OBJECT_HANDLE public_key;
  CK_OBJECT_HANDLE private_key;
};

Pair make(const RawModule& module, const RawSession& session) {
  std::array<unsigned char, 10> p256 = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
  CK_BBOOL yes = CK_TRUE;
  CK_ATTRIBUTE curve = {CKA_EC_PARAMS, p256.data(), p256.size()};
  CK_ATTRIBUTE sign = {CKA_SIGN, &yes, sizeof yes};
  CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  Pair pair{};
  expect_ok(module->C_GenerateKeyPair(session.handle(), &mechanism, &curve, 1, &sign, 1,
                                      &pair.public_key, &pair.private_key),
            "C_GenerateKeyPair");
  return pair;
}

void print_point(const RawModule& module, const RawSession& session, CK_OBJECT_HANDLE key) {
  std::array<unsigned char, 67> der;  // an OCTET STRING: two bytes, then the point
  CK_ATTRIBUTE point = {CKA_EC_POINT, der.data(), der.size()};
  expect_ok(module->C_GetAttributeValue(session.handle(), key, &point, 1), "C_GetAttributeValue");
  std::cout << to_hex(ByteView(der).subspan(2)) << ' ';
}

void work(const std::string& path, const std::string& token, const std::string& fifo) {
  const RawModule module(path);
  auto session = std::make_unique<RawSession>(module, module.slot_of(token));
  std::vector<Pair> pairs;
  std::ifstream commands(fifo);
  std::cout << "ready done" << std::endl;
  for (std::string word; commands >> word && word != "leave";) {
    if (word == "login") {
      std::string pin;
      commands >> pin;
      auto* const text = reinterpret_cast<CK_UTF8CHAR_PTR>(pin.data());
      expect_ok(module->C_Login(session->handle(), CKU_USER, text, pin.size()), "C_Login");
    } else if (word == "make") {
      for (int i = 0; i < kKeys; ++i) {
        pairs.push_back(make(module, *session));
        print_point(module, *session, pairs.back().public_key);
      }
    } else if (word == "sign") {
      for (int i = 0; i < 10; ++i) {
        for (const Pair& pair : pairs) sign(module, *session, pair.private_key);
      }
    } else if (word == "sign-on") {
      std::cout << word << " done" << std::endl;
      while (true) {
        for (const Pair& pair : pairs) sign(module, *session, pair.private_key);
      }
    } else if (word == "destroy") {
      for (const Pair& pair : pairs) {
        expect_ok(module->C_DestroyObject(session->handle(), pair.private_key), "C_DestroyObject");
        expect_ok(module->C_DestroyObject(session->handle(), pair.public_key), "C_DestroyObject");
      }
      pairs.clear();
    } else if (word == "close") {
      session.reset();
    } else if (word == "finalize") {
      expect_ok(module->C_Finalize(nullptr), "C_Finalize");
    }
    std::cout << word << " done" << std::endl;
  }
}

}  // namespace
}  // namespace mayfly::test

int main(int argc, char** argv) {
  try {
    if (argc != 4) throw std::runtime_error("three arguments are needed");
    mayfly::test::work(argv[1], argv[2], argv[3]);
    return 0;
  } catch (const std::exception& error) {
    std::cout << "secret_client: " << error.what() << std::endl;
    return 1;
  }
}
