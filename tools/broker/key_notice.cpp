#include "tools/broker/key_notice.h"

#include "base/jwk.h"
#include "base/log.h"

namespace mayfly::broker {
namespace {

constexpr std::chrono::seconds kKeyNoticeTime{5};

}  // namespace

void KeyNotice::key_made(const PublicKey& key) noexcept {
  try {
    Message message;
    message.kind = MessageKind::key_made;
    message.text = to_jwk_members(key).dump();
    if (!channel_.send(message)) log::warn("the broker could not be told of a new key");
  } catch (const std::exception& error) {
    log::warn("the broker could not be told of a new key", error);
  }
}

void KeyNotice::key_destroyed(const PublicKey& key) noexcept {
  try {
    Message message;
    message.kind = MessageKind::key_destroyed;
    message.text = jwk_thumbprint(key);
    const auto deadline = std::chrono::steady_clock::now() + kKeyNoticeTime;
    if (channel_.send_by(deadline, message)) return;
    log::error(
        "the broker could not be told that a key is gone, and may publish it until its task ends");
  } catch (const std::exception& error) {
    log::error(std::string("the broker could not be told that a key is gone: ") + error.what());
  }
}

}  // namespace mayfly::broker
