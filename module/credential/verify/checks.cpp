#include "credential/verify/checks.h"

#include "base/safeguard.h"

namespace mayfly::credential {
namespace {

std::string seconds_text(std::uint64_t seconds) { return std::to_string(seconds) + " s"; }

}  // namespace

void check_begin(Part part, std::uint64_t begin, const Clock& clock) {
  const auto skew = static_cast<std::uint64_t>(clock.skew.count());
  // All of them are far from where 64 bits end.
  if (begin > clock.now_unix_s + skew) {
    throw Refused(part, Reason::issued_in_future, "by " + seconds_text(begin - clock.now_unix_s));
  }
}

void check_end(Part part, std::uint64_t end, const Clock& clock) {
  if (clock.now_unix_s >= end && kept(Safeguard::proof_end)) {
    throw Refused(part, Reason::expired, seconds_text(clock.now_unix_s - end) + " ago");
  }
}

bool is_subject(std::string_view subject, std::string_view expected) noexcept {
  if (!expected.ends_with("/*")) return subject == expected;
  expected.remove_suffix(1);
  return subject.size() > expected.size() && subject.starts_with(expected);
}

void check_token_hash(const std::optional<std::string>& hash, std::string_view access_token) {
  if (access_token.empty()) {
    if (hash) throw Refused(Part::proof, Reason::wrong_token, "none came along");
    return;
  }
  if (!hash) throw Refused(Part::proof, Reason::wrong_token, "it names none");
  if (*hash != token_hash(access_token)) throw Refused(Part::proof, Reason::wrong_token);
}

void check_first(ReplayCache& seen, std::string_view thumbprint, std::string_view id,
                 std::uint64_t until_unix_s, const Clock& clock) {
  if (kept(Safeguard::proof_replay) &&
      !seen.is_first(replay_name(thumbprint, id), until_unix_s, clock.now_unix_s)) {
    throw Refused(Part::proof, Reason::replayed);
  }
}

}  // namespace mayfly::credential
