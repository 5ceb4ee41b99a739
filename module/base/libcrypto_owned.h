// Objects of libcrypto, given back to it when nobody needs them any more.
#pragma once

#include <memory>

namespace mayfly::crypto {

template <auto free_object>
struct Free {
  template <typename T>
  void operator()(T* object) const noexcept {
    static_cast<void>(free_object(object));
  }
};

/// An object and the function that frees it: Owned<EVP_PKEY, EVP_PKEY_free>.
template <typename T, auto free_object>
using Owned = std::unique_ptr<T, Free<free_object>>;

}  // namespace mayfly::crypto
