// A server whose answers a test has written.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/descriptor.h"

namespace mayfly::test {

/// CannedHttp listens at a port of 127.0.0.1 and answers each connection's one request with the
/// bytes that belong to its path, as they are; other paths with nothing, until the client goes.
class CannedHttp {
 public:
  CannedHttp();
  ~CannedHttp();
  CannedHttp(const CannedHttp&) = delete;
  CannedHttp& operator=(const CannedHttp&) = delete;

  /// @param path  "/list", say.
  [[nodiscard]] std::string uri(const std::string& path) const;

  /// @param repeated  Sent after the answer, again and again until the client goes.
  void answer(const std::string& path, const std::string& bytes, const std::string& repeated = "");
  /// 200 and a body.
  void serve(const std::string& path, const std::string& body);

  /// The heads of all requests that came.
  [[nodiscard]] std::vector<std::string> requests() const;

 private:
  struct Answer {
    std::string bytes;
    std::string repeated;
  };

  void work();
  void speak(int client);

  Descriptor socket_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;  // guards what follows
  std::map<std::string, Answer> answers_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace mayfly::test
