#include "secrets/key_search.h"

#include <algorithm>
#include <bitset>
#include <cstring>
#include <memory>
#include <unordered_set>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>

#include "secrets/process_memory.h"

namespace mayfly::test {
namespace {

constexpr std::size_t kScalar = 32;

bool may_be_random(const std::uint8_t* bytes) {
  std::bitset<256> seen;
  for (std::size_t i = 0; i < kScalar; ++i) seen.set(bytes[i]);
  if (seen.count() < 20) return false;
  for (std::size_t i = 0; i < kScalar; i += 8) {
    std::uint64_t number = 0;
    std::memcpy(&number, bytes + i, sizeof number);
    if (number >> 48 == 0) return false;
  }
  return true;
}

/// Computes public points.
class Curve {
 public:
  /// The uncompressed point of a private key, big-endian.
  [[nodiscard]] Bytes point_of(const std::uint8_t* scalar) const {
    BN_bin2bn(scalar, kScalar, number_.get());
    Bytes point(65);
    EC_POINT_mul(group_.get(), point_.get(), number_.get(), nullptr, nullptr, context_.get());
    EC_POINT_point2oct(group_.get(), point_.get(), POINT_CONVERSION_UNCOMPRESSED, point.data(),
                       point.size(), context_.get());
    return point;
  }

 private:
  std::unique_ptr<EC_GROUP, decltype(&EC_GROUP_free)> group_{
      EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), EC_GROUP_free};
  std::unique_ptr<EC_POINT, decltype(&EC_POINT_free)> point_{EC_POINT_new(group_.get()),
                                                             EC_POINT_free};
  std::unique_ptr<BIGNUM, decltype(&BN_free)> number_{BN_new(), BN_free};
  std::unique_ptr<BN_CTX, decltype(&BN_CTX_free)> context_{BN_CTX_new(), BN_CTX_free};
};

}  // namespace

std::optional<std::set<Bytes>> private_keys_in(pid_t process, const std::vector<Bytes>& points) {
  const Curve curve;
  const std::set<Bytes> wanted(points.begin(), points.end());
  std::unordered_set<std::string> tried;
  std::set<Bytes> found;
  const auto look = [&](const Mapping& mapping, std::uint64_t, ByteView memory) {
    if (mapping.permissions.find('w') == std::string::npos) return;
    for (std::size_t i = 0; i + kScalar <= memory.size(); ++i) {
      const std::uint8_t* const bytes = memory.data() + i;
      if (!may_be_random(bytes)) continue;
      std::string text(reinterpret_cast<const char*>(bytes), kScalar);
      if (!tried.insert(text).second) continue;
      for (int order = 0; order < 2; ++order) {
        const Bytes point = curve.point_of(reinterpret_cast<const std::uint8_t*>(text.data()));
        if (wanted.contains(point)) found.insert(point);
        std::ranges::reverse(text);
      }
    }
  };
  if (!read_memory(process, look)) return std::nullopt;
  return found;
}

}  // namespace mayfly::test
