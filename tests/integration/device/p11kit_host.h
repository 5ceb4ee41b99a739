// A host application that uses the device's module itself, through p11-kit.
#pragma once

#include <memory>
#include <string>

namespace mayfly::test {

/// The module, loaded and initialised by p11-kit for this user alone, until it is finalised.
class P11KitHost {
 public:
  explicit P11KitHost(const std::string& module);
  ~P11KitHost();
  P11KitHost(const P11KitHost&) = delete;
  P11KitHost& operator=(const P11KitHost&) = delete;

  void finalize();

 private:
  void* functions_;
};

}  // namespace mayfly::test
