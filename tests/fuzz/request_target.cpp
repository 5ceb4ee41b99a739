// The control socket of `mayfly serve`: any text is a request in good form, or refused.
#include "base/bytes.h"
#include "base/json_reader.h"
#include "fuzz/finding.h"
#include "tools/serve/control_request.h"

namespace mayfly::test {
namespace {

using serve::ControlRequest;

bool same(const ControlRequest& a, const ControlRequest& b) {
  const auto grant_of = [](const ControlRequest& request) {
    return request.grant == nullptr ? std::string() : std::string(as_text(request.grant->view()));
  };
  return a.verb == b.verb && a.task == b.task && a.serial == b.serial && a.ttl == b.ttl &&
         a.policy == b.policy && grant_of(a) == grant_of(b) && a.user == b.user &&
         a.ended_too == b.ended_too && a.after == b.after && a.target.kind == b.target.kind &&
         a.target.value == b.target.value && a.target.grant_issuer == b.target.grant_issuer &&
         a.reason == b.reason;
}

void check(std::string_view text) {
  ControlRequest request;
  try {
    request = ControlRequest::parse(text);
  } catch (const JsonError& error) {
    require_message(error.what());
    return;
  }
  require(text.size() <= serve::kMostRequest, "a request has a most length");
  require(same(ControlRequest::parse(request.text()), request),
          "a request that is written reads as the same");
}

}  // namespace
}  // namespace mayfly::test

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  mayfly::test::check(mayfly::as_text({data, size}));
  return 0;
}
